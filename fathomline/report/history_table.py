"""history.csv: how a training went, one row an epoch, for whoever reads it without PyTorch."""

from pathlib import Path
from typing import Annotated

import pandas as pd
from annotated_types import Ge

from fathomline.records import Gap, Number, Whole, check_columns, read_table, refuse_rows

SCHEMA = {"epoch": Whole, "validation_mhd": Annotated[Number, Ge(0)]}
"""Columns that every history has. The others, such as losses, hold numbers or nothing."""


def read_history(path: Path) -> pd.DataFrame:
    """Read the history.csv of a fold: epoch int64, counted from 1, and the other columns float64, NaN where empty.

    Raises InputError when it is not as the train stage writes it.
    """
    remedy = "run `dvc repro --force train`, which writes it"
    table = read_table(path, SCHEMA, remedy)
    refuse_rows(path, table["epoch"] != table.index + 1, "are not the epochs 1, 2, 3 … in order", remedy)
    others = table.columns.drop(list(SCHEMA))
    check_columns(path, table, dict.fromkeys(others, Gap), remedy)
    return table
