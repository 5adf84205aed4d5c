"""The CSV to which SQUIDLE+ exports the annotations of an annotation set."""

import ast
from typing import Any

from fathomline.errors import InputError, listing, shown
from fathomline.sources.roi_rows import Box, RoiRow, RoiRows, RowFaults
from fathomline.spreadsheet import Table, TableRow

_PICTURE = ("point.media.path_best", "point.media.path", "point.media.key")
_OUTLINE = ("point.data.polygon", "point.polygon", "point.data")
_FIELDS = {
    "deployment": ("point.media.deployment.key", "point.media.deployment.name"),
    "campaign": ("point.media.deployment.campaign.key", "point.media.deployment.campaign.name"),
}
"""Fields of the picture, by which a split may keep dives and cruises together."""


def is_squidle(table: Table) -> bool:
    """Whether the header is that of SQUIDLE+."""
    return not table.lacking(["label.name", "point.x", "point.y"])


def squidle_rows(table: Table, *, labelled: bool) -> RoiRows:
    """A ROI per annotation, its box the one around the outline, as fractions of the picture.

    An annotation without a place is one of the whole picture. One without an outline is a point: it keeps a box of
    width and height 0, which crop quarantines, and is counted in a note. If `labelled`, points that nobody labelled
    are left out, with a note.

    Raises InputError if the export lacks the pictures.
    """
    picture = table.find(*_PICTURE)
    if picture is None:
        raise InputError(
            f"{table.path}: an export of SQUIDLE+ without the pictures; it has {listing(table.columns, 30)}; export it "
            "again with the column point.media.path_best"
        )
    outlines = [found for name in _OUTLINE if (found := table.find(name))]
    names = {field: found for field, columns in _FIELDS.items() if (found := table.find(*columns))}
    label = table.find("label.name")
    faults = RowFaults(table.path)
    rows, unlabelled = [], 0
    for row in table.rows():
        text = row.cells[label or ""]
        if labelled and not text:
            unlabelled += 1
            continue
        fields = {field: row.cells[name] for field, name in names.items()}
        rows.append(RoiRow(row.number, row.cells[picture], text, _box(row, outlines, table, faults), fields=fields))
    notes = ["read as an export of SQUIDLE+"]
    if unlabelled:
        notes.append(f"{unlabelled} annotation(s) have no label and are left out")
    points = sum(row.box != "frame" and row.box[2:] == [0, 0] for row in rows)
    if points:
        notes.append(f"{points} annotation(s) are points, which have no extent, and will be left out by crop")
    return RoiRows(rows, faults, "xywh_normalized", tuple(notes))


def _box(row: TableRow, outlines: list[str], table: Table, faults: RowFaults) -> Box:
    texts = [row.cells[table.find(name) or ""] for name in ("point.x", "point.y")]
    if not any(texts):
        return "frame"
    x, y = (table.number(text) for text in texts)
    if x is None or y is None:
        faults.add(
            "have a point.x or point.y that is no number", f"row {row.number} has {', '.join(map(shown, texts))}"
        )
        return "frame"
    text = next((row.cells[name] for name in outlines if row.cells[name]), "")
    offsets = _offsets(text)
    if offsets is None:
        fault = "have an outline that is not a list of [x, y]"
        faults.add(fault, f"row {row.number} has {shown(text, 40)}")
        return "frame"
    # The corners of an outline are given from its point.
    xs, ys = [0.0], [0.0]
    if offsets:
        xs, ys = [float(corner[0]) for corner in offsets], [float(corner[1]) for corner in offsets]
    return [x + min(xs), y + min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _offsets(text: str) -> list[Any] | None:
    """The corners in a cell, as JSON or as Python writes them, alone or as `polygon` of an object; None if not."""
    try:
        value = ast.literal_eval(text.replace("null", "None")) if text else []
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
    corners = (value.get("polygon") or []) if isinstance(value, dict) else value
    return corners if isinstance(corners, list) and all(map(_is_corner, corners)) else None


def _is_corner(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_finite, value))


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15
