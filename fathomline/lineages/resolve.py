"""Names -> a taxonomy: the user's CSV, then the cache, then the bundled snapshot, then WoRMS."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from annotated_types import Gt, Interval

from fathomline.config import section
from fathomline.errors import InputError, listing
from fathomline.lineages import fgvc2025
from fathomline.lineages.answers import Answers
from fathomline.lineages.difference import differences
from fathomline.lineages.journal import Journal
from fathomline.lineages.lineage_table import ORIGIN as TABLE_ORIGIN
from fathomline.lineages.lineage_table import read_lineage_table
from fathomline.lineages.spelling import key, nearest, spellings, tidy
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.reference import read_lineages, write_reference
from fathomline.taxonomy.tree import Taxonomy


@section
class TaxonomyConfig:
    lineages: str | None = None
    """CSV `concept_name,aphia_id,rank,kingdom,…,species` for names that are the user's own or not to be asked of
    WoRMS; it comes before every other source."""

    offline: bool = False
    """Never touch the network: names that neither the CSV, the cache nor the snapshot has stop the stage."""

    refresh: bool = False
    """Ask WoRMS again for every name that the CSV lacks, and print what changed."""

    workers: Annotated[int, Interval(ge=1, le=32)] = 8
    """Names looked up at once."""

    timeout: Annotated[float, Gt(0)] = 30.0
    """Seconds without an answer after which a request counts as failed."""

    retries: Annotated[int, Interval(ge=0, le=20)] = 5
    """How often a failed request is sent again, with growing pauses."""

    def __post_init__(self) -> None:
        if self.offline and self.refresh:
            raise ValueError("`offline: true` and `refresh: true` exclude each other: refreshing asks WoRMS")


@dataclass(frozen=True)
class Resolution:
    """What `resolve` found, and what the user should hear of it."""

    taxonomy: Taxonomy
    """Exactly the concepts that were asked for."""

    notes: tuple[str, ...]
    """One line each: synonyms followed, spellings forgiven, homonyms settled."""

    changes: tuple[str, ...]
    """With `refresh`, one line each: which lineage changed, and which distances moved."""

    @property
    def origins(self) -> Counter[str]:
        """How many concepts came from where: `fgvc2025`, `lineages`, `worms`."""
        return Counter(lineage.origin for lineage in self.taxonomy.lineages)


def resolve(
    concepts: Iterable[str],
    config: TaxonomyConfig,
    *,
    cached: Mapping[str, Lineage],
    worms_url: str | None,
    kept: Mapping[str, Lineage] | None = None,
    keep: Callable[[Lineage], None] | None = None,
) -> Resolution:
    """The taxonomy of exactly these concepts.

    Args:
        cached: the lineages of an earlier run, edited by hand or not.
        worms_url: the service to ask; None for the one of FathomNet or of FATHOMNET_WORMS_API_URL.
        kept: what an interrupted run had got from WoRMS.
        keep: called with each lineage from WoRMS as soon as it is known.

    Raises InputError once for all names that cannot be resolved, each with the nearest suggestions.
    """
    asked = _checked(concepts)
    table = read_lineage_table(Path(config.lineages)) if config.lineages is not None else {}
    own, own_notes = _matching(asked, table)
    others = [name for name in asked if name not in own]
    local, local_notes = _local(others, cached)
    settled = {} if config.refresh else local
    resumed = {name: kept[name] for name in others if kept and name in kept and name not in settled}
    wanted = [name for name in others if name not in settled and name not in resumed]
    known = {*table, *(lineage.concept for lineage in fgvc2025.lineages()), *cached}
    answers = _ask(wanted, config, worms_url, known, keep)
    unknown = {name: near for name, near in answers.suggestions.items() if name not in local}
    if unknown:
        raise InputError(_refusal(unknown, config, worms_url))

    found = local | resumed | answers.lineages | own
    taxonomy = _grown(found.values())
    notes = [
        *own_notes,
        *(note for name, note in local_notes.items() if found[name] is local.get(name)),
        *(f"{name!r} is taken as {one.accepted_name!r}" for name, one in resumed.items() if name != one.accepted_name),
        *answers.notes,
        *(f"WoRMS does not know {name!r}; its lineage stays as it was" for name in answers.suggestions),
        *_shared_places(taxonomy),
    ]
    changes = differences(local | own, taxonomy) if config.refresh else []
    return Resolution(taxonomy, tuple(notes), tuple(changes))


def update_reference(
    concepts: Iterable[str], config: TaxonomyConfig, path: Path, *, worms_url: str | None
) -> Resolution:
    """Resolve the concepts, taking what the reference at `path` holds, and write the reference anew.

    What WoRMS says is kept beside the reference at once, so that a run that was stopped at any moment, run again,
    goes on where it was and ends in the same file.
    """
    cached = read_lineages(path) if path.exists() else {}
    journal = Journal(path.with_name(f"{path.stem}.journal"), f"{worms_url}, refresh: {config.refresh}")
    try:
        resolution = resolve(
            concepts, config, cached=cached, worms_url=worms_url, kept=journal.lineages, keep=journal.keep
        )
        write_reference(resolution.taxonomy, path)
    finally:
        journal.close()
    journal.remove()
    return resolution


def _checked(concepts: Iterable[str]) -> list[str]:
    asked = sorted(set(concepts))
    if not asked:
        raise InputError("taxonomy: there is no category to resolve; expected at least one name")
    empty = [name for name in asked if not tidy(name)]
    if empty:
        raise InputError(f"taxonomy: a category has an empty name ({listing(map(repr, empty))}); give it one")
    return asked


def _matching(names: Sequence[str], table: Mapping[str, Lineage]) -> tuple[dict[str, Lineage], list[str]]:
    """The lineages that a table holds under these names, in any spelling, and a note for each that was forgiven."""
    by_key = {key(concept): lineage for concept, lineage in table.items()}
    found, notes = {}, []
    for name in names:
        near = [by_key[key(spelling)] for spelling in spellings(name) if key(spelling) in by_key]
        if name in table:
            found[name] = table[name]
        elif near:
            found[name] = replace(near[0], concept=name)
            notes.append(f"{name!r} is read as {near[0].concept!r}")
    return found, notes


def _local(names: Sequence[str], cached: Mapping[str, Lineage]) -> tuple[dict[str, Lineage], dict[str, str]]:
    """What the cache, and after it the snapshot, says of these names; a note by name where they differ."""
    snapshot, _ = _matching(names, {lineage.concept: lineage for lineage in fgvc2025.lineages()})
    # Entries whose CSV row was removed are dropped.
    remembered = {name: cached[name] for name in names if name in cached and cached[name].origin != TABLE_ORIGIN}
    notes = {}
    for name, lineage in snapshot.items():
        accepted = lineage.accepted_name
        if name in remembered and remembered[name].path != lineage.path:
            notes[name] = f"{name!r}: the cache differs from the bundled lineage of FathomNet 2025, and is taken"
        elif name not in remembered and name != accepted:
            notes[name] = f"{name!r} is read as {accepted!r}"
    return snapshot | remembered, notes


def _ask(
    names: Sequence[str],
    config: TaxonomyConfig,
    url: str | None,
    known: Collection[str],
    keep: Callable[[Lineage], None] | None,
) -> Answers:
    if not names or config.offline:
        return Answers(suggestions={name: nearest(name, known) for name in names})
    # The client takes a quarter of a second to import, which a run without questions should not pay.
    from fathomline.lineages.inquiry import ask_worms

    patience = {"workers": config.workers, "timeout": config.timeout, "retries": config.retries}
    return ask_worms(names, url, known=known, keep=keep or (lambda lineage: None), **patience)


def _refusal(unknown: Mapping[str, Sequence[str]], config: TaxonomyConfig, url: str | None) -> str:
    service = f"WoRMS at {url}" if url else "WoRMS"
    cause = "taxonomy.offline is true, so WoRMS was not asked for" if config.offline else f"{service} does not know"
    lines = [f"taxonomy: {len(unknown)} name(s) cannot be resolved; {cause}"]
    for name, near in unknown.items():
        lines.append(f"  {name!r}" + (f": did you mean {' or '.join(map(repr, near))}?" if near else ""))
    lines.append("correct the names in the dataset, or give their lineages in the CSV of taxonomy.lineages")
    return "\n".join(lines)


def _grown(lineages: Collection[Lineage]) -> Taxonomy:
    try:
        return Taxonomy(lineages)
    except InputError as error:
        if not {fgvc2025.ORIGIN, "worms"} <= {lineage.origin for lineage in lineages}:
            raise
        raise InputError(
            f"{error}. The bundled lineages of FathomNet 2025 and today's WoRMS may disagree: taxonomy.refresh: true "
            "takes every name from WoRMS"
        ) from None


def _shared_places(taxonomy: Taxonomy) -> Iterator[str]:
    concepts: dict[str, list[str]] = {}
    for lineage in taxonomy.lineages:
        concepts.setdefault(lineage.accepted_name, []).append(lineage.concept)
    for name, same in concepts.items():
        if len(same) > 1:
            yield f"{listing(map(repr, same))} are one taxon, {name!r}: confusing them costs nothing"
