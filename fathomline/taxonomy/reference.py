"""`cache/taxonomy_reference.json`: the resolved lineages, to be read by every later stage and edited by hand."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fathomline.errors import InputError, listing, shown
from fathomline.files import read_json, write_json
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy

ORIGINS = ("fgvc2025", "lineages", "worms")
_TEXTS = ("accepted_name", "rank", "origin")
_APHIA_IDS = 10**10
_REMEDY = "correct it, or delete the file and run `dvc repro`"
_KEYS = ("accepted_name", "rank", "aphia_id", *(rank.value for rank in RANKS), "origin")


def write_reference(taxonomy: Taxonomy, path: Path) -> None:
    """Write the taxonomy, concepts in alphabetical order: the same taxonomy gives the same bytes."""
    concepts = {lineage.concept: lineage_entry(lineage) for lineage in taxonomy.lineages}
    write_json({"hash": taxonomy.hash, "concepts": concepts}, path)


def read_reference(path: Path) -> Taxonomy:
    """Read a taxonomy; InputError when the file is malformed or was edited after its hash was taken."""
    content = _content(path)
    lineages = _lineages(content, path).values()
    try:
        taxonomy = Taxonomy(lineages)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if content["hash"] != taxonomy.hash:
        raise InputError(
            f"{path}: `hash` is {shown(content['hash'], 12)}, but its lineages give {taxonomy.hash[:12]}…: the file "
            "was edited; run `dvc repro` so that the taxonomy stage applies the edit"
        )
    return taxonomy


def read_lineages(path: Path) -> dict[str, Lineage]:
    """The lineages by concept, whatever the hash says: the resolver applies what was edited by hand."""
    return _lineages(_content(path), path)


def lineage_entry(lineage: Lineage) -> dict[str, Any]:
    """One concept as it is written: every key always there, null where the path skips a rank."""
    ranks = {rank.value: lineage.names.get(rank) for rank in RANKS}
    own = {"accepted_name": lineage.accepted_name, "rank": lineage.rank, "aphia_id": lineage.aphia_id}
    return own | ranks | {"origin": lineage.origin}


def entry_lineage(concept: str, entry: object, place: str) -> Lineage:
    """The lineage that an entry holds; InputError names `place`, the concept and the key at fault."""
    where = f"{place}: concept {shown(concept)}"
    if not isinstance(entry, Mapping):
        raise InputError(f"{where} is {shown(entry)}, expected the keys {', '.join(_KEYS)}; {_REMEDY}")
    missing = [key for key in _KEYS if key not in entry]
    strange = [key for key in entry if key not in _KEYS]
    if missing or strange:
        fault = f"lacks {listing(missing)}" if missing else f"has {listing(strange)}"
        raise InputError(f"{where} {fault}; expected the keys {', '.join(_KEYS)}; {_REMEDY}")
    for key, expected in _wrong_values(entry):
        raise InputError(f"{where}: `{key}` is {shown(entry[key])}, expected {expected}; {_REMEDY}")
    names = {rank: entry[rank.value] for rank in RANKS if entry[rank.value] is not None}
    try:
        return Lineage(concept, entry["accepted_name"], entry["rank"], names, entry["aphia_id"], entry["origin"])
    except InputError as error:
        raise InputError(f"{place}: {error}") from None


def _wrong_values(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The keys whose values are of another type than expected, each with what is."""
    for key in _TEXTS:
        if not isinstance(entry[key], str) or not entry[key]:
            yield key, "a text"
    for rank in RANKS:
        if entry[rank.value] is not None and not isinstance(entry[rank.value], str):
            yield rank.value, "a name or null"
    if entry["origin"] not in ORIGINS:
        yield "origin", f"one of {', '.join(ORIGINS)}"
    aphia_id = entry["aphia_id"]
    if aphia_id is not None and (type(aphia_id) is not int or not 1 <= aphia_id < _APHIA_IDS):
        yield "aphia_id", "a positive integer of at most 10 digits, or null"


def _content(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except InputError as error:
        raise InputError(f"{error}; {_REMEDY}") from None
    if not isinstance(content, dict) or set(content) != {"hash", "concepts"}:
        found = listing(content) if isinstance(content, dict) else shown(content)
        raise InputError(f"{path}: expected the keys hash and concepts, found {found or 'none'}; {_REMEDY}")
    if not isinstance(content["hash"], str):
        raise InputError(f"{path}: `hash` is {shown(content['hash'])}, expected a text; {_REMEDY}")
    if not isinstance(content["concepts"], dict) or not content["concepts"]:
        found = shown(content["concepts"])
        raise InputError(f"{path}: `concepts` is {found}, expected an object with one entry per concept; {_REMEDY}")
    return content


def _lineages(content: dict[str, Any], path: Path) -> dict[str, Lineage]:
    concepts = content["concepts"].items()
    return {concept: entry_lineage(concept, entry, str(path)) for concept, entry in concepts}
