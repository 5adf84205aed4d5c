"""The CSV of VIAME and of its web interface DIVE."""

import re

from fathomline.errors import InputError, listing, shown
from fathomline.sources.roi_rows import RoiRow, RoiRows, RowFaults, box_in
from fathomline.spreadsheet import Table, column_key

FIRST_COLUMN = "# 1: Detection or Track-id"

_BOX = ("TL_x", "TL_y", "BR_x", "BR_y")
_PAIRS = 9
"""The place of the first pair of species and confidence, after id, picture, frame, box, confidence and length."""
_TIME = re.compile(r"\d+:\d\d:\d\d(\.\d+)?")


def is_viame(table: Table) -> bool:
    """Whether the header is that of VIAME."""
    return column_key(table.columns[0]) == column_key(FIRST_COLUMN)


def viame_rows(table: Table, *, labelled: bool) -> RoiRows:
    """A ROI per detection, its label the species with the highest confidence. Boxes are corners in pixels.

    Raises InputError for annotations of videos.
    """
    faults = RowFaults(table.path)
    rows = []
    for number, cells in table.records():
        cells = [cell.strip() for cell in cells]
        if cells[0].startswith("#"):
            continue
        if len(cells) < _PAIRS:
            faults.add(f"have fewer than {_PAIRS} cells, which VIAME never writes", f"row {number} has {len(cells)}")
            continue
        box = box_in(_BOX, cells[3:7], number, table, faults)
        rows.append(RoiRow(number, cells[1], _most_confident(cells[_PAIRS:], number, table, faults), box))
    times = [f"row {row.number} has {shown(row.path)}" for row in rows if _TIME.fullmatch(row.path)]
    if times:
        raise InputError(
            f"{table.path}: {len(times)} row(s) give the time in a video instead of a picture: {listing(times)}; "
            "extract the annotated frames as pictures, and write their file names in the second column"
        )
    return RoiRows(rows, faults, "xyxy", ("read as a CSV of VIAME",))


def _most_confident(cells: list[str], number: int, table: Table, faults: RowFaults) -> str:
    """The species with the highest confidence; attributes, in brackets, follow the pairs. Empty if there is none."""
    best, label = float("-inf"), ""
    for name, text in zip(cells[::2], cells[1::2], strict=False):
        if not name or name.startswith("("):
            break
        confidence = table.number(text)
        if confidence is None:
            faults.add("have a confidence that is no number", f"row {number}: {shown(text, 40)} of {shown(name, 40)}")
        elif confidence > best:
            best, label = confidence, name
    return label
