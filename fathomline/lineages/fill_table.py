"""Fill a table of lineages with what is known, for the user to complete."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from fathomline.errors import InputError
from fathomline.lineages import fgvc2025
from fathomline.lineages.ask_worms import Answers, WormsUnreachable, ask_worms
from fathomline.lineages.lineage_table import contradictions, read_lineage_table
from fathomline.lineages.lookup import LookedUp
from fathomline.lineages.resolve import matching
from fathomline.lineages.spelling import nearest
from fathomline.machine import MachineConfig
from fathomline.taxonomy.lineage import Lineage


@dataclass(frozen=True)
class FilledTable:
    """The result of `fill`."""

    lineages: Mapping[str, Lineage | None]
    """By concept, in alphabetical order; None for a name that nothing knows, or that could not be looked up."""

    suggestions: Mapping[str, Collection[str]]
    """For each name without a lineage, names that it may be a misspelling of, best first."""

    notes: tuple[str, ...]
    """For the user, one line each: other spellings, synonyms, rows that contradict each other, and WoRMS's failure."""


def fill(
    concepts: Collection[str],
    table: Path | None,
    *,
    offline: bool,
    worms_url: str | None = None,
    machine: MachineConfig | None = None,
) -> FilledTable:
    """What the user's CSV, the bundled snapshot and WoRMS know about each concept; the first that has a name decides.

    If WoRMS cannot be used, the names that it alone may know stay without a lineage, with a note.

    Args:
        table: the user's CSV; rows in which only the name is filled in count as unknown.
        offline: never use the network.
        worms_url, machine: as for `resolve`.
    Raises InputError for a CSV that cannot be read.
    """
    names = sorted(concepts)
    rows = read_lineage_table(table, skip_unfilled=True) if table is not None else {}
    bundled = {lineage.concept: lineage for lineage in fgvc2025.lineages()}
    found = matching(names, bundled) | matching(names, rows)
    missing, known, notes = [name for name in names if name not in found], {*rows, *bundled}, []
    if missing and not offline:
        answers, failure = _asked(missing, worms_url, machine or MachineConfig(), known)
        found |= answers.findings
        notes = [failure] if failure else []
    else:
        answers = Answers()
    # Their lineages are known even if WoRMS cannot be asked, but only WoRMS has their AphiaIDs.
    found = matching(names, _ancestors()) | found
    unknown = [name for name in names if name not in found]
    suggestions = {name: answers.suggestions.get(name) or nearest(name, known) for name in unknown}
    lineages = {name: found[name].lineage if name in found else None for name in names}
    notes += [note for name in names if name in found for note in found[name].notes]
    return FilledTable(lineages, suggestions, (*notes, *_contradictions(lineages)))


def _ancestors() -> dict[str, Lineage]:
    """The taxa above the concepts of the snapshot, by name."""
    found: dict[str, Lineage] = {}
    for below in fgvc2025.lineages():
        for rank, name in below.names.items():
            names = {each: above for each, above in below.names.items() if each.depth <= rank.depth}
            found.setdefault(name, Lineage(name, name, str(rank), names, origin=fgvc2025.ORIGIN))
    return found


def _asked(names: list[str], url: str | None, machine: MachineConfig, known: Collection[str]) -> tuple[Answers, str]:
    """What WoRMS knows, even if it fails before all names are looked up; and why it failed, empty if it did not."""
    so_far: dict[str, LookedUp] = {}

    def keep(lineage: Lineage) -> None:
        note = f"{lineage.concept!r} is resolved to {lineage.accepted_name!r}"
        so_far[lineage.concept] = LookedUp(lineage, (note,) if lineage.concept != lineage.accepted_name else ())

    try:
        return ask_worms(names, url, machine, known=known, keep=keep), ""
    except WormsUnreachable as error:
        failure = f"WoRMS at {error.url} gave no usable answer: {error.cause}"
    except InputError as error:
        failure = str(error)
    left = len(names) - len(so_far)
    return Answers(so_far), f"{failure}; {left} of {len(names)} names were not looked up"


def _contradictions(lineages: Mapping[str, Lineage | None]) -> list[str]:
    filled = {name: lineage for name, lineage in lineages.items() if lineage is not None}
    numbers = {name: number for number, name in enumerate(lineages, start=2)}
    fault = "the table contradicts itself, and taxonomy.lineages will refuse it until it is corrected"
    return [f"{fault}: {line}" for line in contradictions(filled, numbers)]
