"""The AphiaID of each node, from what the lineages say of their concepts and of these concepts' ancestors."""

from collections.abc import Iterable
from dataclasses import dataclass

from fathomline.taxonomy.lineage import Lineage


@dataclass(frozen=True)
class AphiaIds:
    """AphiaIDs by the name of a node, which is unique in a tree."""

    known: dict[str, int]

    disputed: dict[str, dict[int, str]]
    """Nodes to which lineages give different AphiaIDs: each AphiaID, with the first concept whose lineage gives it."""


def gather_aphia_ids(lineages: Iterable[Lineage]) -> AphiaIds:
    """The AphiaIDs of the nodes of `lineages`.

    A concept's own AphiaID takes precedence over those that the lineages of its descendants give for it: only a concept
    has a row in the user's CSV, and so can be corrected by hand. Of AphiaIDs that contradict each other, none is used.
    """
    own: dict[str, dict[int, str]] = {}
    of_ancestors: dict[str, dict[int, str]] = {}
    for lineage in lineages:
        if lineage.aphia_id is not None:
            own.setdefault(lineage.path[-1].name, {}).setdefault(lineage.aphia_id, lineage.concept)
        for name, aphia_id in lineage.ancestor_ids.items():
            of_ancestors.setdefault(name, {}).setdefault(aphia_id, lineage.concept)
    stated = of_ancestors | own
    return AphiaIds(
        known={name: next(iter(ids)) for name, ids in stated.items() if len(ids) == 1},
        disputed={name: ids for name, ids in stated.items() if len(ids) > 1},
    )
