"""Our own table: a row per ROI with the path of its picture, its label and, for a part of the picture, its box."""

from fathomline.dataset.box_format import BoxFormat
from fathomline.errors import InputError, listing, shown
from fathomline.sources.roi_rows import RoiRow, RoiRows, RowFaults, box_in
from fathomline.spreadsheet import Table, TableRow

EXPECTED = "a CSV with the columns path, label and, for boxes, x, y, w, h or x1, y1, x2, y2"

PATHS = ("path", "file_name", "file", "file_path", "image", "image_name", "image_path", "image_file_name")
LABELS = ("label", "concept_name", "concept", "species", "taxon", "name", "scientific_name", "label_name", "category")
"""The name of the column, then others that it may have."""

BOX_COLUMNS: tuple[tuple[tuple[str, ...], BoxFormat | None], ...] = (
    (("x", "y", "w", "h"), None),
    (("x", "y", "width", "height"), None),
    (("x1", "y1", "x2", "y2"), "xyxy"),
    (("xmin", "ymin", "xmax", "ymax"), "xyxy"),
)
"""The columns of a box, and the format that their names prescribe."""


def plain_rows(table: Table, *, labelled: bool) -> RoiRows:
    """The ROIs of a table with the columns of EXPECTED; further columns are fields of the picture.

    A row without a box is the whole picture.

    Raises InputError that names a column that is missing, or that may be one of several.
    """
    path = _column(table, PATHS)
    box, box_format, missing_of_box = _box_columns(table)
    label = _label_column(table, box)
    missing = [
        name for name, found in (("path", path), ("label", label)) if found is None and (labelled or name != "label")
    ]
    if path is None or missing or missing_of_box:
        parts = [", ".join(missing)] if missing else []
        parts += [f"{', '.join(missing_of_box)} of a box"] if missing_of_box else []
        raise InputError(
            f"{table.path}: lacks the column(s) {' and '.join(parts)}; it has {listing(table.columns, 30)}; expected "
            f"{EXPECTED}"
        )
    used = {path, label, *box}
    identity, size = table.find("annotation_id"), _size_columns(table, used)
    fields = [name for name in table.columns if name and name not in {*used, identity, *size}]
    faults = RowFaults(table.path)
    rows = [
        RoiRow(
            row.number,
            row.cells[path],
            row.cells[label] if label else "",
            box_in(box, [row.cells[name] for name in box], row.number, table, faults),
            row.cells[identity] if identity else "",
            _size(row, size),
            {name: row.cells[name] for name in fields},
        )
        for row in table.rows()
        if _is_whole(row, faults)
    ]
    return RoiRows(rows, faults, box_format)


def _column(table: Table, names: tuple[str, ...]) -> str | None:
    """The column of that name; or else, of the others that it may have, the only one in the table.

    Raises InputError if there are several.
    """
    exact = table.find(names[0])
    found = [name for name in table.columns if name in {table.find(other) for other in names[1:]}]
    if exact is None and len(found) > 1:
        raise InputError(
            f"{table.path}: {listing(found)} may each be the column `{names[0]}`; rename the one that is to "
            f"`{names[0]}`"
        )
    return exact or next(iter(found), None)


def _label_column(table: Table, box: tuple[str, ...]) -> str | None:
    """Beside corners, `class` is the label, as in the CSV of TensorFlow; elsewhere it may be the rank."""
    corners = {table.find(name) for name in ("xmin", "ymin", "xmax", "ymax")}
    return _column(table, LABELS) or (table.find("class") if corners == set(box) else None)


def _box_columns(table: Table) -> tuple[tuple[str, ...], BoxFormat | None, list[str]]:
    """The columns of the boxes as the file spells them, none if all rows are whole pictures; their format; and the
    columns that a box lacks."""
    complete = [(names, kind) for names, kind in BOX_COLUMNS if not table.lacking(names)]
    if complete[:1] == list(BOX_COLUMNS[:1]):
        # Beside w and h, width and height are those of the picture.
        complete = [one for one in complete if one != BOX_COLUMNS[1]]
    if len(complete) > 1:
        raise InputError(
            f"{table.path}: has {' and '.join(', '.join(names) for names, _ in complete)}; expected one kind of box; "
            "remove the columns of the others"
        )
    if complete:
        names, kind = complete[0]
        return tuple(found for name in names if (found := table.find(name)) is not None), kind, []
    for names, _ in BOX_COLUMNS:
        # A width and a height alone are those of the picture.
        if table.find(*names[:2]):
            return (), None, table.lacking(names)
    return (), None, []


def _size_columns(table: Table, used: set[str | None]) -> tuple[str, ...]:
    """The columns with width and height of the picture; none if there are no such two."""
    for pair in (("frame_w", "frame_h"), ("image_width", "image_height"), ("width", "height")):
        found = [table.find(name) for name in pair]
        if None not in found and not used & set(found):
            return tuple(name for name in found if name is not None)
    return ()


def _size(row: TableRow, columns: tuple[str, ...]) -> tuple[int, int] | None:
    texts = [row.cells[name].removesuffix(".0") for name in columns]
    if not texts or not all(text.isascii() and text.isdigit() and 0 < int(text) < 2**31 for text in texts):
        return None
    return int(texts[0]), int(texts[1])


def _is_whole(row: TableRow, faults: RowFaults) -> bool:
    if row.extra:
        fault = "have more cells than the header; put cells that contain the separator in quotes"
        faults.add(fault, f"row {row.number}, such as {shown(row.extra[0], 40)}")
    return not row.extra
