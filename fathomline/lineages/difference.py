"""What refreshing a taxonomy changes: lineages, rank by rank, and distances."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fathomline.errors import InputError
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy

_SHOWN_DISTANCES = 20


class _ChangedDistance(NamedTuple):
    concept: str
    other: str
    before: int
    after: int


def differences(before: Mapping[str, Lineage], after: Taxonomy) -> list[str]:
    """One line for each changed lineage, then one for each changed distance, beginning with the largest changes.

    Args: before: the previous lineages, by concept; concepts of `after` may be missing.
    """
    changed = []
    lines = []
    for lineage in after.lineages:
        parts = list(_changes(before[lineage.concept], lineage)) if lineage.concept in before else []
        if parts:
            lines.append(f"{lineage.concept}: {'; '.join(parts)}")
            changed.append(lineage.concept)
    return [*lines, *_distance_lines(before, after, changed)]


def _changes(before: Lineage, after: Lineage) -> Iterator[str]:
    values: list[tuple[str, object, object]] = [
        (rank.value, before.names.get(rank), after.names.get(rank)) for rank in RANKS
    ]
    values.append(("accepted name", before.accepted_name, after.accepted_name))
    values.append(("own rank", before.rank, after.rank))
    # The snapshot has no AphiaIDs: gaining one says nothing new about the taxon's place.
    if before.aphia_id is not None:
        values.append(("AphiaID", before.aphia_id, after.aphia_id))
    for label, old, new in values:
        if old != new:
            yield f"{label} {old or 'none'} -> {new or 'none'}"


def _distance_lines(before: Mapping[str, Lineage], after: Taxonomy, changed: Sequence[str]) -> Iterator[str]:
    if not changed:
        return
    concepts = [concept for concept in after.concepts if concept in before]
    try:
        previous = Taxonomy(before[concept] for concept in concepts)
    except InputError as error:
        yield f"distances cannot be compared, because the previous lineages do not form a tree: {error}"
        return
    distances = _changed_distances(previous, after, changed, concepts)
    for one in distances[:_SHOWN_DISTANCES]:
        yield f"distance {one.concept} - {one.other}: {one.before} -> {one.after}"
    if len(distances) > _SHOWN_DISTANCES:
        yield f"and {len(distances) - _SHOWN_DISTANCES} more distances"
    if not distances:
        yield "no distance between concepts changed"


def _changed_distances(
    before: Taxonomy, after: Taxonomy, changed: Sequence[str], concepts: Sequence[str]
) -> list[_ChangedDistance]:
    """Each changed distance once, largest changes first. Only pairs with a changed lineage need comparing."""
    old, new = (_distances(taxonomy, changed, concepts) for taxonomy in (before, after))
    in_rows = set(changed)
    distances = [
        _ChangedDistance(changed[row], concepts[column], int(old[row, column]), int(new[row, column]))
        for row, column in np.argwhere(old != new)
        if not (concepts[column] in in_rows and concepts[column] < changed[row])
    ]
    return sorted(distances, key=lambda one: (-abs(one.after - one.before), one.concept, one.other))


def _distances(taxonomy: Taxonomy, rows: Sequence[str], columns: Sequence[str]) -> np.ndarray:
    return taxonomy.distances([taxonomy.node(name) for name in rows], [taxonomy.node(name) for name in columns])
