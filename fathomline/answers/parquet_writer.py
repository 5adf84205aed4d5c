"""Answers as Parquet, for data frames and databases."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from fathomline.answers.csv_writer import HIDDEN
from fathomline.answers.rows import plain_rows
from fathomline.errors import InputError

if TYPE_CHECKING:
    import pyarrow

ROWS_PER_GROUP = 65_536

_FLOATS = ("x", "y", "w", "h", "confidence", "track_confidence")
_INTEGERS = ("frame_w", "frame_h", "aphia_id", "track_aphia_id")


def require_pyarrow() -> None:
    """Raise InputError unless pyarrow is installed."""
    try:
        import pyarrow  # noqa: F401 (only whether it can be imported)
    except ImportError:
        raise InputError("Parquet needs pyarrow: `pip install 'fathomline[parquet]'`") from None


def write_parquet_answers(tables: Iterable[pd.DataFrame], path: Path) -> None:
    """Write all columns but HIDDEN, null where a value is missing.

    The type of a column follows from its name alone: ids and names are strings, AphiaIDs and sizes integers, boxes and
    probabilities doubles.
    """
    import pyarrow.parquet

    remaining = iter(tables)
    first = next(remaining)
    schema = _schema([str(column) for column in first.columns if column not in HIDDEN])
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        waiting = _arrow(first, schema)
        for table in remaining:
            waiting = pyarrow.concat_tables([waiting, _arrow(table, schema)])
            for group in _full_groups(waiting):
                writer.write_table(group)
            waiting = waiting.slice(len(waiting) // ROWS_PER_GROUP * ROWS_PER_GROUP)
        writer.write_table(waiting, row_group_size=ROWS_PER_GROUP)


def _full_groups(table: "pyarrow.Table") -> Iterator["pyarrow.Table"]:
    """Groups of the same rows however the rows arrive, so that equal answers give equal bytes."""
    for start in range(0, len(table) // ROWS_PER_GROUP * ROWS_PER_GROUP, ROWS_PER_GROUP):
        yield table.slice(start, ROWS_PER_GROUP)


def _schema(columns: list[str]) -> "pyarrow.Schema":
    import pyarrow

    return pyarrow.schema([(column, _type(column)) for column in columns])


def _type(column: str) -> "pyarrow.DataType":
    import pyarrow

    if column in _INTEGERS:
        return pyarrow.int64()
    if column in _FLOATS or column.endswith("_probability") or column.startswith("probability_"):
        return pyarrow.float64()
    return pyarrow.string()


def _arrow(table: pd.DataFrame, schema: "pyarrow.Schema") -> "pyarrow.Table":
    import pyarrow

    text = {field.name for field in schema if field.type == pyarrow.string()}
    rows = [
        {name: _text(row[name]) if name in text else row[name] for name in schema.names} for row in plain_rows(table)
    ]
    return pyarrow.Table.from_pylist(rows, schema=schema)


def _text(value: object) -> str | None:
    """Ids may be integers or text; ranks that the lineage skips are empty."""
    return None if value is None or value == "" else str(value)
