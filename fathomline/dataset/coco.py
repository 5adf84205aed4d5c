"""Read a COCO JSON, check all of it, and keep the fields that the pipeline uses."""

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fathomline.errors import InputError, listing, shown

JsonObject = dict[str, Any]

SECTIONS = ("images", "annotations", "categories")

INTEGER_TEXT = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
"""Decimal strings that can only mean one integer: "17" is accepted; "017" and "+17" might be distinct ids."""

WHOLE_FRAME = "frame"
"""The `bbox` of an annotation of the whole frame."""

MAX_ID = 2**63 - 1
"""Ids are stored as 64-bit integers in every table."""


@dataclass(frozen=True)
class Coco:
    """A COCO dataset whose ids are unique integers and whose references all resolve. Boxes are unchecked."""

    images: list[JsonObject]
    """All fields of the JSON; `id` is an int."""

    annotations: list[JsonObject]
    """`id`, `image_id`, `category_id` (an int, or None if the label is withheld), and `bbox` as in the JSON."""

    categories: list[JsonObject]
    """`id` and `name`."""

    def content(self) -> dict[str, list[JsonObject]]:
        """The dataset in a form that strict JSON can represent."""
        return {"images": self.images, "annotations": self.annotations, "categories": self.categories}


def read_coco(path: Path, *, labelled: bool) -> Coco:
    """Read and check the COCO JSON at `path`; see `parse_coco`."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a COCO JSON") from None
    except (OSError, ValueError) as error:  # a path that contains a NUL raises ValueError
        cause = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({cause}); expected a COCO JSON") from None
    return parse_coco(text, str(path), labelled=labelled)


def read_dataset(path: Path) -> Coco:
    """Read the dataset.json written by the download stage, with or without labels."""
    try:
        return read_coco(path, labelled=False)
    except InputError as error:
        remedy = "; run `dvc repro --force download` to write it again"
        raise InputError("\n".join(f"{line}{remedy}" for line in str(error).splitlines())) from None


def parse_coco(text: bytes, where: str, *, labelled: bool) -> Coco:
    """Check a COCO JSON and normalise its ids to integers.

    `where` names the JSON in messages. If `labelled`, an annotation without a category is an error.
    Numbers outside strict JSON (NaN, Infinity, 1e999) become strings, so that `bbox` can be written as strict JSON
    and the crop stage quarantines the annotation.

    Raises InputError with one line per kind of problem, each with its count and first examples.
    """
    document = load_json(text, where, "a COCO JSON")
    if not isinstance(document, dict):
        found = type(document).__name__
        raise InputError(f"{where}: expected an object with {', '.join(SECTIONS)}, found a {found}")
    problems: list[str] = []
    sections = {name: section_entries(document, name, problems) for name in SECTIONS}
    raise_if_any(problems, where)

    images = [dict(entry, id=integer_id(entry.get("id"))) for entry in sections["images"]]
    categories = [{"id": integer_id(entry.get("id")), "name": _name(entry)} for entry in sections["categories"]]
    annotations = [_annotation(entry) for entry in sections["annotations"]]
    for section, entries in zip(SECTIONS, (images, annotations, categories), strict=True):
        _check_integers(section, "id", entries, sections[section], problems)
    _check_integers("annotations", "image_id", annotations, sections["annotations"], problems)
    _check_labels(annotations, sections["annotations"], labelled, problems)
    _check_names(categories, sections["categories"], problems)
    raise_if_any(problems, where)

    for section, entries in zip(SECTIONS, (images, annotations, categories), strict=True):
        check_repeats(section, "id", entries, problems)
    check_repeats("categories", "name", categories, problems)
    check_references("image_id", annotations, images, problems)
    check_references("category_id", annotations, categories, problems)
    raise_if_any(problems, where)
    return Coco(images, annotations, categories)


def load_json(text: bytes, where: str, expected: str) -> Any:
    """Parse JSON in UTF-8. Numbers outside strict JSON (NaN, Infinity, 1e999) become strings.

    Raises InputError, naming `where` and `expected`, for anything else.
    """
    try:
        decoded = text.decode("utf-8-sig")
        document = json.loads(decoded, parse_constant=str, parse_float=_finite_or_text)
        if re.search(r"\\u[dD][89a-fA-F]", decoded):
            json.dumps(document, ensure_ascii=False).encode()  # half of a surrogate pair cannot be encoded
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON ({error}); expected {expected} in UTF-8") from None
    return document


def _finite_or_text(number: str) -> float | str:
    value = float(number)
    return value if math.isfinite(value) else number


def section_entries(document: JsonObject, name: str, problems: list[str]) -> list[JsonObject]:
    """The objects in the list `name` of a COCO JSON; what is wrong with it is appended to `problems`."""
    if name not in document:
        problems.append(f"`{name}` is missing; found only {listing(document) or 'an empty object'}")
        return []
    entries = document[name]
    if not isinstance(entries, list):
        problems.append(f"`{name}` is a {type(entries).__name__}, expected a list")
        return []
    if not entries:
        problems.append(f"`{name}` is empty, expected at least one entry")
    not_objects = [f"{name}[{place}]" for place, entry in enumerate(entries) if not isinstance(entry, dict)]
    if not_objects:
        problems.append(
            f"{len(not_objects)} of {len(entries)} entries of `{name}` are not JSON objects: {listing(not_objects)}"
        )
    return entries


def integer_id(value: object) -> int | None:
    """An id as an integer: itself, or a decimal string that can only mean one integer; None for anything else."""
    if isinstance(value, str) and INTEGER_TEXT.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and -MAX_ID <= value <= MAX_ID:
        return value
    return None


def _name(category: JsonObject) -> str | None:
    name = category.get("name")
    if isinstance(name, str) and name.strip() and name.strip().isprintable():
        return name.strip()
    return None


def _annotation(entry: JsonObject) -> JsonObject:
    ids = {key: integer_id(entry.get(key)) for key in ("id", "image_id", "category_id")}
    return {**ids, "bbox": entry.get("bbox")}


def _check_integers(
    section: str, key: str, entries: list[JsonObject], raw: list[JsonObject], problems: list[str]
) -> None:
    invalid = [
        f"{section}[{place}] has {shown(raw[place].get(key), 40)}"
        for place, entry in enumerate(entries)
        if entry[key] is None
    ]
    if invalid:
        problems.append(_not_integers(section, key, invalid))


def _not_integers(section: str, key: str, invalid: list[str]) -> str:
    values = f"{len(invalid)} `{key}` values in `{section}`"
    return f"{values} are neither integers nor decimal strings: {listing(invalid)}"


def _check_labels(annotations: list[JsonObject], raw: list[JsonObject], labelled: bool, problems: list[str]) -> None:
    invalid: list[str] = []
    absent: list[str] = []
    for annotation, entry in zip(annotations, raw, strict=True):
        if annotation["category_id"] is None:
            given = entry.get("category_id")
            (absent if given is None else invalid).append(f"annotation {entry.get('id')} has {shown(given, 40)}")
    if invalid:
        problems.append(_not_integers("annotations", "category_id", invalid))
    if absent and labelled:
        problems.append(
            f"{len(absent)} of {len(annotations)} annotations have no `category_id`, which training requires: "
            f"{listing(absent)}"
        )


def _check_names(categories: list[JsonObject], raw: list[JsonObject], problems: list[str]) -> None:
    nameless = [
        f"category {entry.get('id')} has {shown(entry.get('name'), 40)}"
        for category, entry in zip(categories, raw, strict=True)
        if category["name"] is None
    ]
    if nameless:
        problems.append(f"{len(nameless)} categories lack a readable `name`: {listing(nameless)}")


def check_repeats(section: str, key: str, entries: list[JsonObject], problems: list[str]) -> None:
    """Append a problem if two of `entries` have the same value of `key`."""
    counts = Counter(entry[key] for entry in entries)
    repeated = [f"{value} ({count} times)" for value, count in counts.items() if count > 1]
    if repeated:
        problems.append(f"{len(repeated)} `{key}` values in `{section}` are not unique: {listing(repeated)}")


def check_references(key: str, annotations: list[JsonObject], targets: list[JsonObject], problems: list[str]) -> None:
    """Append a problem if annotations refer by `key` to a target that does not exist."""
    known = {target["id"] for target in targets}
    undefined = [
        f"annotation {annotation['id']} has {annotation[key]}"
        for annotation in annotations
        if annotation[key] is not None and annotation[key] not in known
    ]
    if undefined:
        problems.append(
            f"{len(undefined)} annotations have `{key}` values that the JSON does not define: {listing(undefined)}"
        )


def raise_if_any(problems: list[str], where: str) -> None:
    """Raise one InputError with a line for each problem."""
    if problems:
        raise InputError("\n".join(f"{where}: {problem}" for problem in problems))
