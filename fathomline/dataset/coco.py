"""COCO JSON: read, checked as a whole, and reduced to what the pipeline uses."""

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from fathomline.errors import InputError, listing

SECTIONS = ("images", "annotations", "categories")

INTEGER_TEXT = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
"""Decimal strings that name one integer only: "17" does, "017" and "+17" might also be other ids."""

MOST = 2**63 - 1
"""Ids are 64-bit integers in every table."""


@dataclass(frozen=True)
class Coco:
    """A COCO dataset whose ids are unique integers and whose references all resolve. Boxes are not checked."""

    images: list[dict]
    """As in the JSON, extra fields included; `id` is an int."""

    annotations: list[dict]
    """`id`, `image_id`, `category_id` (an int, or None where the label is withheld), and `bbox` as the JSON has it."""

    categories: list[dict]
    """`id` and `name`."""

    def content(self) -> dict[str, list[dict]]:
        """The dataset as strict JSON can hold it."""
        return {"images": self.images, "annotations": self.annotations, "categories": self.categories}


def read_coco(path: Path, *, labelled: bool) -> Coco:
    """Read and check the COCO JSON at `path`; see `parse_coco`."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a COCO JSON") from None
    except (OSError, ValueError) as error:  # a name with a NUL in it is a ValueError
        cause = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({cause}); expected a COCO JSON") from None
    return parse_coco(text, str(path), labelled=labelled)


def read_dataset(path: Path) -> Coco:
    """Read the dataset.json that the download stage wrote, with or without labels."""
    try:
        return read_coco(path, labelled=False)
    except InputError as error:
        remedy = "; run `dvc repro --force download`, which writes it"
        raise InputError("\n".join(f"{line}{remedy}" for line in str(error).splitlines())) from None


def parse_coco(text: bytes, where: str, *, labelled: bool) -> Coco:
    """Check a COCO JSON and normalise its ids to integers.

    `where` names the JSON in messages. With `labelled`, an annotation without a category is an error.
    Numbers that JSON does not have (NaN, Infinity, 1e999) become strings, so that `bbox` stays strict JSON and its
    annotation ends in quarantine.

    Raises InputError with one line per kind of fault, each with its count and first examples.
    """
    document = _load(text, where)
    faults: list[str] = []
    sections = {name: _entries(document, name, faults) for name in SECTIONS}
    _raise_if_any(faults, where)

    images = [dict(entry, id=_integer(entry.get("id"))) for entry in sections["images"]]
    categories = [{"id": _integer(entry.get("id")), "name": _name(entry)} for entry in sections["categories"]]
    annotations = [_annotation(entry) for entry in sections["annotations"]]
    for section, entries in zip(SECTIONS, (images, annotations, categories), strict=True):
        _check_integers(section, "id", entries, sections[section], faults)
    _check_integers("annotations", "image_id", annotations, sections["annotations"], faults)
    _check_labels(annotations, sections["annotations"], labelled, faults)
    _check_names(categories, sections["categories"], faults)
    _raise_if_any(faults, where)

    for section, entries in zip(SECTIONS, (images, annotations, categories), strict=True):
        _check_repeats(section, "id", entries, faults)
    _check_repeats("categories", "name", categories, faults)
    _check_references("image_id", annotations, images, faults)
    _check_references("category_id", annotations, categories, faults)
    _raise_if_any(faults, where)
    return Coco(images, annotations, categories)


def _load(text: bytes, where: str) -> dict:
    try:
        decoded = text.decode("utf-8-sig")
        document = json.loads(decoded, parse_constant=str, parse_float=_finite_or_text)
        if re.search(r"\\u[dD][89a-fA-F]", decoded):
            json.dumps(document, ensure_ascii=False).encode()  # half of a surrogate pair fits into no file
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON ({error}); expected a COCO JSON in UTF-8") from None
    if not isinstance(document, dict):
        found = type(document).__name__
        raise InputError(f"{where}: expected an object with {', '.join(SECTIONS)}, found a {found}")
    return document


def _finite_or_text(number: str) -> float | str:
    value = float(number)
    return value if math.isfinite(value) else number


def _entries(document: dict, name: str, faults: list[str]) -> list[dict]:
    if name not in document:
        faults.append(f"`{name}` is missing; it has {listing(document) or 'nothing'}")
        return []
    entries = document[name]
    if not isinstance(entries, list):
        faults.append(f"`{name}` is a {type(entries).__name__}, expected a list")
        return []
    if not entries:
        faults.append(f"`{name}` is empty")
    strangers = [f"{name}[{place}]" for place, entry in enumerate(entries) if not isinstance(entry, dict)]
    if strangers:
        faults.append(f"{len(strangers)} of `{name}` are not JSON objects: {listing(strangers)}")
    return entries


def _integer(value: object) -> int | None:
    if isinstance(value, str) and INTEGER_TEXT.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and -MOST <= value <= MOST:
        return value
    return None


def _name(category: dict) -> str | None:
    name = category.get("name")
    if isinstance(name, str) and name.strip() and name.strip().isprintable():
        return name.strip()
    return None


def _annotation(entry: dict) -> dict:
    ids = {key: _integer(entry.get(key)) for key in ("id", "image_id", "category_id")}
    return {**ids, "bbox": entry.get("bbox")}


def _check_integers(section: str, key: str, entries: list[dict], found: list[dict], faults: list[str]) -> None:
    wrong = [
        f"{section}[{place}] has {_shown(found[place].get(key))}"
        for place, entry in enumerate(entries)
        if entry[key] is None
    ]
    if wrong:
        faults.append(f"{len(wrong)} `{key}` of `{section}` are neither integers nor decimal strings: {listing(wrong)}")


def _check_labels(annotations: list[dict], found: list[dict], labelled: bool, faults: list[str]) -> None:
    wrong, absent = [], []
    for annotation, entry in zip(annotations, found, strict=True):
        if annotation["category_id"] is None:
            given = entry.get("category_id")
            (absent if given is None else wrong).append(f"annotation {entry.get('id')}: {_shown(given)}")
    if wrong:
        faults.append(
            f"{len(wrong)} `category_id` of `annotations` are neither integers nor decimal strings: {listing(wrong)}"
        )
    if absent and labelled:
        faults.append(
            f"{len(absent)} of {len(annotations)} annotations have no `category_id`, and training needs one for "
            f"each: {listing(absent)}"
        )


def _check_names(categories: list[dict], found: list[dict], faults: list[str]) -> None:
    nameless = [
        f"category {entry.get('id')} has {_shown(entry.get('name'))}"
        for category, entry in zip(categories, found, strict=True)
        if category["name"] is None
    ]
    if nameless:
        faults.append(f"{len(nameless)} categories lack a readable `name`: {listing(nameless)}")


def _check_repeats(section: str, key: str, entries: list[dict], faults: list[str]) -> None:
    counts = Counter(entry[key] for entry in entries)
    repeated = [f"{value} ({count} times)" for value, count in counts.items() if count > 1]
    if repeated:
        faults.append(f"{len(repeated)} `{key}` of `{section}` are not unique: {listing(repeated)}")


def _check_references(key: str, annotations: list[dict], targets: list[dict], faults: list[str]) -> None:
    known = {target["id"] for target in targets}
    lost = [
        f"annotation {annotation['id']} has {annotation[key]}"
        for annotation in annotations
        if annotation[key] is not None and annotation[key] not in known
    ]
    if lost:
        faults.append(f"{len(lost)} annotations have a `{key}` that the JSON does not define: {listing(lost)}")


def _shown(value: object) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _raise_if_any(faults: list[str], where: str) -> None:
    if faults:
        raise InputError("\n".join(f"{where}: {fault}" for fault in faults))
