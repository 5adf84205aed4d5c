"""Tables for `dvc plots` and for a spreadsheet."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from fathomline.decide.metrics import confusion
from fathomline.files import read_csv, write_csv
from fathomline.taxonomy.ranks import Rank
from fathomline.taxonomy.tree import Taxonomy


def confusion_by(rank: Rank, rows: pd.DataFrame, taxonomy: Taxonomy) -> pd.DataFrame:
    """Columns `truth` and `prediction`, names at `rank`, one row an ROI; `rows` as validation.csv has them."""
    truth, prediction = (
        np.array([taxonomy.node(name) for name in rows[column]], dtype=np.int64) for column in ("truth", "prediction")
    )
    return confusion(taxonomy, truth, prediction, rank)


def joined_history(histories: Mapping[int, Path]) -> pd.DataFrame:
    """history.csv of each fold under one another, with a column `fold` in front."""
    tables = []
    for fold, path in histories.items():
        table = read_csv(path, ["epoch", "validation_mhd"])
        table.insert(0, "fold", fold)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def write_tables(folder: Path, rows: pd.DataFrame, taxonomy: Taxonomy, histories: Mapping[int, Path]) -> None:
    """Write validation.csv, confusion_phylum.csv and history.csv to `folder`."""
    write_csv(rows, folder / "validation.csv")
    write_csv(confusion_by(Rank.PHYLUM, rows, taxonomy), folder / "confusion_phylum.csv")
    write_csv(joined_history(histories), folder / "history.csv")
