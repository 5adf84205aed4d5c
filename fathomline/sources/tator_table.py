"""The CSV in which Tator downloads localizations of pictures."""

from fathomline.errors import InputError, listing
from fathomline.sources.plain_table import LABELS
from fathomline.sources.roi_rows import RoiRow, RoiRows, RowFaults, box_in
from fathomline.spreadsheet import Table

_COLUMNS = ("media", "frame", "x", "y", "width", "height")
_BOX = _COLUMNS[2:]


def is_tator(table: Table) -> bool:
    """Whether the header is that of Tator."""
    return not table.lacking(_COLUMNS) and table.find("path") is None


def tator_rows(table: Table, *, labelled: bool) -> RoiRows:
    """A ROI per localization. Boxes are fractions of the picture; the label is an attribute that each project names.

    Dots and lines have no box: dots keep one of width and height 0, which crop quarantines, and are counted in a note.

    Raises InputError if the label cannot be found, or pictures are given as numbers instead of names.
    """
    label = _label_column(table, labelled)
    faults = RowFaults(table.path)
    rows, points, numbered = [], 0, 0
    names = [*_COLUMNS, *(["id"] if table.find("id") else []), *([label] if label else [])]
    for row in table.rows(names):
        texts = [row.cells[name] for name in _BOX]
        if texts[0] and texts[1] and not any(texts[2:]):
            texts[2:] = ["0", "0"]
            points += 1
        box = box_in(_BOX, texts, row.number, table, faults)
        numbered += row.cells["media"].isdigit()
        text = row.cells[label] if label else ""
        rows.append(RoiRow(row.number, row.cells["media"], text, box, row.cells.get("id", "")))
    if rows and numbered == len(rows):
        raise InputError(
            f"{table.path}: `media` has numbers, expected the names of pictures; download the CSV from the page of the "
            "project, which writes names, or replace the numbers"
        )
    notes = ["read as localizations of Tator"]
    if points:
        notes.append(f"{points} localization(s) are points, which have no extent, and will be left out by crop")
    return RoiRows(rows, faults, "xywh_normalized", tuple(notes))


def _label_column(table: Table, labelled: bool) -> str | None:
    found = [name for name in table.columns if name in {table.find(other) for other in LABELS}]
    if len(found) > 1 and table.find(LABELS[0]):
        found = [name for name in found if name == table.find(LABELS[0])]
    if labelled and len(found) != 1:
        raise InputError(
            f"{table.path}: expected one column of labels, found {listing(found) or 'none'}; rename the attribute with "
            f"the concepts to `label`; the file has {listing(table.columns, 30)}"
        )
    return found[0] if len(found) == 1 else None
