"""The tables of an evaluation, for the report, spreadsheets and `dvc plots`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Ge

from fathomline.decide.evaluate import Evaluation
from fathomline.decide.metrics import confusion
from fathomline.files import write_report_csv
from fathomline.records import Gap, Number, Whole, check_columns, read_table, refuse_rows
from fathomline.taxonomy.ranks import RANKS, Rank
from fathomline.taxonomy.tree import Taxonomy

HISTORY_SCHEMA = {"epoch": Whole, "validation_mhd": Annotated[Number, Ge(0)]}
"""Columns of every history.csv. All others, such as losses, contain numbers or are empty."""


def all_tables(evaluation: Evaluation, taxonomy: Taxonomy, histories: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """The tables, named after their CSVs: `validation`, `history`, `confusion`, `confusion_phylum`, `confusion_class`,
    and those of `evaluation`.

    Args:
        histories: the history.csv of each fold.
    Raises InputError for a history that `read_history` refuses.
    """
    return {
        "validation": evaluation.rows,
        "history": mean_history(histories),
        "confusion": confusion_at_ranks(evaluation.rows, taxonomy),
        # `dvc plots` and the tracker need one row per ROI and no other column.
        **{
            f"confusion_{rank}": confusion_by(rank, evaluation.rows, taxonomy)[["truth", "prediction"]]
            for rank in (Rank.PHYLUM, Rank.CLASS)
        },
        **evaluation.tables,
    }


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write each table to `folder`, as a CSV with the name of the table."""
    for name, table in tables.items():
        write_report_csv(table, folder / f"{name}.csv")


def nodes_of(rows: pd.DataFrame, taxonomy: Taxonomy) -> tuple[np.ndarray, np.ndarray]:
    """Indices into `taxonomy.nodes` of the truth and of the prediction of each row, both (rows,) int64."""
    truth, prediction = (
        np.array([taxonomy.node(name) for name in rows[column]], dtype=np.int64) for column in ("truth", "prediction")
    )
    return truth, prediction


def confusion_by(rank: Rank, rows: pd.DataFrame, taxonomy: Taxonomy) -> pd.DataFrame:
    """One row per ROI, with the columns of `metrics.confusion`.

    Args:
        rows: with the columns `truth` and `prediction` of validation.csv.
    """
    return confusion(taxonomy, *nodes_of(rows, taxonomy), rank)


def confusion_at_ranks(rows: pd.DataFrame, taxonomy: Taxonomy) -> pd.DataFrame:
    """How often each pair of taxa occurs at each of the seven ranks.

    Args:
        rows: as for `confusion_by`.
    Returns: columns rank, truth, prediction, rois, truth_node, prediction_node. The last two are indices into
        `taxonomy.nodes`: a program must identify taxa by them, since names are only labels.
    """
    at_ranks = [confusion_by(rank, rows, taxonomy).value_counts(sort=False).reset_index(name="rois") for rank in RANKS]
    return pd.concat([table.assign(rank=str(rank)) for rank, table in zip(RANKS, at_ranks, strict=True)])[
        ["rank", "truth", "prediction", "rois", "truth_node", "prediction_node"]
    ]


def mean_history(histories: Sequence[Path]) -> pd.DataFrame:
    """Mean of each column over the folds' history.csv, one row per epoch, so that a plot has one line per curve.

    Only epochs that every fold reached are included: with fewer folds, the mean would jump.
    """
    tables = [read_history(path) for path in histories]
    epochs = min(table["epoch"].max() for table in tables)
    means = pd.concat(tables).groupby("epoch", as_index=False).mean()
    return means[means["epoch"] <= epochs]


def read_history(path: Path) -> pd.DataFrame:
    """Read the history.csv of one fold, one row per epoch.

    Returns: epoch int64, counted from 1; all other columns float64, NaN where empty.
    Raises InputError if the file differs from what the train stage writes.
    """
    remedy = "run `dvc repro --force train`, which writes it"
    table = read_table(path, HISTORY_SCHEMA, remedy)
    refuse_rows(path, table["epoch"] != table.index + 1, "are not the epochs 1, 2, 3 … in order", remedy)
    others = table.columns.drop(list(HISTORY_SCHEMA))
    check_columns(path, table, dict.fromkeys(others, Gap), remedy)
    return table
