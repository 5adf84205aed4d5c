"""What the tests of all kinds of tables need."""

from pathlib import Path

import pytest

from fathomline.errors import InputError
from fathomline.sources.document import Document
from fathomline.sources.roi_table import read_roi_table


def document(folder: Path, text: str | bytes, *, labelled: bool = True) -> Document:
    """The document of a table with this content."""
    path = folder / "rois.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_roi_table(path, labelled=labelled)


def rois(read: Document) -> list[tuple[str, str | None, object]]:
    """Picture, label and box of each annotation."""
    images = {image["id"]: image.get("coco_url") or image["file_name"] for image in read.content["images"]}
    names = {category["id"]: category["name"] for category in read.content["categories"]} | {None: None}
    return [(images[one["image_id"]], names[one["category_id"]], one["bbox"]) for one in read.content["annotations"]]


def refused(folder: Path, text: str | bytes, *messages: str, labelled: bool = True) -> None:
    """The table is refused; each line names the file, and each message is in one line."""
    with pytest.raises(InputError) as raised:
        document(folder, text, labelled=labelled)
    lines = str(raised.value).splitlines()
    assert all(line.startswith(f"{folder / 'rois.csv'}: ") for line in lines)
    assert len(lines) == len(messages), lines
    for line, message in zip(lines, messages, strict=True):
        assert message in line
