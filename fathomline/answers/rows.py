"""The rows of an answer table as Python values, for formats that are not tables."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import count, takewhile
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from fathomline.taxonomy.ranks import RANKS

Row = Mapping[str, Any]


def plain_rows(table: pd.DataFrame) -> Iterator[Row]:
    """Yield each row by column: int, float or str, and None for what is missing (None, NaN, NA)."""
    columns = [[_plain(cell) for cell in table[column].astype(object).tolist()] for column in table.columns]
    for cells in zip(*columns, strict=True):
        yield dict(zip(map(str, table.columns), cells, strict=True))


def _plain(cell: object) -> object:
    if isinstance(cell, str):
        # A file name that is not UTF-8 has half a surrogate pair for each odd byte, which no format can store.
        return cell.encode("utf-8", "backslashreplace").decode()
    if cell is None or cell is pd.NA or cell != cell:
        return None
    return cell.item() if isinstance(cell, np.generic) else cell


def box_of(row: Row) -> list[float] | None:
    """x, y, width and height; None for the whole picture."""
    return None if row["x"] is None else [row[column] for column in "xywh"]


def lineage_of(row: Row) -> list[dict[str, Any]]:
    """The ranks that the answer has, from kingdom down: each one's name and probability."""
    ranks = [str(rank) for rank in RANKS if row[rank]]
    return [{"rank": rank, "name": row[rank], "probability": row[f"{rank}_probability"]} for rank in ranks]


def most_probable_of(row: Row) -> list[dict[str, Any]]:
    """The most probable concepts, if the table lists any."""
    places = takewhile(lambda place: f"concept_{place}" in row, count(1))
    return [{"concept_name": row[f"concept_{place}"], "probability": row[f"probability_{place}"]} for place in places]


def write_lines(lines: Iterable[str], stream: IO[bytes]) -> None:
    """Write lines of text as UTF-8, with Unix line endings on every system."""
    for line in lines:
        stream.write(f"{line}\n".encode())


def rows_of(tables: Iterable[pd.DataFrame]) -> Iterator[Row]:
    """The rows of all tables."""
    for table in tables:
        yield from plain_rows(table)


def is_url(location: str) -> bool:
    """Whether a picture was read from the web."""
    return location.startswith(("http://", "https://"))


def spool_folder(path: Path) -> Path:
    """The folder for a temporary file while `path` is written: the disk that must hold the result anyway."""
    return path.absolute().parent
