"""Tables for `dvc plots` and for a spreadsheet."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fathomline.decide.evaluate import Evaluation
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


def mean_history(histories: Sequence[Path]) -> pd.DataFrame:
    """One row an epoch: each column's mean over the folds' history.csv, so that a plot has one line a curve."""
    tables = [read_csv(path, ["epoch", "validation_mhd"]) for path in histories]
    return pd.concat(tables).groupby("epoch", as_index=False).mean()


def write_tables(folder: Path, evaluation: Evaluation, taxonomy: Taxonomy, histories: Sequence[Path]) -> None:
    """Write validation.csv, decoders.csv, confusion_phylum.csv and history.csv to `folder`."""
    write_csv(evaluation.rows, folder / "validation.csv")
    write_csv(evaluation.decoders, folder / "decoders.csv")
    write_csv(confusion_by(Rank.PHYLUM, evaluation.rows, taxonomy), folder / "confusion_phylum.csv")
    write_csv(mean_history(histories), folder / "history.csv")
