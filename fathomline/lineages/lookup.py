"""One name -> its lineage in WoRMS, whatever way the dataset writes it."""

import re
from dataclasses import dataclass

from fathomline.errors import InputError
from fathomline.lineages.spelling import key, nearest, spellings, tidy
from fathomline.lineages.worms import Taxon, Unreachable, Worms
from fathomline.taxonomy.lineage import Lineage, Node
from fathomline.taxonomy.ranks import Rank, rank_or_none

ORIGIN = "worms"
HOME_KINGDOM = "Animalia"

_NUMBER = re.compile(r" \d+$")
"""FathomNet's service tells homonyms apart by a number after the name."""
_FRAGMENT = 4


@dataclass(frozen=True)
class Finding:
    """What WoRMS says of one concept."""

    lineage: Lineage
    notes: tuple[str, ...]
    """What the user should hear: spelling forgiven, synonym followed, homonym settled."""


@dataclass(frozen=True)
class _Reading:
    """One taxon that a name may stand for."""

    taxon: Taxon
    lineage: Lineage

    @property
    def at_home(self) -> bool:
        return self.lineage.names.get(Rank.KINGDOM) == HOME_KINGDOM


def look_up(concept: str, worms: Worms) -> Finding | None:
    """The lineage of a concept; None when WoRMS does not hold it under any spelling.

    Raises InputError when the ancestors that WoRMS gives are impossible, Unreachable when it does not answer.
    """
    for spelling in spellings(concept):
        readings = [one for taxon in _candidates(spelling, worms) for one in _readings(concept, taxon, worms)]
        if readings:
            # Two ways to one place are one reading; sorting keeps the service's own choice first among equals.
            found: dict[tuple[Node, ...], _Reading] = {}
            for reading in readings:
                found.setdefault(reading.lineage.path, reading)
            best, *others = sorted(found.values(), key=lambda one: (not one.at_home, one.taxon.is_synonym))
            return Finding(best.lineage, tuple(_notes(concept, best, others)))
    return None


def suggest(name: str, worms: Worms, known: list[str]) -> list[str]:
    """Names that `name` may be a misspelling of, from the service and from those known here; best first."""
    tidied = tidy(name)
    fragments = [tidied[:_FRAGMENT], tidied.split()[-1][-_FRAGMENT - 1 :]] if tidied else []
    try:
        asked = [*worms.names_starting_with(fragments[0]), *worms.names_containing(fragments[1])] if fragments else []
    except Unreachable:
        # A suggestion is a courtesy: the refusal of the name must not wait for it.
        asked = []
    return nearest(name, {*asked, *known})


def _candidates(spelling: str, worms: Worms) -> list[Taxon]:
    """Every taxon of that name, the one that the service itself would choose first."""
    if not any(character.isalpha() for character in spelling):
        return []
    chosen = worms.info(spelling)
    named = [taxon for taxon in worms.starting_with(spelling) if _same_name(taxon.name, spelling)]
    return list(dict.fromkeys([chosen, *named] if chosen else named))


def _same_name(name: str, spelling: str) -> bool:
    return key(_NUMBER.sub("", name)) == key(spelling)


def _readings(concept: str, taxon: Taxon, worms: Worms) -> list[_Reading]:
    """Follow a taxon to its accepted name and up to the root; none when it is nowhere among the seven ranks."""
    accepted, aphia_id = taxon.name, taxon.aphia_id
    if taxon.is_synonym:
        # The accepted name may be one that the service leaves out (extinct); then the synonym's own place is kept.
        accepted_name = worms.accepted_name(taxon.accepted_aphia_id)
        if accepted_name is not None:
            accepted, aphia_id = accepted_name, taxon.accepted_aphia_id
    lineages = [_lineage(concept, path) for path in _paths(accepted, aphia_id, worms)]
    return [_Reading(taxon, lineage) for lineage in lineages if lineage is not None]


def _paths(name: str, aphia_id: int | None, worms: Worms) -> list[tuple[Taxon, ...]]:
    """The ways from the root to a taxon: by its AphiaID where that is found, else by its name."""
    paths = worms.paths(name)
    exact, alike = {}, {}
    for path in paths:
        # From the end, so that a taxon above itself stays in sight.
        for length in range(len(path), 0, -1):
            taxon = path[length - 1]
            if aphia_id is not None and taxon.aphia_id == aphia_id:
                exact[path[:length]] = None
                break
            if taxon.name == name:
                alike[path[:length]] = None
                break
    return list(exact or alike or paths)


def _lineage(concept: str, path: tuple[Taxon, ...]) -> Lineage | None:
    """The lineage along a path from the root; None without a single one of the seven ranks."""
    names: dict[Rank, str] = {}
    seen: set[str] = set()
    for taxon in path:
        if taxon.name in seen:
            raise InputError(f"WoRMS: the ancestors of {concept!r} form a cycle: {taxon.name} is above itself")
        seen.add(taxon.name)
        rank = rank_or_none(taxon.rank)
        if rank is None:
            continue
        if names and rank.depth <= list(names)[-1].depth:
            above = list(names)[-1]
            raise InputError(
                f"WoRMS: the ancestors of {concept!r} are in an impossible order: the {rank} {taxon.name} is below the "
                f"{above} {names[above]}; give its lineage in the CSV of taxonomy.lineages"
            )
        names[rank] = taxon.name
    leaf = path[-1]
    return Lineage(concept, leaf.name, leaf.rank, names, leaf.aphia_id, ORIGIN) if names else None


def _notes(concept: str, best: _Reading, others: list[_Reading]) -> list[str]:
    notes = []
    name, accepted = best.taxon.name, best.lineage.accepted_name
    if name != concept and any(_same_name(name, spelling) for spelling in spellings(concept)):
        notes.append(f"{concept!r} is read as {name!r}")
    elif name != concept:
        notes.append(f"{concept!r} is another name of {name!r}")
    if accepted != name:
        notes.append(f"{name!r} is a synonym; WoRMS accepts {accepted!r}")
    elif best.taxon.is_synonym:
        notes.append(
            f"{name!r} is a synonym of a name that the service lacks (extinct, or no animal); it stays {name!r}"
        )
    if others:
        elsewhere = "; ".join(_place(other) for other in others)
        notes.append(f"{concept!r} is the name of several taxa: taken is {_place(best)}, not {elsewhere}")
    return notes


def _place(reading: _Reading) -> str:
    path = [node.name for node in reading.lineage.path]
    return " > ".join(path if len(path) <= 4 else [*path[:2], "…", *path[-2:]])
