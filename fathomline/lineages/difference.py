"""What a refreshed taxonomy changes: which lineages, rank by rank, and which distances."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fathomline.errors import InputError
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy

_SHOWN_DISTANCES = 20


def differences(before: Mapping[str, Lineage], after: Taxonomy) -> list[str]:
    """One line for each lineage that changed, then one for each distance that moved, the longest moves first.

    Args: before: the lineages that were in use, for any of the concepts of `after`.
    """
    changed = []
    lines = []
    for lineage in after.lineages:
        parts = list(_changes(before[lineage.concept], lineage)) if lineage.concept in before else []
        if parts:
            lines.append(f"{lineage.concept}: {'; '.join(parts)}")
            changed.append(lineage.concept)
    return [*lines, *_moves(before, after, changed)]


def _changes(before: Lineage, after: Lineage) -> Iterator[str]:
    pairs = [(rank.value, before.names.get(rank), after.names.get(rank)) for rank in RANKS]
    pairs.append(("accepted name", before.accepted_name, after.accepted_name))
    pairs.append(("own rank", before.rank, after.rank))
    # The snapshot has no AphiaIDs: gaining one is no change of what is known of the taxon's place.
    if before.aphia_id is not None:
        pairs.append(("AphiaID", before.aphia_id, after.aphia_id))
    for label, old, new in pairs:
        if old != new:
            yield f"{label} {old or 'none'} -> {new or 'none'}"


def _moves(before: Mapping[str, Lineage], after: Taxonomy, changed: Sequence[str]) -> Iterator[str]:
    """Only pairs with a changed lineage can move."""
    if not changed:
        return
    concepts = [concept for concept in after.concepts if concept in before]
    try:
        old = _distances(Taxonomy(before[concept] for concept in concepts), changed, concepts)
    except InputError as error:
        yield f"distances cannot be compared, since the lineages in use before were no tree: {error}"
        return
    new = _distances(after, changed, concepts)
    met_twice = set(changed)
    moved = [
        (concepts[column], changed[row], int(old[row, column]), int(new[row, column]))
        for row, column in np.argwhere(old != new)
        if not (concepts[column] in met_twice and concepts[column] < changed[row])
    ]
    moved.sort(key=lambda move: (-abs(move[3] - move[2]), move[1], move[0]))
    for concept, other, was, now in moved[:_SHOWN_DISTANCES]:
        yield f"distance {other} - {concept}: {was} -> {now}"
    if len(moved) > _SHOWN_DISTANCES:
        yield f"and {len(moved) - _SHOWN_DISTANCES} more distances"
    if not moved:
        yield "no distance between the concepts moved"


def _distances(taxonomy: Taxonomy, rows: Sequence[str], columns: Sequence[str]) -> np.ndarray:
    return taxonomy.distances([taxonomy.node(name) for name in rows], [taxonomy.node(name) for name in columns])
