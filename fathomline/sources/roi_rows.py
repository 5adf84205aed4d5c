"""The ROIs that a table has, one per row, and the COCO document that they form."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from fathomline.dataset.box_format import BoxFormat
from fathomline.dataset.coco import JsonObject, concept_name, integer_id, raise_if_any
from fathomline.errors import InputError, listing, shown
from fathomline.sources.document import Document
from fathomline.sources.text_ids import number_text_ids
from fathomline.spreadsheet import Table

Box = list[float] | Literal["frame"]

_URL = re.compile(r"https?://", re.IGNORECASE)
_VIDEO = re.compile(r"\.(mp4|m4v|mov|avi|mkv|webm|wmv|mpe?g|mts|m2ts)$", re.IGNORECASE)
_OWN_KEYS = {"id", "file_name", "coco_url", "width", "height", "source_id"}
"""Keys of an image that no column of the user's may replace."""


@dataclass(frozen=True, slots=True)
class RoiRow:
    """One ROI."""

    number: int
    """The number of its row in a spreadsheet."""

    path: str
    """The picture: a path, or an http(s) URL."""

    label: str
    """The concept; empty if the row has none."""

    box: Box
    """Four numbers in the box format of the table, or the whole frame."""

    annotation_id: str = ""
    size: tuple[int, int] | None = None
    """Width and height of the picture in pixels, if the table says so."""

    fields: Mapping[str, str] = field(default_factory=dict)
    """Further columns, by name; the same names in every row."""


@dataclass(frozen=True)
class RoiRows:
    """What the reader of one kind of table returns."""

    rows: Sequence[RoiRow]
    faults: "RowFaults"
    """What is wrong with rows, not yet raised."""

    box_format: BoxFormat | None
    """The format of the boxes if the kind of table prescribes it; None if the user's parameter decides."""

    notes: tuple[str, ...] = ()
    """For the user, one line each."""


class RowFaults:
    """Rows that cannot be used, by what is wrong with them, so that all are reported at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, list[str]] = defaultdict(list)

    def add(self, fault: str, place: str) -> None:
        """Args: fault completes the phrase "3 row(s) …"; place is the row and what it has."""
        self._places[fault].append(place)

    def raise_if_any(self) -> None:
        """Raise InputError with a line for each fault."""
        if self._places:
            raise InputError(
                "\n".join(
                    f"{self._path}: {len(places)} row(s) {fault}: {listing(places)}"
                    for fault, places in self._places.items()
                )
            )


def box_in(names: Sequence[str], texts: Sequence[str], number: int, table: Table, faults: RowFaults) -> Box:
    """The box in four cells; the whole frame if all are empty or, with a fault, if one is not a finite number."""
    if not any(texts):
        return "frame"
    box: list[float] = []
    for name, text in zip(names, texts, strict=True):
        value = table.number(text)
        if value is None:
            hint = " (write decimals with a point)" if re.fullmatch(r"-?\d+,\d+", text) else ""
            found = shown(text, 40) if text else "empty"
            faults.add("have a box that is not four finite numbers", f"row {number}, `{name}`: {found}{hint}")
            return "frame"
        box.append(value)
    return box


def document_of(read: RoiRows, path: Path, *, labelled: bool) -> Document:
    """The document with one image per path, numbered from 1 in the order of the rows.

    If all annotation ids are integers they are kept; otherwise the annotations are numbered from 1, and their ids kept
    as `source_id`. Without ids, the id of an annotation is the number of its row in a spreadsheet. A field that differs
    within an image is left out, with a note.

    Raises InputError if there are no rows, some have no picture or name a video, ids are repeated or, if `labelled`,
    some have no label.
    """
    _check(read.rows, read.faults, labelled)
    read.faults.raise_if_any()
    if not read.rows:
        raise InputError(f"{path}: no rows below the header; expected one for each ROI")
    pictures = [_tidied(row.path) for row in read.rows]
    images, notes = _images(read.rows, pictures)
    labels = [concept_name(row.label) for row in read.rows]
    names = sorted(set(labels) - {""})
    category_ids = {name: number for number, name in enumerate(names, start=1)}
    annotations: list[JsonObject] = [
        {
            "id": _id(row),
            "image_id": images[picture]["id"],
            "category_id": category_ids.get(label),
            "bbox": row.box,
        }
        for row, label, picture in zip(read.rows, labels, pictures, strict=True)
    ]
    problems: list[str] = []
    number_text_ids("annotations", annotations, problems)
    raise_if_any(problems, str(path))
    categories = [{"id": number, "name": name} for name, number in category_ids.items()]
    content = {"images": list(images.values()), "annotations": annotations, "categories": categories}
    return Document(content, read.box_format, (*read.notes, *notes))


def _check(rows: Sequence[RoiRow], faults: RowFaults, labelled: bool) -> None:
    repeated = {name for name, count in Counter(row.annotation_id for row in rows).items() if count > 1 and name}
    with_id = any(row.annotation_id for row in rows)
    for row in rows:
        if not row.path:
            faults.add("name no picture; fill in its path", f"row {row.number}")
        elif _VIDEO.search(row.path):
            fault = "name a video, not a picture; extract the annotated frames, and name their files in a column `path`"
            faults.add(fault, f"row {row.number} has {shown(row.path)}")
        if labelled and not row.label:
            faults.add("have no label, which training requires; fill it in, or remove them", f"row {row.number}")
        if row.annotation_id in repeated:
            faults.add(
                "repeat the id of an annotation; expected a different one in each",
                f"row {row.number}: {row.annotation_id}",
            )
        if with_id and not row.annotation_id:
            faults.add("have no annotation id, but others do; fill it in, or remove the column", f"row {row.number}")


def _tidied(path: str) -> str:
    """A path as all rows of a picture have it, whichever system it was written on."""
    if _URL.match(path):
        return path
    return (path if "/" in path else path.replace("\\", "/")).removeprefix("./")


def _images(rows: Sequence[RoiRow], pictures: Sequence[str]) -> tuple[dict[str, JsonObject], list[str]]:
    """The images by path, and notes on what they lack. Args: pictures, the tidied path of each row."""
    images: dict[str, JsonObject] = {}
    fields: dict[str, Mapping[str, str]] = {}
    differing: set[str] = set()
    for row, picture in zip(rows, pictures, strict=True):
        if picture not in images:
            images[picture] = {"id": len(images) + 1, **_location(picture), **_size(row.size)}
            fields[picture] = row.fields
        elif fields[picture] != row.fields:
            differing.update(name for name, text in row.fields.items() if fields[picture][name] != text)
    dropped = differing | _OWN_KEYS
    for path, image in images.items():
        image.update({name: text for name, text in fields[path].items() if text and name not in dropped})
    notes = []
    columns = sorted(differing - _OWN_KEYS)
    if columns:
        notes.append(f"{len(columns)} column(s) differ within a picture and are not kept: {listing(columns)}")
    reserved = [name for name in rows[0].fields if name in _OWN_KEYS]
    if reserved:
        notes.append(f"{len(reserved)} column(s) are not kept, because a picture has its own: {listing(reserved)}")
    return images, notes


def _location(path: str) -> dict[str, str]:
    if not _URL.match(path):
        return {"file_name": path}
    name = unquote(urlsplit(path).path.rpartition("/")[2])
    return {"coco_url": path} | ({"file_name": name} if name else {})


def _size(size: tuple[int, int] | None) -> dict[str, int]:
    return {} if size is None else {"width": size[0], "height": size[1]}


def _id(row: RoiRow) -> int | str:
    if not row.annotation_id:
        return row.number
    integer = integer_id(row.annotation_id)
    return row.annotation_id if integer is None else integer
