"""Resolve names to a taxonomy, from the user's CSV, an earlier run, the bundled snapshot and WoRMS."""

from collections import ChainMap, Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fathomline.config import section
from fathomline.errors import InputError, listing
from fathomline.lineages import fgvc2025, lineage_table, lookup
from fathomline.lineages.ask_worms import Answers, ask_worms
from fathomline.lineages.difference import differences
from fathomline.lineages.lookup import LookedUp
from fathomline.lineages.lookup_journal import LookupJournal
from fathomline.lineages.spelling import key, nearest, spellings, tidy
from fathomline.machine import MachineConfig
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.reference import read_lineages, write_reference
from fathomline.taxonomy.tree import Taxonomy


@section
class TaxonomyConfig:
    lineages: str | None = None
    """CSV `concept_name,aphia_id,rank,kingdom,…,species` with lineages of your own; it takes precedence over others."""

    offline: bool = False
    """Never use the network: a name that is in neither the CSV, the cache nor the snapshot stops the stage."""

    refresh: bool = False
    """Ask WoRMS again for every name that is not in the CSV, and print what changed."""

    def __post_init__(self) -> None:
        if self.offline and self.refresh:
            raise ValueError("`offline: true` and `refresh: true` exclude each other: refreshing asks WoRMS")


@dataclass(frozen=True)
class Resolution:
    """The result of `resolve`."""

    taxonomy: Taxonomy
    """Exactly the requested concepts."""

    notes: tuple[str, ...]
    """Remarks for the user, one line each: other spellings, synonyms, and choices between homonyms."""

    changes: tuple[str, ...]
    """With `refresh`, one line for each lineage and each distance that changed."""

    @property
    def origins(self) -> Counter[str]:
        """The number of concepts from each source: `fgvc2025`, `lineages`, `worms`."""
        return Counter(lineage.origin for lineage in self.taxonomy.lineages)


def resolve(
    concepts: Iterable[str],
    config: TaxonomyConfig,
    *,
    cached: Mapping[str, Lineage],
    worms_url: str | None,
    machine: MachineConfig | None = None,
    journal: LookupJournal | None = None,
) -> Resolution:
    """The taxonomy of exactly these concepts.

    Order of precedence: the user's CSV, the cache, the bundled snapshot, WoRMS. With `refresh`, WoRMS comes second.

    Args:
        cached: the lineages of an earlier run, possibly edited.
        worms_url: the service to ask; None for FATHOMNET_WORMS_API_URL or FathomNet's own.
        machine: how to connect to the service; None for the defaults.
        journal: what an interrupted run got from WoRMS; each further lineage is added to it.

    Raises InputError that lists all names that cannot be resolved, with suggestions.
    """
    names = _checked(concepts)
    known = _known(names, config, cached)
    local = known.findings
    answered = known.table if config.refresh else local
    asked = [name for name in names if name not in answered]
    answers = _ask(asked, config, worms_url, machine, known.names, journal)
    unknown = {name: similar for name, similar in answers.suggestions.items() if name not in local}
    if unknown:
        raise InputError(_refusal(unknown, config, worms_url))
    # Without `refresh`, WoRMS was asked only for names that no other source has, so its place does not matter.
    found = ChainMap(known.table, answers.findings, known.cache, known.snapshot)
    taxonomy = _tree([found[name].lineage for name in names])
    notes = [
        *(note for name in names for note in found[name].notes),
        *(f"WoRMS does not know {name!r}; keeping its previous lineage" for name in answers.suggestions),
        *_shared_nodes(taxonomy),
        *_disputed_aphia_ids(taxonomy),
    ]
    before = {name: finding.lineage for name, finding in local.items()}
    return Resolution(taxonomy, tuple(notes), tuple(differences(before, taxonomy) if config.refresh else ()))


def names_for_worms(
    concepts: Iterable[str], config: TaxonomyConfig, cached: Mapping[str, Lineage]
) -> dict[str, list[str]]:
    """The names that `resolve` would ask WoRMS for because no other source has them, each with similar known names.

    Raises InputError for a CSV that cannot be read.
    """
    names = _checked(concepts)
    known = _known(names, config, cached)
    return {name: nearest(name, known.names) for name in names if name not in known.findings}


def update_reference(
    concepts: Iterable[str],
    config: TaxonomyConfig,
    path: Path,
    *,
    worms_url: str | None,
    machine: MachineConfig | None = None,
) -> Resolution:
    """Resolve the concepts with the reference at `path` as the cache, and rewrite the reference.

    Each lineage from WoRMS is saved beside the reference as soon as it is known: a run that was interrupted resumes
    when run again, and writes the same file as a run without interruption. Raises InputError like `resolve`.
    """
    cached = read_lineages(path) if path.exists() else {}
    journal = LookupJournal(path.with_name(f"{path.stem}.journal"), f"{worms_url}, refresh: {config.refresh}")
    try:
        resolution = resolve(concepts, config, cached=cached, worms_url=worms_url, machine=machine, journal=journal)
        write_reference(resolution.taxonomy, path)
    finally:
        journal.close()
    journal.remove()
    return resolution


@dataclass(frozen=True)
class _Known:
    """What each source but WoRMS has on the requested names."""

    table: dict[str, LookedUp]
    cache: dict[str, LookedUp]
    snapshot: dict[str, LookedUp]
    names: frozenset[str]
    """All names that any of them has."""

    @property
    def findings(self) -> ChainMap[str, LookedUp]:
        """By name, from the first source that has it."""
        return ChainMap(self.table, self.cache, self.snapshot)


def _known(names: Sequence[str], config: TaxonomyConfig, cached: Mapping[str, Lineage]) -> _Known:
    rows = _table_rows(config.lineages)
    bundled = {lineage.concept: lineage for lineage in fgvc2025.lineages()}
    snapshot = matching(names, bundled)
    cache = _from_cache(names, cached, snapshot)
    kept = {name for name, lineage in cached.items() if lineage.origin != lineage_table.ORIGIN}
    return _Known(matching(names, rows), cache, snapshot, frozenset({*rows, *bundled, *kept}))


def _checked(concepts: Iterable[str]) -> list[str]:
    names = sorted(set(concepts))
    if not names:
        raise InputError("taxonomy: the datasets have no category; expected at least one")
    empty = [name for name in names if not tidy(name)]
    if empty:
        raise InputError(
            f"taxonomy: {len(empty)} category name(s) are empty: {listing(map(repr, empty))}; name these categories in "
            "the datasets"
        )
    return names


def _table_rows(path: str | None) -> dict[str, Lineage]:
    """The user's CSV by concept, with the AphiaIDs of ancestors that have rows of their own."""
    rows = lineage_table.read_lineage_table(Path(path)) if path is not None else {}
    own = {row.accepted_name: row.aphia_id for row in rows.values() if row.aphia_id is not None}
    return {
        concept: replace(row, ancestor_ids={node.name: own[node.name] for node in row.path[:-1] if node.name in own})
        for concept, row in rows.items()
    }


def matching(names: Sequence[str], lineages: Mapping[str, Lineage]) -> dict[str, LookedUp]:
    """What a table of lineages has under these names, in the same or another spelling."""
    by_key = {key(concept): lineage for concept, lineage in lineages.items()}
    found = {}
    for name in names:
        similar = [by_key[key(spelling)] for spelling in spellings(name) if key(spelling) in by_key]
        if name in lineages:
            found[name] = LookedUp(lineages[name], ())
        elif similar:
            found[name] = LookedUp(replace(similar[0], concept=name), (f"{name!r} is read as {similar[0].concept!r}",))
    return found


def _from_cache(
    names: Sequence[str], cached: Mapping[str, Lineage], snapshot: Mapping[str, LookedUp]
) -> dict[str, LookedUp]:
    found = {}
    for name in names:
        # Entries whose CSV row was removed are dropped.
        if name not in cached or cached[name].origin == lineage_table.ORIGIN:
            continue
        differs = name in snapshot and snapshot[name].lineage.path != cached[name].path
        note = f"{name!r}: the cache differs from the bundled lineage of FathomNet 2025; using the cache"
        found[name] = LookedUp(cached[name], (note,) if differs else ())
    return found


def _ask(
    names: Sequence[str],
    config: TaxonomyConfig,
    url: str | None,
    machine: MachineConfig | None,
    known: Collection[str],
    journal: LookupJournal | None,
) -> Answers:
    """What WoRMS, or the journal of an interrupted run, has on these names."""
    resumed = {name: journal.lineages[name] for name in names if journal is not None and name in journal.lineages}
    remaining = [name for name in names if name not in resumed]
    if not remaining or config.offline:
        answers = Answers(suggestions={name: nearest(name, known) for name in remaining})
    else:
        keep: Callable[[Lineage], object] = journal.add if journal is not None else lambda lineage: None
        answers = ask_worms(remaining, url, machine or MachineConfig(), known=known, keep=keep)
    return replace(answers, findings=_resumed_findings(resumed) | answers.findings)


def _resumed_findings(lineages: Mapping[str, Lineage]) -> dict[str, LookedUp]:
    """The journal has no notes, so a note says only what differs."""
    found = {}
    for name, lineage in lineages.items():
        note = f"{name!r} is resolved to {lineage.accepted_name!r}"
        found[name] = LookedUp(lineage, (note,) if name != lineage.accepted_name else ())
    return found


def _refusal(unknown: Mapping[str, Sequence[str]], config: TaxonomyConfig, url: str | None) -> str:
    service = f"WoRMS at {url}" if url else "WoRMS"
    cause = "taxonomy.offline is true, so WoRMS was not asked" if config.offline else f"{service} does not know them"
    lines = [f"taxonomy: {len(unknown)} name(s) cannot be resolved; {cause}:"]
    for name, similar in unknown.items():
        lines.append(f"  {name!r}" + (f": did you mean {' or '.join(map(repr, similar))}?" if similar else ""))
    lines.append(
        "correct the names in the dataset, or give their lineages in the CSV of taxonomy.lineages; `fathomline "
        "lineages` writes one to fill in"
    )
    return "\n".join(lines)


def _tree(lineages: Collection[Lineage]) -> Taxonomy:
    try:
        return Taxonomy(lineages)
    except InputError as error:
        if not {fgvc2025.ORIGIN, lookup.ORIGIN} <= {lineage.origin for lineage in lineages}:
            raise
        raise InputError(
            f"{error}. The bundled lineages of FathomNet 2025 may disagree with today's WoRMS: with taxonomy.refresh: "
            "true, all lineages come from WoRMS"
        ) from None


def _disputed_aphia_ids(taxonomy: Taxonomy) -> Iterator[str]:
    for name, ids in taxonomy.disputed_aphia_ids.items():
        given = listing(f"{aphia_id} in the lineage of {concept!r}" for aphia_id, concept in ids.items())
        yield f"{name!r} has more than one AphiaID: {given}; answers will give none for it"


def _shared_nodes(taxonomy: Taxonomy) -> Iterator[str]:
    concepts: dict[str, list[str]] = {}
    for lineage in taxonomy.lineages:
        concepts.setdefault(lineage.accepted_name, []).append(lineage.concept)
    for name, same in concepts.items():
        if len(same) > 1:
            yield f"{listing(map(repr, same))} are the same taxon, {name!r}: the distance between them is 0"
