"""Boxes from a COCO JSON: its categories are not used, and ids may be text."""

from typing import Any

from fathomline.dataset.coco import WHOLE_FRAME, JsonObject, check_references, check_repeats, integer_id, raise_if_any
from fathomline.dataset.coco import section_entries as entries
from fathomline.errors import Unusable, listing, shown
from fathomline.inputs.named_pictures import URL, NamedPictures
from fathomline.inputs.rows import Picture, Row, refuse_repeated_ids, size_of
from fathomline.progress import warning


def coco_rows(document: JsonObject, where: str, named: NamedPictures, use_urls: bool) -> list[Row]:
    """The rows of a COCO JSON: one per annotation, or one per image if it has no annotations at all.

    Args:
        named: where pictures are found by their `file_name`.
        use_urls: whether pictures come from their `coco_url` if they have one.
    Raises InputError if ids are missing or not unique, or if an annotation refers to no image.
    """
    problems: list[str] = []
    pictured = entries(document, "images", problems)
    listed = entries(document, "annotations", problems) if document.get("annotations") else []
    raise_if_any(problems, where)
    images = [dict(entry, id=_id(entry.get("id"))) for entry in pictured]
    annotations = [dict(entry, id=entry.get("id"), image_id=_id(entry.get("image_id"))) for entry in listed]
    problems += _without_id("images", "id", images) + _without_id("annotations", "image_id", annotations)
    wrong = [shown(entry["id"]) for entry in annotations if entry["id"] is not None and _id(entry["id"]) is None]
    if wrong:
        problems.append(f"{len(wrong)} `id` values in `annotations` are neither integers nor text: {listing(wrong)}")
    raise_if_any(problems, where)
    check_repeats("images", "id", images, problems)
    check_references("image_id", annotations, images, problems)
    raise_if_any(problems, where)

    pictures = {image["id"]: _picture(image, named, use_urls) for image in images}
    if named.found_by_id and named.found_by_name:
        warning(
            f"{where}: {named.found_by_id} of {len(images)} pictures were found by image id, not by `file_name`, in "
            f"{named.folder}"
        )
    if not annotations:
        return [Row(picture, reason=reason) for picture, reason in pictures.values()]
    rows = [_row(annotation, *pictures[annotation["image_id"]]) for annotation in annotations]
    refuse_repeated_ids(rows, where)
    return rows


def _id(value: object) -> int | str | None:
    integer = integer_id(value)
    return value if integer is None and isinstance(value, str) and value else integer


def _without_id(section: str, key: str, checked: list[JsonObject]) -> list[str]:
    without = [f"{section}[{place}]" for place, entry in enumerate(checked) if entry[key] is None]
    return [f"{len(without)} `{key}` values in `{section}` are missing or invalid: {listing(without)}"] * bool(without)


def _picture(image: JsonObject, named: NamedPictures, use_urls: bool) -> tuple[Picture, str]:
    """The picture, and why it cannot be used, as far as the JSON and the folder show."""
    name, url = _text(image.get("file_name")), _text(image.get("coco_url"))
    location, reason = "", ""
    try:
        location = url if use_urls and URL.match(url) else named.location(name, image["id"], "file_name")
    except Unusable as error:
        reason = str(error)
    size = size_of(image.get("width"), image.get("height"))
    return Picture(name or url or str(image["id"]), location, size, image_id=image["id"]), reason


def _row(annotation: JsonObject, picture: Picture, reason: str) -> Row:
    given = annotation.get("bbox")
    track = _track(annotation)
    if given is None:
        reason = reason or "the annotation has no `bbox`"
    box = None if given == WHOLE_FRAME else given  # a row without a box is the whole picture
    if track is not None and type(track) not in (int, str):
        track, reason = None, reason or f"`track_id` is {shown(track)}, expected an integer or text"
    return Row(picture, box, _id(annotation["id"]), None if track is None else str(track), reason)


def _track(annotation: JsonObject) -> Any:
    """`track_id` of an annotation, which CVAT writes among its attributes."""
    attributes = annotation.get("attributes")
    inner = attributes.get("track_id") if isinstance(attributes, dict) else None
    return annotation.get("track_id", inner)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
