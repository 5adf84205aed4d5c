"""The tree that lineages span, and the distances on it."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np

from fathomline.errors import InputError, listing
from fathomline.taxonomy.lineage import Lineage, Node
from fathomline.taxonomy.ranks import RANKS, Rank

UNKNOWN_DISTANCE = 12
"""What the competition charges for a name that its reference does not hold: two species in different phyla."""

_ROWS_AT_ONCE = 32


class Taxonomy:
    """A tree over named concepts.

    The distance of two taxa is the number of edges from one up to their lowest common ancestor and down to the
    other. Kingdoms share a root that is no node, so that a tree of several kingdoms has distances too.

    Raises InputError for lineages that no tree can hold: one name with two parents or at two places, or one concept
    with two lineages.
    """

    def __init__(self, lineages: Iterable[Lineage]) -> None:
        self.lineages: tuple[Lineage, ...] = tuple(sorted(lineages, key=lambda lineage: lineage.concept))
        self.concepts: tuple[str, ...] = tuple(lineage.concept for lineage in self.lineages)
        self._refuse_repeated_concepts()
        self.nodes: tuple[Node, ...]
        """Every node, parents before their children."""
        self.parents: np.ndarray
        """(nodes,) int64, index of each node's parent, -1 for a kingdom."""
        self.nodes, self.parents = _grow(self.lineages)
        self._index = {node.name: index for index, node in enumerate(self.nodes)}
        """Names are unique in the tree: `_grow` sees to it."""
        self.concept_nodes = np.array([self._index[lineage.path[-1].name] for lineage in self.lineages], dtype=np.int64)
        """(concepts,) int64, the node of each concept, in the order of `concepts`."""
        self._refuse_two_meanings()
        self._by_name = self._index | dict(zip(self.concepts, self.concept_nodes.tolist(), strict=True))

    def _refuse_repeated_concepts(self) -> None:
        repeated = sorted({name for name, following in pairwise(self.concepts) if name == following})
        if repeated:
            raise InputError(f"taxonomy: {len(repeated)} concept(s) have more than one lineage: {listing(repeated)}")

    def _refuse_two_meanings(self) -> None:
        """A concept that is a synonym must not be written like another taxon of the tree."""
        for concept, node in zip(self.concepts, self.concept_nodes.tolist(), strict=True):
            if self._index.get(concept, node) != node:
                raise InputError(
                    f"taxonomy: the concept {concept} is taken as {self.nodes[node].name}, but another taxon of the "
                    f"tree is named {concept}; give one of them another lineage in taxonomy.lineages"
                )

    def node(self, name: str) -> int:
        """Index of the node of a concept or of a taxon's accepted name; KeyError when the tree does not hold it."""
        return self._by_name[name]

    def holds(self, name: str) -> bool:
        return name in self._by_name

    def lineage(self, concept: str) -> Lineage:
        """The lineage of a concept; KeyError when it is none."""
        return self.lineages[self._concept_rows[concept]]

    @cached_property
    def _concept_rows(self) -> dict[str, int]:
        return {concept: row for row, concept in enumerate(self.concepts)}

    @cached_property
    def paths(self) -> np.ndarray:
        """(nodes, deepest) int64, each node's ancestors from kingdom down to itself, then -1."""
        depth = self.depths
        paths = np.full((len(self.nodes), depth.max()), -1, dtype=np.int64)
        for index, parent in enumerate(self.parents):
            if parent >= 0:
                paths[index] = paths[parent]
            paths[index, depth[index] - 1] = index
        return paths

    @cached_property
    def depths(self) -> np.ndarray:
        """(nodes,) int64, the number of nodes from kingdom down to each node; 1 for a kingdom."""
        depths = np.zeros(len(self.nodes), dtype=np.int64)
        for index, parent in enumerate(self.parents):
            depths[index] = 1 if parent < 0 else depths[parent] + 1
        return depths

    def distances(self, rows: Sequence[int] | np.ndarray, columns: Sequence[int] | np.ndarray) -> np.ndarray:
        """Distances between two choices of nodes.

        Args: indices into `nodes`, in any order, repeated or not.
        Returns: (rows, columns) int16, in edges.
        """
        rows, columns = np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
        row_paths, column_paths = self.paths[rows].astype(np.int32), self.paths[columns].astype(np.int32).T
        column_paths[column_paths < 0] = -2  # the ends of two short paths are no common ancestor
        depths = self.depths.astype(np.int16)
        result = np.add.outer(depths[rows], depths[columns])
        # A few rows at a time stay in the processor's cache: 5,000 x 50,000 pairs take seconds and little memory.
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            block = slice(start, start + _ROWS_AT_ONCE)
            common = np.zeros(result[block].shape, dtype=np.int8)
            for level, ancestors in enumerate(column_paths):
                common += row_paths[block, level, None] == ancestors
            result[block] -= 2 * common
        return result

    def row_distances(self, truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        """Distance of each prediction from its truth.

        Args: truth and prediction (rois,) indices into `nodes`.
        Returns: (rois,) int64, in edges. Their mean is the mean hierarchical distance (MHD).
        """
        left, right = self.paths[truth], self.paths[prediction]
        shared = ((left == right) & (left >= 0)).sum(axis=1)
        return self.depths[truth] + self.depths[prediction] - 2 * shared

    def distance(self, name: str, other: str) -> int:
        """Edges between two names; 12, by the competition's rule, when the tree does not hold one of them."""
        if not (self.holds(name) and self.holds(other)):
            return UNKNOWN_DISTANCE
        return int(self.distances([self.node(name)], [self.node(other)])[0, 0])

    def membership(self, concepts: Sequence[str] | None = None) -> np.ndarray:
        """Which concepts lie at or below which node.

        Args: names of concepts; None for all, in the order of `concepts`.
        Returns: (nodes, concepts) bool.
        """
        nodes = self.concept_nodes if concepts is None else [self.node(name) for name in concepts]
        chosen = np.array(nodes, dtype=np.int64)
        members = np.zeros((len(self.nodes), len(chosen)), dtype=bool)
        for level in self.paths[chosen].T:
            present = level >= 0
            members[level[present], np.flatnonzero(present)] = True
        return members

    @cached_property
    def ranked_ancestors(self) -> np.ndarray:
        """(nodes, 7) int64: the ancestor of each node, or itself, at each of the seven ranks; -1 where none."""
        ancestors = np.full((len(self.nodes), len(RANKS)), -1, dtype=np.int64)
        for index, (node, parent) in enumerate(zip(self.nodes, self.parents, strict=True)):
            if parent >= 0:
                ancestors[index] = ancestors[parent]
            if node.rank is not None:
                ancestors[index, node.rank.depth] = index
        return ancestors

    def threshold_rank(self, node: int) -> Rank:
        """The rank at which a node stands: its own, or for one between the ranks the next below its parent's."""
        return self.nodes[node].rank or self.nodes[self.parents[node]].rank.below

    @cached_property
    def hash(self) -> str:
        """SHA-256, in hexadecimal, of what the metric depends on: the concepts and the ranked names on their paths, and
        nothing else."""
        content = [
            [lineage.concept, *(f"{node.rank or ''}:{node.name}" for node in lineage.path)] for lineage in self.lineages
        ]
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


def _grow(lineages: Sequence[Lineage]) -> tuple[tuple[Node, ...], np.ndarray]:
    """Nodes in the order of their paths, and each one's parent; InputError when two paths contradict each other."""
    paths: dict[str, tuple[Node, ...]] = {}
    owners: dict[str, str] = {}
    for lineage in lineages:
        for length in range(1, len(lineage.path) + 1):
            path = lineage.path[:length]
            name = path[-1].name
            known = paths.setdefault(name, path)
            if known != path:
                raise InputError(
                    f"taxonomy: {name} stands at two places: {_written(known)} (by {owners[name]}) and "
                    f"{_written(path)} (by {lineage.concept}); a tree holds a name once, so correct one of the two "
                    "lineages in taxonomy.lineages or cache/taxonomy_reference.json"
                )
            owners.setdefault(name, lineage.concept)
    ordered = sorted(paths.values(), key=lambda path: [(node.rank or "~", node.name) for node in path])
    index = {path[-1].name: position for position, path in enumerate(ordered)}
    parents = [index[path[-2].name] if len(path) > 1 else -1 for path in ordered]
    return tuple(path[-1] for path in ordered), np.array(parents, dtype=np.int64)


def _written(path: Sequence[Node]) -> str:
    return " > ".join(node.name for node in path)
