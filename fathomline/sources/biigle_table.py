"""The CSV reports of BIIGLE on annotations and labels of images."""

import json
import math
from collections.abc import Sequence
from typing import Any

from fathomline.errors import InputError, listing, shown
from fathomline.sources.roi_rows import Box, RoiRow, RoiRows, RowFaults
from fathomline.spreadsheet import Table, TableRow

_ANNOTATIONS = ("label_name", "filename", "shape_name", "points")
_IMAGE_LABELS = ("image_label_id", "label_name", "filename")
_VIDEO = "video_filename"
_FIELDS = ("image_longitude", "image_latitude", "longitude", "latitude")
_READ = (*_ANNOTATIONS, "annotation_id", "created_at", "attributes", *_FIELDS)


def is_biigle(table: Table) -> bool:
    """Whether the header is that of a CSV report of BIIGLE."""
    annotations = [_VIDEO if name == "filename" else name for name in _ANNOTATIONS]
    return any(not table.lacking(names) for names in (_ANNOTATIONS, _IMAGE_LABELS, annotations))


def biigle_rows(table: Table, *, labelled: bool) -> RoiRows:
    """A ROI per annotation, its box the one around the shape, in pixels; or per label of a whole image.

    BIIGLE writes a row per label. Of an annotation with several labels, the newest is used, with a note. Points have no
    extent: they keep a box of width and height 0, which crop quarantines, and are counted in a note.

    Raises InputError for the report on videos.
    """
    if table.find(_VIDEO):
        raise InputError(
            f"{table.path}: a report of BIIGLE on a video, expected one on images; extract the annotated frames as "
            "pictures, and give a CSV with the columns path, label, x, y, w, h"
        )
    faults = RowFaults(table.path)
    found = list(table.rows(_READ))
    newest, relabelled = _newest(found)
    fields = [name for name in _FIELDS if table.find(name)]
    rows = [
        RoiRow(
            row.number,
            row.cells["filename"],
            row.cells["label_name"],
            _box(row, faults) if "points" in row.cells else "frame",
            row.cells.get("annotation_id", ""),
            _size(row.cells.get("attributes", "")),
            {name: row.cells[name] for name in fields},
        )
        for row in newest
    ]
    notes = ["read as a CSV report of BIIGLE"]
    if relabelled:
        notes.append(f"{len(relabelled)} annotation(s) have several labels; using the newest: {listing(relabelled)}")
    points = sum(row.cells.get("shape_name", "").lower() == "point" for row in newest)
    if points:
        notes.append(f"{points} annotation(s) are points, which have no extent, and will be left out by crop")
    return RoiRows(rows, faults, "xywh", tuple(notes))


def _newest(rows: Sequence[TableRow]) -> tuple[list[TableRow], list[str]]:
    """The rows with only the newest label of each annotation; and the ids of those with different ones."""
    kept: dict[str, TableRow] = {}
    relabelled: dict[str, None] = {}
    for row in rows:
        annotation = row.cells.get("annotation_id") or f"row {row.number}"
        known = kept.setdefault(annotation, row)
        if known.cells["label_name"] != row.cells["label_name"]:
            relabelled[annotation] = None
        if row.cells.get("created_at", "") >= known.cells.get("created_at", ""):
            kept[annotation] = row
    return list(kept.values()), list(relabelled)


def _box(row: TableRow, faults: RowFaults) -> Box:
    shape, points = row.cells["shape_name"].lower(), _numbers(row.cells["points"])
    if shape == "wholeframe":
        return "frame"
    if shape == "circle" and points is not None and len(points) == 3:
        x, y, radius = points
        return [x - radius, y - radius, 2 * radius, 2 * radius]
    if points is None or not points or len(points) % 2 or shape == "circle":
        fault = "have points that are not those of their shape: expected a JSON list of x and y, or of x, y and radius"
        faults.add(fault, f"row {row.number}, {row.cells['shape_name']} {shown(row.cells['points'], 40)}")
        return "frame"
    sides = [_ellipse_side(each) if shape == "ellipse" else _side(each) for each in (points[::2], points[1::2])]
    (x, width), (y, height) = sides
    return [x, y, width, height]


def _side(values: Sequence[float]) -> tuple[float, float]:
    """Where the values begin, and how far they extend."""
    return min(values), max(values) - min(values)


def _ellipse_side(values: Sequence[float]) -> tuple[float, float]:
    """As `_side`, of the whole ellipse.

    The points are the ends of its two axes. With u and v the halves of the axes, it extends sqrt(u_x² + v_x²) to either
    side of its centre, and each half is there twice, whatever the order of the points.
    """
    centre = math.fsum(values) / len(values)
    half = math.sqrt(math.fsum((value - centre) ** 2 for value in values) / 2)
    return centre - half, 2 * half


def _numbers(text: str) -> list[float] | None:
    """The finite numbers in a JSON list; None for anything else."""
    values = _json(text)
    if not isinstance(values, list) or not all(_is_finite(value) for value in values):
        return None
    return [float(value) for value in values]


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _size(attributes: str) -> tuple[int, int] | None:
    """Width and height of the image, which BIIGLE writes among other attributes."""
    content = _json(attributes)
    width, height = (content.get(side) for side in ("width", "height")) if isinstance(content, dict) else (None, None)
    if type(width) is int and type(height) is int and 0 < width < 2**31 and 0 < height < 2**31:
        return width, height
    return None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
