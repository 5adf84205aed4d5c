"""Answers as CSV: one row per ROI, for spreadsheets and scripts, and to be read again as an input."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from fathomline.files import without_formula

HIDDEN = ("row", "location")
"""Columns that serve writers only."""


def write_csv_answers(tables: Iterable[pd.DataFrame], path: Path) -> None:
    """Write all columns but HIDDEN.

    Text that a spreadsheet would run as a formula gets a leading apostrophe, as in the project's other reports. A path
    gets a leading `./` instead, so that it still leads to the picture.
    """
    with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
        for number, table in enumerate(tables):
            _escaped(table.drop(columns=[*HIDDEN])).to_csv(stream, header=number == 0, index=False, lineterminator="\n")


def _escaped(table: pd.DataFrame) -> pd.DataFrame:
    escaped = table.copy()
    for column, dtype in table.dtypes.items():
        if not pd.api.types.is_numeric_dtype(dtype):
            escape = _escaped_path if column == "path" else without_formula
            escaped[column] = pd.Series([escape(cell) for cell in table[column]], table.index, dtype=object)
    return escaped


def _escaped_path(path: str) -> str:
    escaped = str(without_formula(path))
    return escaped if escaped[:1] == path[:1] else f"./{escaped[1:]}"
