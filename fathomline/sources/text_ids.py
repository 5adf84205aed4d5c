"""Ids that are texts, such as file names and UUIDs: the pipeline numbers them, and keeps them beside the numbers."""

from fathomline.dataset.coco import JsonObject, check_repeats, integer_id
from fathomline.errors import listing, shown


def number_text_ids(section: str, entries: list[JsonObject], problems: list[str]) -> dict[str, int]:
    """If any id is a text that is no integer, number the entries from 1, in place, and keep the ids of images and
    annotations as `source_id`.

    Ids that are missing or repeated are appended to `problems`. Returns the numbers by the texts of the ids, none if
    all ids are integers.
    """
    if not any(_is_text(entry.get("id")) for entry in entries):
        return {}
    texts = [text_of_id(entry.get("id")) for entry in entries]
    absent = [f"{section}[{place}]" for place, text in enumerate(texts) if text is None]
    if absent:
        problems.append(f"{len(absent)} `id` values in `{section}` are missing or not usable: {listing(absent)}")
    check_repeats(section, "id", [{"id": text} for text in texts if text is not None], problems)
    for number, (entry, text) in enumerate(zip(entries, texts, strict=True), start=1):
        entry["id"] = number
        if section != "categories":
            entry["source_id"] = text
    return {text: number for number, text in enumerate(texts, start=1) if text is not None}


def replace_references(annotations: list[JsonObject], key: str, numbers: dict[str, int], problems: list[str]) -> None:
    """Replace the references `key` to numbered entries by their numbers, in place.

    References to no entry are appended to `problems`, and stay undefined. Args: numbers, from `number_text_ids`.
    """
    undefined = []
    for place, annotation in enumerate(annotations):
        text = text_of_id(annotation.get(key))
        if text is not None and text in numbers:
            annotation[key] = numbers[text]
        elif text is not None and (numbers or _is_text(annotation[key])):
            undefined.append(f"annotations[{place}] has {shown(annotation[key], 40)}")
            annotation[key] = f"undefined: {text}"  # or an integer could be taken for a number given here
    if undefined:
        problems.append(
            f"{len(undefined)} annotations have `{key}` values that the JSON does not define: {listing(undefined)}"
        )


def _is_text(identity: object) -> bool:
    return isinstance(identity, str) and bool(identity.strip()) and integer_id(identity) is None


def text_of_id(value: object) -> str | None:
    """The text by which references find an id; None for a value that is no id."""
    if isinstance(value, str) and value.strip():
        return value.strip()
    return str(value) if integer_id(value) is not None else None
