"""`cache/taxonomy_reference.json`: the resolved lineages. Every later stage reads it, and users may edit it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fathomline.errors import InputError, listing, shown
from fathomline.files import read_json, write_json
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy

ORIGINS = ("fgvc2025", "lineages", "worms")
_STRING_KEYS = ("accepted_name", "rank", "origin")
_APHIA_ID_LIMIT = 10**10
_REMEDY = "correct it, or delete the file and run `dvc repro`"
_KEYS = ("accepted_name", "rank", "aphia_id", *(rank.value for rank in RANKS), "origin")
_ANCESTOR_IDS = "ancestor_ids"
"""An optional key: files of earlier versions lack it, and so does an entry that knows none."""


def write_reference(taxonomy: Taxonomy, path: Path) -> None:
    """Write the taxonomy with its concepts in alphabetical order; equal taxonomies give equal bytes."""
    concepts = {lineage.concept: lineage_entry(lineage) for lineage in taxonomy.lineages}
    write_json({"hash": taxonomy.hash, "concepts": concepts}, path)


def read_reference(path: Path) -> Taxonomy:
    """Read a taxonomy; InputError if the file is malformed, or was edited since the taxonomy stage wrote it."""
    content = _content(path)
    lineages = _lineages(content, path).values()
    try:
        taxonomy = Taxonomy(lineages)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if content["hash"] != taxonomy.hash:
        raise InputError(
            f"{path}: `hash` is {shown(content['hash'], 12)}, but its lineages hash to {taxonomy.hash[:12]}…: the "
            "file was edited; run `dvc repro` so that the taxonomy stage applies the edit"
        )
    return taxonomy


def read_lineages(path: Path) -> dict[str, Lineage]:
    """Read the lineages by concept, ignoring the hash: this is how manual edits enter the taxonomy."""
    return _lineages(_content(path), path)


def lineage_entry(lineage: Lineage) -> dict[str, Any]:
    """The JSON object of one lineage, with null for each rank that the path skips.

    It has `ancestor_ids`, AphiaIDs by the names of ancestors, only if it knows any.
    """
    ranks = {rank.value: lineage.names.get(rank) for rank in RANKS}
    own = {"accepted_name": lineage.accepted_name, "rank": lineage.rank, "aphia_id": lineage.aphia_id}
    known = lineage.ancestor_ids
    ids = {name: known[name] for name in lineage.names.values() if name in known and name != lineage.accepted_name}
    return own | ranks | {"origin": lineage.origin} | ({_ANCESTOR_IDS: ids} if ids else {})


def entry_lineage(concept: str, entry: object, place: str) -> Lineage:
    """Read the JSON object of one lineage.

    Args: place: the file, for error messages.
    Raises InputError naming `place`, the concept and the faulty key.
    """
    where = f"{place}: concept {shown(concept)}"
    if not isinstance(entry, Mapping):
        raise InputError(f"{where} is {shown(entry)}, expected the keys {', '.join(_KEYS)}; {_REMEDY}")
    missing = [key for key in _KEYS if key not in entry]
    unexpected = [key for key in entry if key not in (*_KEYS, _ANCESTOR_IDS)]
    if missing or unexpected:
        fault = f"lacks {listing(missing)}" if missing else f"has the unknown key(s) {listing(unexpected)}"
        raise InputError(f"{where} {fault}; expected the keys {', '.join(_KEYS)}; {_REMEDY}")
    invalid = next(_invalid_values(entry), None)
    if invalid is not None:
        key, expected = invalid
        raise InputError(f"{where}: `{key}` is {shown(entry[key])}, expected {expected}; {_REMEDY}")
    names = {rank: entry[rank.value] for rank in RANKS if entry[rank.value] is not None}
    ids = dict(entry.get(_ANCESTOR_IDS, {}))
    try:
        return Lineage(concept, entry["accepted_name"], entry["rank"], names, entry["aphia_id"], entry["origin"], ids)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None


def _invalid_values(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each key with an invalid value, and what was expected."""
    for key in _STRING_KEYS:
        if not isinstance(entry[key], str) or not entry[key]:
            yield key, "a string"
    for rank in RANKS:
        if entry[rank.value] is not None and not isinstance(entry[rank.value], str):
            yield rank.value, "a name or null"
    if entry["origin"] not in ORIGINS:
        yield "origin", f"one of {', '.join(ORIGINS)}"
    if entry["aphia_id"] is not None and not _is_aphia_id(entry["aphia_id"]):
        yield "aphia_id", "a positive integer of at most 10 digits, or null"
    ids = entry.get(_ANCESTOR_IDS, {})
    if not isinstance(ids, Mapping) or not all(map(_is_aphia_id, ids.values())):
        yield _ANCESTOR_IDS, "an object that gives the AphiaID, a positive integer, of each of some ancestors"


def _is_aphia_id(value: object) -> bool:
    return type(value) is int and 1 <= value < _APHIA_ID_LIMIT


def _content(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except InputError as error:
        raise InputError(f"{error}; {_REMEDY}") from None
    if not isinstance(content, dict) or set(content) != {"hash", "concepts"}:
        found = listing(content) if isinstance(content, dict) else shown(content)
        raise InputError(f"{path}: expected the keys hash and concepts, found {found or 'none'}; {_REMEDY}")
    if not isinstance(content["hash"], str):
        raise InputError(f"{path}: `hash` is {shown(content['hash'])}, expected a string; {_REMEDY}")
    if not isinstance(content["concepts"], dict) or not content["concepts"]:
        found = shown(content["concepts"])
        raise InputError(f"{path}: `concepts` is {found}, expected an object with one entry per concept; {_REMEDY}")
    return content


def _lineages(content: dict[str, Any], path: Path) -> dict[str, Lineage]:
    concepts = content["concepts"].items()
    return {concept: entry_lineage(concept, entry, str(path)) for concept, entry in concepts}
