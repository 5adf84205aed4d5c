"""The formats of a file of answers, and which one a file's name stands for."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from fathomline.files import write_report_csv

HIDDEN = ("row", "location")
"""Columns that serve writers only."""


def write_csv_answers(tables: Iterable[pd.DataFrame], path: Path) -> None:
    """Write one row per ROI: all columns but HIDDEN."""
    write_report_csv(pd.concat(list(tables)).drop(columns=[*HIDDEN]), path)
