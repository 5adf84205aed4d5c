"""Read boxes from a JSON, whose content shows which program wrote it."""

from pathlib import Path

from fathomline.dataset.coco import load_json
from fathomline.errors import InputError, listing, shown
from fathomline.files import read_user_file
from fathomline.inputs.coco_boxes import coco_rows
from fathomline.inputs.megadetector import is_megadetector, megadetector_rows
from fathomline.inputs.named_pictures import NamedPictures
from fathomline.inputs.rows import Row

EXPECTED = "a COCO JSON (`images`, `annotations`), or MegaDetector's (`images` with `file` and `detections`)"


def json_rows(path: Path, images: Path | None) -> list[Row]:
    """The rows of a JSON. Pictures lie in `images`, or in the folder of the JSON if that is None."""
    document = load_json(read_user_file(path, EXPECTED), str(path), EXPECTED)
    named = NamedPictures(path.parent if images is None else images)
    if isinstance(document, dict) and is_megadetector(document):
        return megadetector_rows(document, str(path), named)
    if isinstance(document, dict) and "images" in document:
        return coco_rows(document, str(path), named, use_urls=images is None)
    raise InputError(f"{path}: found {_found(document)}; expected {EXPECTED}")


def _found(document: object) -> str:
    """What a JSON holds, in the words of the program that may have written it."""
    if isinstance(document, list):
        first = document[0] if document and isinstance(document[0], dict) else {}
        if {"image_id", "bbox"} <= first.keys():
            return "a list of COCO results, which does not name pictures: put it under `annotations` of their COCO JSON"
        if "detections" in first:
            return "a list of detections in pixels: convert it to MegaDetector's batch format or to a CSV of boxes"
        return "a list"
    if not isinstance(document, dict):
        return shown(document)
    if document.get("type") == "FeatureCollection":
        return "GeoJSON"
    if "annotations" in document:
        return "annotations without `images`"
    return f"an object with {listing(document) or 'no keys'}"
