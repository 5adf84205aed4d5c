"""Boxes from a table."""

from pathlib import Path

from fathomline.sources.document import Document


def read_roi_table(path: Path, *, labelled: bool) -> Document:
    raise NotImplementedError
