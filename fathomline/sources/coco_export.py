"""Bring the COCO JSON of an annotation tool to the form that `checked_coco` accepts, as far as that is unambiguous."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from fathomline.dataset.coco import WHOLE_FRAME, JsonObject, concept_name, integer_id, raise_if_any
from fathomline.errors import listing, shown
from fathomline.sources.text_ids import number_text_ids, replace_references, text_of_id

ROBOFLOW = re.compile(r"(?P<original>.+)\.rf\.[0-9A-Za-z]{8,}\.\w+")
"""The file names of Roboflow: name, `.rf.`, a hash, extension. Augmented copies of a picture differ in the hash."""

ORIGINAL = "roboflow_original"
"""Field of an image with the part of its name that its augmented copies share."""


class ExportReader:
    """Adapts one COCO JSON; `notes` then says what was changed or left out, one line each."""

    def __init__(self, where: str, *, labelled: bool) -> None:
        self.notes: list[str] = []
        self._where = where
        self._labelled = labelled

    def adapted(self, document: object) -> object:
        """The document with integer ids, boxes, and the categories in use. What cannot be adapted stays as it is, for
        `checked_coco` to report.

        - Ids that are no integers, such as file names and UUIDs, are numbered from 1 in the order of the file, and
          kept as `source_id`.
        - Annotations without a `bbox` get the one around their `segmentation` polygons.
        - A test subset without annotations gets one for each image, of the whole frame, as in `fathomline predict`.
        - In a training subset, categories without annotations are dropped. In a test subset, categories are needed
          only where annotations have labels: those that are undefined, or not told apart by id and name, are ignored.

        Raises InputError for ids that cannot be told apart and for references to none of them.
        """
        if not self._labelled and isinstance(document, dict) and document.get("annotations") in (None, []):
            document = self._with_whole_frames(document)
        sections = _sections(document, ("images", "annotations", *["categories"] * self._labelled))
        if sections is None or not isinstance(document, dict):
            return document
        images, annotations = sections["images"], sections["annotations"]
        categories = sections.get("categories") or _distinct(document.get("categories"))
        problems: list[str] = []
        image_ids = number_text_ids("images", images, problems)
        if annotations and all(annotation.get("id") is None for annotation in annotations):
            for number, annotation in enumerate(annotations, start=1):
                annotation["id"] = number
            self.notes.append(f"the {len(annotations)} annotations have no `id`; numbered in the order of the file")
        number_text_ids("annotations", annotations, problems)
        category_ids = number_text_ids("categories", categories, problems)
        replace_references(annotations, "image_id", image_ids, problems)
        replace_references(annotations, "category_id", category_ids, problems if self._labelled else [])
        raise_if_any(problems, self._where)
        self._add_missing_boxes(annotations)
        self._group_roboflow_copies(images)
        categories = self._categories_in_use(categories, annotations)
        return {**document, "images": images, "annotations": annotations, "categories": categories}

    def _with_whole_frames(self, document: JsonObject) -> JsonObject:
        images = _sections(document, ["images"])
        if images is None or not images["images"]:
            return document
        ids = [image.get("id") for image in images["images"]]
        self.notes.append(f"no annotations: each of the {len(ids)} images is one ROI, the whole frame")
        annotations = [{"id": identity, "image_id": identity, "bbox": WHOLE_FRAME} for identity in ids]
        return {**document, "annotations": annotations}

    def _add_missing_boxes(self, annotations: list[JsonObject]) -> None:
        added = 0
        for annotation in annotations:
            if annotation.get("bbox") in (None, []):
                box = _box_around(annotation.get("segmentation"))
                annotation["bbox"] = box
                added += box is not None
        if added:
            self.notes.append(f"{added} annotation(s) have no `bbox`; using the box around their `segmentation`")

    def _group_roboflow_copies(self, images: list[JsonObject]) -> None:
        matches = [ROBOFLOW.fullmatch(PurePosixPath(str(image.get("file_name"))).name) for image in images]
        if not images or not all(matches):
            return
        originals = [match["original"] for match in matches if match]
        for image, original in zip(images, originals, strict=True):
            image[ORIGINAL] = original
        if self._labelled and len(set(originals)) < len(originals):
            self.notes.append(
                f"{len(originals)} images are copies of {len(set(originals))} pictures, augmented by Roboflow; set "
                f"`split.group: {ORIGINAL}`, or copies of a picture will be in training and validation at once"
            )

    def _categories_in_use(self, categories: list[JsonObject], annotations: list[JsonObject]) -> list[JsonObject]:
        used = {_key(annotation.get("category_id")) for annotation in annotations}
        kept = [category for category in categories if _key(category.get("id")) in used]
        unused = [shown(category.get("name"), 40) for category in categories if _key(category.get("id")) not in used]
        if self._labelled:
            if unused and kept:
                self.notes.append(f"{len(unused)} categories have no annotations and are ignored: {listing(unused)}")
            return kept or categories
        defined = {_key(category["id"]) for category in kept}
        ignored = [entry for entry in annotations if _key(entry.get("category_id")) not in defined | {_key(None)}]
        for annotation in ignored:
            annotation["category_id"] = None
        if ignored:
            self.notes.append(
                f"{len(ignored)} annotation(s) have a `category_id` that the JSON does not define, or whose id or name "
                "it repeats; this is fine in a test subset, and their labels are ignored"
            )
        return kept


def _sections(document: object, names: Iterable[str]) -> dict[str, list[JsonObject]] | None:
    """Copies of the entries of these sections; None unless each is a list of objects."""
    if not isinstance(document, dict):
        return None
    found = {name: document.get(name) for name in names}
    if not all(
        isinstance(entries, list) and len(list(_objects(entries))) == len(entries) for entries in found.values()
    ):
        return None
    # A field `source_id` of the user's file would be taken for ours.
    return {
        name: [{key: value for key, value in entry.items() if key != "source_id"} for entry in _objects(entries)]
        for name, entries in found.items()
    }


def _objects(entries: object) -> Iterator[JsonObject]:
    return (entry for entry in entries if isinstance(entry, dict)) if isinstance(entries, list) else iter(())


def _distinct(categories: object) -> list[JsonObject]:
    """Copies of the categories with an id and a readable name that no other has."""
    entries = [dict(entry) for entry in _objects(categories)]
    ids = [text_of_id(entry.get("id")) for entry in entries]
    names = [concept_name(name) if isinstance(name := entry.get("name"), str) else "" for entry in entries]
    of_id, of_name = Counter(ids), Counter(names)
    return [
        entry
        for entry, identity, name in zip(entries, ids, names, strict=True)
        if identity and name and name.isprintable() and of_id[identity] == of_name[name] == 1
    ]


def _key(identity: object) -> object:
    """Equal for ids that `checked_coco` takes for the same."""
    integer = integer_id(identity)
    return repr(identity) if integer is None else integer


def _box_around(segmentation: object) -> list[float] | None:
    """The box [x, y, width, height] around polygons, each a list x, y, x, y …; None for anything else."""
    if not isinstance(segmentation, list) or not segmentation:
        return None
    polygons = segmentation if isinstance(segmentation[0], list) else [segmentation]
    numbers = [list(_finite(polygon)) for polygon in polygons]
    xs, ys = [x for each in numbers for x in each[::2]], [y for each in numbers for y in each[1::2]]
    if (
        not xs
        or not ys
        or any(len(each) % 2 or len(each) != len(raw) for each, raw in zip(numbers, polygons, strict=True))
    ):
        return None
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _finite(polygon: Iterable[object]) -> Iterator[float]:
    for number in polygon:
        if isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number):
            yield float(number)
