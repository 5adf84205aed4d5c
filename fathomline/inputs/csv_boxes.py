"""Boxes from a CSV: a row each, with the path of the picture and the box in pixels."""

import os
import re
from dataclasses import replace
from pathlib import Path

from fathomline.dataset.coco import integer_id
from fathomline.errors import InputError, listing, shown
from fathomline.inputs.named_pictures import URL, NamedPictures
from fathomline.inputs.rows import Picture, Row, refuse_repeated_ids, size_of
from fathomline.spreadsheet import Table, TableRow, read_table

BOX = ("x", "y", "w", "h")

READ = ("path", *BOX, "track", "annotation_id", "image_id", "frame_w", "frame_h")

EXPECTED = "a CSV with the columns path, x, y, w, h"


def csv_rows(path: Path, images: Path | None) -> list[Row]:
    """The rows of a CSV with the columns path, x, y, w and h, or path alone for whole pictures.

    The columns track, annotation_id, image_id, frame_w and frame_h are used if there are any; others are ignored, so
    that a file of answers can be read again. A row whose box is empty is a whole picture; rows without any cell are
    left out. A row that cannot be used has a `reason`.

    Args: images, the folder that relative paths refer to; None for the folder of the CSV.
    Raises InputError if the file is not such a CSV, has no rows, or repeats an annotation_id.
    """
    table = read_table(path, EXPECTED, known=READ)
    _check_columns(table)
    pictures = NamedPictures(path.parent if images is None else images)
    rows = []
    shared: dict[Picture, Picture] = {}
    for cells in table.rows(READ):
        row = _row(cells, table, pictures)
        # The boxes of a picture keep one copy of its names in memory.
        rows.append(replace(row, picture=shared.setdefault(row.picture, row.picture)))
    if not rows:
        raise InputError(f"{path}: no rows below the header; expected one for each box or picture")
    refuse_repeated_ids(rows, str(path))
    return rows


def _check_columns(table: Table) -> None:
    """InputError if a column is missing. Without any column of a box, all rows are whole pictures."""
    needed = ("path", *BOX) if table.find(*BOX) else ("path",)
    missing = table.lacking(needed)
    if missing:
        whole = "" if len(needed) > 1 else f"; expected {', '.join(['path', *BOX])}, or path alone for whole pictures"
        raise InputError(
            f"{table.path}: lacks the column(s) {', '.join(missing)}; it has {listing(table.columns, 30)}{whole}"
        )


def _row(row: TableRow, table: Table, pictures: NamedPictures) -> Row:
    cells = row.cells
    name, image_id = cells["path"], _id(cells.get("image_id", ""))
    picture = Picture(
        name,
        _location(name, image_id, pictures),
        size_of(table.number(cells.get("frame_w", "")), table.number(cells.get("frame_h", ""))),
        image_id=image_id,
    )
    box, reason = _box(row, table)
    if not name:
        reason = f"row {row.number}, column path: empty, expected the path of a picture"
    if row.extra and not reason:
        box, reason = None, f"row {row.number} has more cells than the header, such as {shown(row.extra[0])}"
    return Row(picture, box, _id(cells.get("annotation_id", "")), cells.get("track") or None, reason)


def _location(name: str, image_id: int | str | None, pictures: NamedPictures) -> str:
    """Where the picture is; for answers to a COCO JSON, that may be under its image id."""
    if URL.match(name) or not name:
        return name
    location = str(pictures.folder / name)
    if image_id is None or os.path.exists(location):
        return location
    return pictures.stored(image_id) or location


def _box(row: TableRow, table: Table) -> tuple[list[float] | None, str]:
    """The box, None for the whole picture; and why it cannot be used."""
    texts = [row.cells.get(name, "") for name in BOX]
    if not any(texts):
        return None, ""
    box: list[float] = []
    for name, text in zip(BOX, texts, strict=True):
        value = table.number(text)
        if value is None:
            hint = "; write decimals with a point" if re.fullmatch(r"-?\d+,\d+", text) else ""
            found = shown(text) if text else "empty"
            return None, f"row {row.number}, column {name}: {found}, expected a finite number{hint}"
        box.append(value)
    return box, ""


def _id(text: str) -> int | str | None:
    integer = integer_id(text)
    return integer if integer is not None else text or None
