"""The COCO JSON of the pipeline: check all of it, and keep the fields that are used."""

import json
import math
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fathomline.errors import InputError, listing, shown, visible
from fathomline.files import read_user_file

JsonObject = dict[str, Any]

EXPECTED = "a COCO JSON"

SECTIONS = ("images", "annotations", "categories")

INTEGER_TEXT = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
"""Decimal strings that can only mean one integer: "17" is accepted; "017" and "+17" might be distinct ids."""

INFO_KEYS = ("description", "version", "year", "contributor", "date_created", "url")
"""The keys of `info` in a COCO JSON, all optional."""

WHOLE_FRAME = "frame"
"""The `bbox` of an annotation of the whole frame."""

MAX_ID = 2**63 - 1
"""Ids are stored as 64-bit integers in every table."""


@dataclass(frozen=True)
class Coco:
    """A COCO dataset whose ids are unique integers and whose references all resolve. Boxes are unchecked."""

    images: list[JsonObject]
    """All fields of the JSON; `id` is an int. `source_id`, if there is one, is the id in the user's file."""

    annotations: list[JsonObject]
    """`id`, `image_id`, `category_id` (an int, or None if the label is withheld), `bbox` as in the JSON, and
    `source_id` as for images."""

    categories: list[JsonObject]
    """`id` and `name`."""

    info: dict[str, str] = field(default_factory=dict)
    """What the data set says about itself; see `INFO_KEYS`."""

    def content(self) -> JsonObject:
        """The dataset in a form that strict JSON can represent."""
        sections = {"images": self.images, "annotations": self.annotations, "categories": self.categories}
        return {"info": self.info, **sections} if self.info else sections


def read_coco(path: Path, *, labelled: bool) -> Coco:
    """Read and check the COCO JSON at `path`; see `parse_coco`."""
    return parse_coco(read_user_file(path, EXPECTED), str(path), labelled=labelled)


def read_dataset(path: Path) -> Coco:
    """Read the dataset.json written by the download stage, with or without labels.

    Without a test subset, that of the test subset has no images and no annotations.
    """
    try:
        return checked_coco(
            load_json(read_user_file(path, EXPECTED), str(path), EXPECTED), str(path), may_be_empty=True
        )
    except InputError as error:
        remedy = "; run `dvc repro --force download` to write it again"
        raise InputError("\n".join(f"{line}{remedy}" for line in str(error).splitlines())) from None


def parse_coco(text: bytes, where: str, *, labelled: bool) -> Coco:
    """Parse a COCO JSON and check it as `checked_coco` does.

    Numbers outside strict JSON (NaN, Infinity, 1e999) become strings, so that `bbox` can be written as strict JSON
    and the crop stage quarantines the annotation.
    """
    return checked_coco(load_json(text, where, EXPECTED), where, labelled=labelled)


def checked_coco(document: object, where: str, *, labelled: bool = False, may_be_empty: bool = False) -> Coco:
    """Check the content of a COCO JSON and normalise its ids to integers.

    `where` names the JSON in messages. If `labelled`, an annotation without a category is an error. Unless
    `labelled`, categories may be empty or missing. With `may_be_empty`, all sections may be empty, but none missing.

    Raises InputError with one line per kind of problem, each with its count and first examples.
    """
    if not isinstance(document, dict):
        found = type(document).__name__
        raise InputError(f"{where}: expected an object with {', '.join(SECTIONS)}, found a {found}")
    if not labelled and not may_be_empty:
        document = {"categories": [], **document}
    problems: list[str] = []
    optional = SECTIONS if may_be_empty else () if labelled else ("categories",)
    sections = {name: section_entries(document, name, problems, may_be_empty=name in optional) for name in SECTIONS}
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
    return Coco(images, annotations, categories, _info(document.get("info")))


def described_size(image: JsonObject) -> tuple[int, int] | None:
    """The width and height that the JSON gives for an image; None if either is missing or no side of a picture."""
    width, height = (_pixels(image.get(side)) for side in ("width", "height"))
    return (width, height) if width and height else None


def _pixels(value: object) -> int | None:
    """The integer in 640, 640.0 or "640", all of which occur in JSON files; None for anything else, such as the -1 of
    an unknown size."""
    try:
        number = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        return None
    return int(number) if 1 <= number < 2**31 and number.is_integer() else None


def _info(found: object) -> dict[str, str]:
    values = found if isinstance(found, dict) else {}
    texts = {key: " ".join(str(values[key]).split()) for key in INFO_KEYS if isinstance(values.get(key), str | int)}
    return {key: visible(text) for key, text in texts.items() if text}


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


def section_entries(
    document: JsonObject, name: str, problems: list[str], *, may_be_empty: bool = False
) -> list[JsonObject]:
    """The objects in the list `name` of a COCO JSON; what is wrong with it is appended to `problems`."""
    if name not in document:
        problems.append(f"`{name}` is missing; found only {listing(document) or 'an empty object'}")
        return []
    entries = document[name]
    if not isinstance(entries, list):
        problems.append(f"`{name}` is a {type(entries).__name__}, expected a list")
        return []
    if not entries and not may_be_empty:
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
    own = {"source_id": entry["source_id"]} if isinstance(entry.get("source_id"), str) else {}
    return {**ids, "bbox": entry.get("bbox"), **own}


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
