"""Tables for `dvc plots` and for spreadsheets."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fathomline.decide.evaluate import Evaluation
from fathomline.decide.metrics import confusion
from fathomline.files import write_report_csv
from fathomline.report.history_table import read_history
from fathomline.taxonomy.ranks import RANKS, Rank
from fathomline.taxonomy.tree import Taxonomy


def confusion_by(rank: Rank, rows: pd.DataFrame, taxonomy: Taxonomy) -> pd.DataFrame:
    """One row per ROI, columns as `metrics.confusion` has them; `rows` as validation.csv has them."""
    truth, prediction = (
        np.array([taxonomy.node(name) for name in rows[column]], dtype=np.int64) for column in ("truth", "prediction")
    )
    return confusion(taxonomy, truth, prediction, rank)


def mean_history(histories: Sequence[Path]) -> pd.DataFrame:
    """One row per epoch: each column's mean over the folds' history.csv, so that a plot has one line per curve.

    Epochs that not every fold reached are left out: a mean over fewer folds would jump.
    """
    tables = [read_history(path) for path in histories]
    epochs = min(table["epoch"].max() for table in tables)
    means = pd.concat(tables).groupby("epoch", as_index=False).mean()
    return means[means["epoch"] <= epochs]


def confusion_at_ranks(rows: pd.DataFrame, taxonomy: Taxonomy) -> pd.DataFrame:
    """Columns rank, truth, prediction, rois, truth_node, prediction_node: how often each pair of taxa occurs at each of
    the seven ranks. The last two are indices into `taxonomy.nodes`, since names are not made to be taken apart."""
    at_ranks = [confusion_by(rank, rows, taxonomy).value_counts(sort=False).reset_index(name="rois") for rank in RANKS]
    return pd.concat([table.assign(rank=str(rank)) for rank, table in zip(RANKS, at_ranks, strict=True)])[
        ["rank", "truth", "prediction", "rois", "truth_node", "prediction_node"]
    ]


def all_tables(evaluation: Evaluation, taxonomy: Taxonomy, histories: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """By the names of their CSVs: `validation`, `history`, `confusion`, `confusion_phylum`, `confusion_class`, and the
    evaluation's own."""
    pair = ["truth", "prediction"]
    return {
        "validation": evaluation.rows,
        "history": mean_history(histories),
        "confusion": confusion_at_ranks(evaluation.rows, taxonomy),
        # As `dvc plots` and the tracker want them: one row per ROI and no other column.
        **{
            f"confusion_{rank}": confusion_by(rank, evaluation.rows, taxonomy)[pair]
            for rank in (Rank.PHYLUM, Rank.CLASS)
        },
        **evaluation.tables,
    }


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write each table to a CSV of its name in `folder`."""
    for name, table in tables.items():
        write_report_csv(table, folder / f"{name}.csv")
