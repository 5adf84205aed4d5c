"""Tables for `dvc plots` and for a spreadsheet."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fathomline.decide.evaluate import Evaluation
from fathomline.decide.metrics import confusion
from fathomline.files import read_csv, write_csv
from fathomline.taxonomy.ranks import RANKS, Rank
from fathomline.taxonomy.tree import Taxonomy


def confusion_by(rank: Rank, rows: pd.DataFrame, taxonomy: Taxonomy) -> pd.DataFrame:
    """Columns `truth` and `prediction`, names at `rank`, one row an ROI; `rows` as validation.csv has them."""
    truth, prediction = (
        np.array([taxonomy.node(name) for name in rows[column]], dtype=np.int64) for column in ("truth", "prediction")
    )
    return confusion(taxonomy, truth, prediction, rank)


def mean_history(histories: Sequence[Path]) -> pd.DataFrame:
    """One row an epoch: each column's mean over the folds' history.csv, so that a plot has one line a curve.

    Epochs that not every fold came to are left out: a mean over fewer folds would jump.
    """
    tables = [read_csv(path, ["epoch", "validation_mhd"]) for path in histories]
    epochs = min(table["epoch"].max() for table in tables)
    means = pd.concat(tables).groupby("epoch", as_index=False).mean()
    return means[means["epoch"] <= epochs]


def confusion_at_ranks(rows: pd.DataFrame, taxonomy: Taxonomy) -> pd.DataFrame:
    """Columns rank, truth, prediction, rois: how often each pair of names occurs at each of the seven ranks."""
    at_ranks = [confusion_by(rank, rows, taxonomy).value_counts(sort=False).reset_index(name="rois") for rank in RANKS]
    return pd.concat([table.assign(rank=str(rank)) for rank, table in zip(RANKS, at_ranks, strict=True)])[
        ["rank", "truth", "prediction", "rois"]
    ]


def all_tables(evaluation: Evaluation, taxonomy: Taxonomy, histories: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """By the names of their CSVs: `validation`, `history`, `confusion`, `confusion_phylum`, `confusion_class`, and the
    evaluation's own."""
    return {
        "validation": evaluation.rows,
        "history": mean_history(histories),
        "confusion": confusion_at_ranks(evaluation.rows, taxonomy),
        # As `dvc plots` wants them, one row an ROI.
        **{f"confusion_{rank}": confusion_by(rank, evaluation.rows, taxonomy) for rank in (Rank.PHYLUM, Rank.CLASS)},
        **evaluation.tables,
    }


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write each table to a CSV of its name in `folder`."""
    for name, table in tables.items():
        write_csv(table, folder / f"{name}.csv")
