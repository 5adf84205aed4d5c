"""Boxes from a CSV: a row each, with the path of the picture and the box in pixels."""

import csv
import io
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from fathomline.dataset.coco import integer_id
from fathomline.errors import InputError, listing, shown
from fathomline.inputs.named_pictures import URL, NamedPictures
from fathomline.inputs.rows import Picture, Row, refuse_repeated_ids, size_of
from fathomline.inputs.source_file import read_source

BOX = ("x", "y", "w", "h")

EXPECTED = "a CSV in UTF-8 with the columns path, x, y, w, h"

SEPARATORS = ",;\t"

ESCAPED = re.compile(r"^'(?=\s*[=+\-@])")
"""The apostrophe that our own CSVs put before a text that a spreadsheet would run as a formula."""


def csv_rows(path: Path, images: Path | None) -> list[Row]:
    """The rows of a CSV with the columns path, x, y, w and h, or path alone for whole pictures.

    The columns track, annotation_id, image_id, frame_w and frame_h are used if there are any; others are ignored, so
    that a file of answers can be read again. A row whose box is empty is a whole picture; rows without any cell are
    left out. A row that cannot be used has a `reason`.

    Args: images, the folder that relative paths refer to; None for the folder of the CSV.
    Raises InputError if the file is not such a CSV, has no rows, or repeats an annotation_id.
    """
    numbered = _records(path)
    first = next(numbered, None)
    if first is None:
        raise InputError(f"{path}: the file is empty; expected {EXPECTED}")
    header, columns = _columns(first[1], path)
    pictures = NamedPictures(path.parent if images is None else images)
    rows = []
    shared: dict[Picture, Picture] = {}
    for number, cells in numbered:
        named = {name: cells[place].strip() for name, place in columns.items() if place < len(cells)}
        row = _row({name: ESCAPED.sub("", cell) for name, cell in named.items()}, number, pictures)
        extra = [cell for cell in cells[header:] if cell.strip()]
        if extra and not row.reason:
            reason = f"row {number} has more cells than the header, such as {shown(extra[0])}"
            row = Row(row.picture, None, row.annotation_id, row.track, reason)
        # The boxes of a picture keep one copy of its names in memory.
        rows.append(replace(row, picture=shared.setdefault(row.picture, row.picture)))
    if not rows:
        raise InputError(f"{path}: no rows below the header; expected one for each box or picture")
    refuse_repeated_ids(rows, str(path))
    return rows


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows with at least one cell that is not empty, each with its number in a spreadsheet."""
    text = _text(path)
    first_line = next((line for line in io.StringIO(text) if line.strip()), "")
    separator = max(SEPARATORS, key=lambda each: (_has_path(first_line, each), first_line.count(each)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for number, row in enumerate(reader, start=1):
            if any(cell.strip() for cell in row):
                yield number, row
    except csv.Error as error:
        raise InputError(f"{path}: not a CSV ({error}); expected {EXPECTED}") from None


def _has_path(first_line: str, separator: str) -> bool:
    return "path" in [name.strip(' "').lower() for name in first_line.split(separator)]


def _text(path: Path) -> str:
    content = read_source(path, EXPECTED)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # what UTF-16 has between the letters
        raise InputError(f"{path}: not in UTF-8; save it as CSV UTF-8, which spreadsheets offer when saving")
    return text


def _columns(names: list[str], path: Path) -> tuple[int, dict[str, int]]:
    """The number of columns, and the place of each by its name in lower case. InputError if one is missing or twice."""
    header = [name.strip().lower() for name in names]
    named = [name for name in header if name]
    repeated = sorted({name for name in named if named.count(name) > 1})
    if repeated:
        raise InputError(f"{path}: the header repeats the column(s) {listing(repeated)}; expected each name once")
    needed = ("path", *BOX) if set(BOX) & set(named) else ("path",)
    missing = [name for name in needed if name not in named]
    if missing:
        whole = "" if len(needed) > 1 else f"; expected {', '.join(['path', *BOX])}, or path alone for whole pictures"
        raise InputError(f"{path}: lacks the column(s) {', '.join(missing)}; it has {listing(names, 30)}{whole}")
    return len(header), {name: place for place, name in enumerate(header) if name}


def _row(cells: Mapping[str, str], number: int, pictures: NamedPictures) -> Row:
    name, image_id = cells.get("path", ""), _id(cells.get("image_id", ""))
    picture = Picture(
        name,
        _location(name, image_id, pictures),
        size_of(_number(cells.get("frame_w", "")), _number(cells.get("frame_h", ""))),
        image_id=image_id,
    )
    box, reason = _box(cells, number)
    if not name:
        reason = f"row {number}, column path: empty, expected the path of a picture"
    return Row(picture, box, _id(cells.get("annotation_id", "")), cells.get("track") or None, reason)


def _location(name: str, image_id: int | str | None, pictures: NamedPictures) -> str:
    """Where the picture is; for answers to a COCO JSON, that may be under its image id."""
    if URL.match(name) or not name:
        return name
    location = str(pictures.folder / name)
    if image_id is None or os.path.exists(location):
        return location
    return pictures.stored(image_id) or location


def _box(cells: Mapping[str, str], number: int) -> tuple[list[float] | None, str]:
    """The box, None for the whole picture; and why it cannot be used."""
    texts = [cells.get(name, "") for name in BOX]
    if not any(texts):
        return None, ""
    box: list[float] = []
    for name, text in zip(BOX, texts, strict=True):
        value = _number(text)
        if value is None:
            hint = "; write decimals with a point" if re.fullmatch(r"-?\d+,\d+", text) else ""
            found = shown(text) if text else "empty"
            return None, f"row {number}, column {name}: {found}, expected a finite number{hint}"
        box.append(value)
    return box, ""


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def _id(text: str) -> int | str | None:
    integer = integer_id(text)
    return integer if integer is not None else text or None
