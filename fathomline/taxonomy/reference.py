"""`cache/taxonomy_reference.json`: the resolved lineages, to be read by every later stage and edited by hand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fathomline.errors import InputError, listing
from fathomline.files import read_json, write_json
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy

ORIGINS = ("fgvc2025", "lineages", "worms")
_TEXTS = ("accepted_name", "rank", "origin")
_KEYS = ("accepted_name", "rank", "aphia_id", *(rank.value for rank in RANKS), "origin")


def write_reference(taxonomy: Taxonomy, path: Path) -> None:
    """Write the taxonomy, concepts in alphabetical order: the same taxonomy gives the same bytes."""
    concepts = {lineage.concept: lineage_entry(lineage) for lineage in taxonomy.lineages}
    write_json({"hash": taxonomy.hash, "concepts": concepts}, path)


def read_reference(path: Path) -> Taxonomy:
    """Read a taxonomy; InputError when the file is malformed or was edited after its hash was taken."""
    content = _content(path)
    taxonomy = Taxonomy(_lineages(content, path).values())
    if content["hash"] != taxonomy.hash:
        raise InputError(
            f"{path}: `hash` is {str(content['hash'])[:12]}…, but its lineages give {taxonomy.hash[:12]}…: the file "
            "was edited; run `dvc repro` so that the taxonomy stage takes the edit in"
        )
    return taxonomy


def read_lineages(path: Path) -> dict[str, Lineage]:
    """The lineages by concept, whatever the hash says: how the resolver takes in what was edited by hand."""
    return _lineages(_content(path), path)


def lineage_entry(lineage: Lineage) -> dict[str, Any]:
    """One concept as it is written: every key always there, null where the path skips a rank."""
    ranks = {rank.value: lineage.names.get(rank) for rank in RANKS}
    own = {"accepted_name": lineage.accepted_name, "rank": lineage.rank, "aphia_id": lineage.aphia_id}
    return own | ranks | {"origin": lineage.origin}


def entry_lineage(concept: str, entry: object, place: str) -> Lineage:
    """The lineage that an entry holds; InputError names `place`, the concept and the key at fault."""
    where = f"{place}: concept {concept!r}"
    if not isinstance(entry, Mapping):
        raise InputError(f"{where} is {entry!r}, expected the keys {', '.join(_KEYS)}")
    missing = [key for key in _KEYS if key not in entry]
    strange = [key for key in entry if key not in _KEYS]
    if missing or strange:
        fault = f"lacks {listing(missing)}" if missing else f"has {listing(strange)}"
        raise InputError(f"{where} {fault}; expected the keys {', '.join(_KEYS)}")
    for key in _TEXTS:
        if not isinstance(entry[key], str) or not entry[key]:
            raise InputError(f"{where}: `{key}` is {entry[key]!r}, expected a text")
    for rank in RANKS:
        if entry[rank.value] is not None and not isinstance(entry[rank.value], str):
            raise InputError(f"{where}: `{rank}` is {entry[rank.value]!r}, expected a name or null")
    if entry["origin"] not in ORIGINS:
        raise InputError(f"{where}: `origin` is {entry['origin']!r}, expected one of {', '.join(ORIGINS)}")
    aphia_id = entry["aphia_id"]
    if aphia_id is not None and (type(aphia_id) is not int or aphia_id < 1):
        raise InputError(f"{where}: `aphia_id` is {aphia_id!r}, expected a positive integer or null")
    names = {rank: entry[rank.value] for rank in RANKS if entry[rank.value] is not None}
    try:
        return Lineage(concept, entry["accepted_name"], entry["rank"], names, aphia_id, entry["origin"])
    except InputError as error:
        raise InputError(f"{place}: {error}") from None


def _content(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict) or set(content) != {"hash", "concepts"}:
        found = listing(content) if isinstance(content, dict) else type(content).__name__
        raise InputError(f"{path}: expected the keys hash and concepts, found {found}; delete it and run `dvc repro`")
    if not isinstance(content["concepts"], dict) or not content["concepts"]:
        raise InputError(f"{path}: `concepts` is empty or no mapping; expected one entry a concept")
    return content


def _lineages(content: dict[str, Any], path: Path) -> dict[str, Lineage]:
    concepts = content["concepts"].items()
    return {concept: entry_lineage(concept, entry, str(path)) for concept, entry in concepts}
