"""Look up the lineage of one name in WoRMS, however the dataset spells it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fathomline.errors import InputError
from fathomline.lineages.spelling import key, spellings
from fathomline.lineages.worms import WormsClient, WormsRecord
from fathomline.taxonomy.lineage import Lineage, Node
from fathomline.taxonomy.ranks import Rank, rank_or_none

ORIGIN = "worms"
PREFERRED_KINGDOM = "Animalia"

_NUMBER = re.compile(r" \d+$")
"""FathomNet's service distinguishes homonyms by a number after the name."""


@dataclass(frozen=True)
class LookedUp:
    """What a source has on one concept."""

    lineage: Lineage
    notes: tuple[str, ...]
    """Remarks for the user: another spelling, a synonym, or a choice between homonyms."""


@dataclass(frozen=True)
class _Candidate:
    """One taxon that a name may refer to."""

    record: WormsRecord
    lineage: Lineage

    @property
    def is_animal(self) -> bool:
        return self.lineage.names.get(Rank.KINGDOM) == PREFERRED_KINGDOM


def look_up(concept: str, worms: WormsClient) -> LookedUp | None:
    """The lineage of a concept; None if WoRMS has it under none of its spellings.

    Among homonyms, animals come first, then accepted names, then the order of the service.

    Raises InputError if the ancestors that WoRMS gives do not form a lineage, Unreachable if it gives no usable answer.
    """
    for spelling in spellings(concept):
        candidates = [one for record in _records(spelling, worms) for one in _candidates(concept, record, worms)]
        if candidates:
            # Two records with the same path are one candidate. The sort is stable, so the service's order breaks ties.
            by_path: dict[tuple[Node, ...], _Candidate] = {}
            for candidate in candidates:
                by_path.setdefault(candidate.lineage.path, candidate)
            best, *others = sorted(by_path.values(), key=lambda one: (not one.is_animal, one.record.is_synonym))
            return LookedUp(best.lineage, tuple(_notes(concept, best, others)))
    return None


def _records(spelling: str, worms: WormsClient) -> list[WormsRecord]:
    """All records of this name, beginning with the one that the service itself prefers."""
    if not any(character.isalpha() for character in spelling):
        return []
    preferred = worms.info(spelling)
    homonyms = [record for record in worms.starting_with(spelling) if _same_name(record.name, spelling)]
    return list(dict.fromkeys([preferred, *homonyms] if preferred else homonyms))


def _same_name(name: str, spelling: str) -> bool:
    return key(_NUMBER.sub("", name)) == key(spelling)


def _candidates(concept: str, record: WormsRecord, worms: WormsClient) -> list[_Candidate]:
    """Follow a record to its accepted name and up to the root; empty if no ancestor has one of the seven ranks."""
    name, aphia_id = record.name, record.aphia_id
    if record.accepted_aphia_id is not None:
        # The service may lack the accepted name (extinct taxa). Then the synonym keeps its own place.
        accepted_name = worms.accepted_name(record.accepted_aphia_id)
        if accepted_name is not None:
            name, aphia_id = accepted_name, record.accepted_aphia_id
    lineages = [_lineage(concept, path) for path in _paths(name, aphia_id, worms)]
    return [_Candidate(record, lineage) for lineage in lineages if lineage is not None]


def _paths(name: str, aphia_id: int | None, worms: WormsClient) -> list[tuple[WormsRecord, ...]]:
    """The paths from the root to a taxon, found by its AphiaID, or else by its name."""
    paths = worms.paths(name)
    by_id: list[tuple[WormsRecord, ...]] = []
    by_name: list[tuple[WormsRecord, ...]] = []
    for path in paths:
        # From the end, so that a cycle stays in the path and is reported.
        for length in range(len(path), 0, -1):
            record = path[length - 1]
            if aphia_id is not None and record.aphia_id == aphia_id:
                by_id.append(path[:length])
                break
            if record.name == name:
                by_name.append(path[:length])
                break
    return list(dict.fromkeys(by_id or by_name or paths))


def _lineage(concept: str, path: Sequence[WormsRecord]) -> Lineage | None:
    """The lineage along a path from the root; None if no record has one of the seven ranks."""
    names: dict[Rank, str] = {}
    aphia_ids: dict[str, int] = {}
    seen: set[str] = set()
    for record in path:
        if record.name in seen:
            raise InputError(
                f"WoRMS: the ancestors of {concept!r} form a cycle: {record.name} is its own ancestor; give the "
                f"lineage of {concept!r} in the CSV of taxonomy.lineages"
            )
        seen.add(record.name)
        rank = rank_or_none(record.rank)
        if rank is None:
            continue
        if names and rank.depth <= list(names)[-1].depth:
            above = list(names)[-1]
            raise InputError(
                f"WoRMS: the ancestors of {concept!r} are out of order: the {rank} {record.name} is below the {above} "
                f"{names[above]}; give the lineage of {concept!r} in the CSV of taxonomy.lineages"
            )
        names[rank] = record.name
        if record.aphia_id is not None and record is not path[-1]:
            aphia_ids[record.name] = record.aphia_id
    leaf = path[-1]
    return Lineage(concept, leaf.name, leaf.rank, names, leaf.aphia_id, ORIGIN, aphia_ids) if names else None


def _notes(concept: str, best: _Candidate, others: list[_Candidate]) -> list[str]:
    notes = []
    name, accepted = best.record.name, best.lineage.accepted_name
    if name != concept and any(_same_name(name, spelling) for spelling in spellings(concept)):
        notes.append(f"{concept!r} is read as {name!r}")
    elif name != concept:
        notes.append(f"{concept!r} is another name of {name!r}")
    if accepted != name:
        notes.append(f"{name!r} is a synonym; WoRMS accepts {accepted!r}")
    elif best.record.is_synonym:
        notes.append(
            f"{name!r} is a synonym of a name that the service lacks (extinct, or not an animal); it remains {name!r}"
        )
    if others:
        not_chosen = "; ".join(_short_path(other) for other in others)
        notes.append(f"{concept!r} is the name of several taxa; using {_short_path(best)}, not {not_chosen}")
    return notes


def _short_path(candidate: _Candidate) -> str:
    path = [node.name for node in candidate.lineage.path]
    return " > ".join(path if len(path) <= 4 else [*path[:2], "…", *path[-2:]])
