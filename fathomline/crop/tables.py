"""The tables that crop writes: annotations.csv for the ROIs, quarantine.csv for the annotations that were not cut."""

import unicodedata
from typing import Any

import pandas as pd

from fathomline.crop.cut import CutFrame
from fathomline.crop.views import Rectangle
from fathomline.dataset.coco import Coco
from fathomline.dataset.manifest import Record, one_line
from fathomline.errors import visible
from fathomline.rois.annotations import COLUMNS, IMAGE_FIELD, QUARANTINE_COLUMNS, roi_path

OMITTED_FIELDS = {"id", "width", "height", "coco_url"}
"""Fields of a COCO image that annotations.csv omits: it has other columns for the first three, and a URL is unique."""


def annotations_table(
    coco: Coco, manifest: dict[int, Record], cut: dict[int, tuple[CutFrame, Rectangle]]
) -> pd.DataFrame:
    """The rows of annotations.csv, in the order of the JSON.

    Args: cut, by annotation id, the frame and the clipped rectangle of each box that was cut.
    """
    names = {category["id"]: category["name"] for category in coco.categories}
    frame_ids = _frame_ids(coco.images, manifest)
    rows = []
    for annotation in coco.annotations:
        if annotation["id"] in cut:
            frame, (left, top, right, bottom) = cut[annotation["id"]]
            image_id = annotation["image_id"]
            path, label = roi_path(image_id, annotation["id"]), names.get(annotation["category_id"], "")
            box = (left, top, right - left, bottom - top)
            rows.append((path, label, annotation["id"], image_id, *box, *frame.size, frame_ids[image_id]))
    table = pd.DataFrame(rows, columns=COLUMNS)
    images = pd.DataFrame(field_columns(coco.images), index=[image["id"] for image in coco.images])
    return table.join(images, on="image_id")


def quarantine_table(annotations: list[dict[str, Any]], reasons: dict[int, str]) -> pd.DataFrame:
    """The rows of quarantine.csv, in the order of the JSON. Args: reasons, by annotation id.

    If the user's file has other ids than integers, a further column `source_id` has that of each annotation.
    """
    quarantined = [annotation for annotation in annotations if annotation["id"] in reasons]
    rows = [(annotation["id"], annotation["image_id"], reasons[annotation["id"]]) for annotation in quarantined]
    table = pd.DataFrame(rows, columns=QUARANTINE_COLUMNS)
    if any("source_id" in annotation for annotation in quarantined):
        table["source_id"] = [annotation.get("source_id", annotation["id"]) for annotation in quarantined]
    return table


def _frame_ids(images: list[dict[str, Any]], manifest: dict[int, Record]) -> dict[int, int]:
    """By image id, the smallest id among the images with the same bytes."""
    frame_ids: dict[int, int] = {}
    smallest: dict[str, int] = {}
    for image_id in sorted(image["id"] for image in images):
        record = manifest.get(image_id)
        if record is not None and record.sha256:
            frame_ids[image_id] = smallest.setdefault(record.sha256, image_id)
        else:
            frame_ids[image_id] = image_id
    return frame_ids


def field_columns(images: list[dict[str, Any]]) -> dict[str, list[str]]:
    """By column name, the values of each image field that has a scalar value in some image."""
    names = sorted({name for image in images for name, value in image.items() if isinstance(value, str | int | float)})
    return {
        IMAGE_FIELD + visible(name): [_field_text(image.get(name)) for image in images]
        for name in names
        if name not in OMITTED_FIELDS
    }


def _field_text(value: object) -> str:
    """A scalar as text, and anything else as an empty text. 7 and 7.0 give the same text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return one_line(unicodedata.normalize("NFC", str(value)).strip()) if isinstance(value, str | int | float) else ""
