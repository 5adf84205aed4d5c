"""Annotations in a table: our own, or the export of an annotation tool."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from fathomline.errors import InputError
from fathomline.sources.biigle_table import biigle_rows, is_biigle
from fathomline.sources.document import Document
from fathomline.sources.plain_table import EXPECTED, plain_rows
from fathomline.sources.roi_rows import RoiRows, document_of
from fathomline.sources.squidle_table import is_squidle, squidle_rows
from fathomline.sources.tator_table import is_tator, tator_rows
from fathomline.sources.viame_table import is_viame, viame_rows
from fathomline.spreadsheet import Table, read_table


class RowReader(Protocol):
    """The reader of one kind of table."""

    def __call__(self, table: Table, *, labelled: bool) -> RoiRows: ...


EXPORTS: tuple[tuple[Callable[[Table], bool], RowReader], ...] = (
    (is_viame, viame_rows),
    (is_biigle, biigle_rows),
    (is_squidle, squidle_rows),
    (is_tator, tator_rows),
)
"""Exports that are recognised by their header; any other table is our own."""


def read_roi_table(path: Path, *, labelled: bool) -> Document:
    """Read a table with a row per ROI; the rows of the same picture are one image.

    Args: labelled, whether each ROI needs a label, as in the training subset.
    Raises InputError, with a line for each kind of problem and the rows concerned.
    """
    if path.is_dir():
        raise InputError(
            f"{path}: a folder, expected {EXPECTED}; `source.name: folder` reads a folder of pictures, and "
            "`source.name: coco` a folder with a COCO JSON"
        )
    table = read_table(path, EXPECTED, known=("path", "label"))
    rows = next((read for recognises, read in EXPORTS if recognises(table)), plain_rows)
    return document_of(rows(table, labelled=labelled), path, labelled=labelled)
