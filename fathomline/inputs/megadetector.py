"""Detections in the JSON that MegaDetector's batch processing writes: boxes as fractions of the picture."""

import os

from fathomline.dataset.coco import JsonObject, raise_if_any
from fathomline.dataset.coco import section_entries as entries
from fathomline.errors import InputError, Unusable, shown
from fathomline.inputs.named_pictures import NamedPictures
from fathomline.inputs.rows import Picture, Row, size_of
from fathomline.progress import warning

CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}
"""What MegaDetector finds, for a JSON that does not say."""

NOT_ANIMALS = ("person", "human", "vehicle", "empty", "blank")

FORMAT = "MegaDetector's `images` with `file` and `detections`"


def is_megadetector(document: JsonObject) -> bool:
    """Whether a JSON has detections as MegaDetector writes them."""
    images = document.get("images")
    if "detection_categories" in document:
        return True
    entries = [entry for entry in images if isinstance(entry, dict)] if isinstance(images, list) else []
    return any("file" in entry and ("detections" in entry or "failure" in entry) for entry in entries)


def megadetector_rows(document: JsonObject, where: str, named: NamedPictures) -> list[Row]:
    """One row per detection of an animal, whatever its confidence, and one for each picture that failed.

    Args: named, where pictures are found by their `file`; an absolute path is used as it is.
    """
    problems: list[str] = []
    images = entries(document, "images", problems)
    raise_if_any(problems, where)
    animals = _animals(document.get("detection_categories", CATEGORIES), where)
    rows: list[Row] = []
    empty = 0
    for image in images:
        found = _image_rows(image, named, animals)
        empty += not found
        rows += found
    if empty:
        warning(f"{where}: {empty} of {len(images)} pictures have no detection of an animal and are left out")
    return rows


def _animals(categories: object, where: str) -> set[str]:
    if not isinstance(categories, dict):
        raise InputError(f"{where}: `detection_categories` is {shown(categories)}, expected names by category")
    return {key for key, name in categories.items() if str(name).strip().lower() not in NOT_ANIMALS}


def _image_rows(image: JsonObject, named: NamedPictures, animals: set[str]) -> list[Row]:
    picture, reason = _picture(image, named)
    detections = image.get("detections")
    if image.get("failure"):
        return [Row(picture, reason=f"MegaDetector failed: {shown(image['failure'])}")]
    if not isinstance(detections, list):
        return [Row(picture, reason=f"`detections` is {shown(detections)}, expected a list")]
    rows: list[Row] = []
    for place, detection in enumerate(detections):
        if not isinstance(detection, dict):
            rows.append(Row(picture, reason=f"`detections[{place}]` is {shown(detection)}, expected an object"))
        elif str(detection.get("category")) in animals:
            rows.append(_row(detection, picture, reason))
    return rows


def _picture(image: JsonObject, named: NamedPictures) -> tuple[Picture, str]:
    """The picture, and why it cannot be used, as far as the JSON and the folder show."""
    name = image.get("file")
    name = name if isinstance(name, str) else ""
    location, reason = name, ""
    if "frame_rate" in image or "frames_processed" in image:
        reason = "a video; extract its frames, and run MegaDetector on them"
    elif not os.path.isabs(name):
        try:
            location = named.location(name.replace("\\", "/"), None, "file")
        except Unusable as error:
            location, reason = "", str(error)
    return Picture(name, location, size_of(image.get("width"), image.get("height")), fractions=True), reason


def _row(detection: JsonObject, picture: Picture, reason: str) -> Row:
    box = detection.get("bbox")
    return Row(picture, box, reason=reason or ("the detection has no `bbox`" if box is None else ""))
