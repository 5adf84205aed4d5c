"""The tree that lineages form, and distances in it."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np

from fathomline.errors import InputError, listing
from fathomline.taxonomy.aphia_ids import gather_aphia_ids
from fathomline.taxonomy.lineage import Lineage, Node
from fathomline.taxonomy.ranks import RANKS, Rank

UNKNOWN_DISTANCE = 12
"""The competition's distance for a name that its reference lacks. Two species in different phyla are as far apart."""

_BLOCK_ROWS = 32


class Taxonomy:
    """A tree whose nodes are taxa, and whose concepts are the names that a dataset uses for some of them.

    The distance between two taxa is the number of edges from one up to their lowest common ancestor and down to the
    other. All kingdoms share a root that is not a node, so taxa of different kingdoms have a distance, too.

    Raises InputError for lineages that do not form a tree: one name at two places, one concept with two lineages, or a
    synonym that is also the name of another taxon.
    """

    def __init__(self, lineages: Iterable[Lineage]) -> None:
        self.lineages: tuple[Lineage, ...] = tuple(sorted(lineages, key=lambda lineage: lineage.concept))
        self.concepts: tuple[str, ...] = tuple(lineage.concept for lineage in self.lineages)
        self._refuse_repeated_concepts()
        self.nodes: tuple[Node, ...]
        """All nodes; parents come before their children."""
        self.parents: np.ndarray
        """(nodes,) int64, the index of each node's parent; -1 for a kingdom."""
        self.nodes, self.parents = _build(self.lineages)
        self._index = {node.name: index for index, node in enumerate(self.nodes)}
        self.concept_nodes = np.array([self._index[lineage.path[-1].name] for lineage in self.lineages], dtype=np.int64)
        """(concepts,) int64, the node of each concept, in the order of `concepts`."""
        self._refuse_ambiguous_synonyms()
        ids = gather_aphia_ids(self.lineages)
        self.aphia_ids: tuple[int | None, ...] = tuple(ids.known.get(node.name) for node in self.nodes)
        """The AphiaID of each node; None if no lineage gives it, or if lineages contradict each other."""
        self.disputed_aphia_ids: dict[str, dict[int, str]] = ids.disputed
        """By the name of a node, the AphiaIDs that contradict each other, each with a concept whose lineage has it."""
        self._by_name = self._index | dict(zip(self.concepts, self.concept_nodes.tolist(), strict=True))

    def _refuse_repeated_concepts(self) -> None:
        repeated = sorted({name for name, following in pairwise(self.concepts) if name == following})
        if repeated:
            raise InputError(f"taxonomy: {len(repeated)} concept(s) have more than one lineage: {listing(repeated)}")

    def _refuse_ambiguous_synonyms(self) -> None:
        """A concept that is a synonym must not be the name of another taxon in the tree."""
        for concept, node in zip(self.concepts, self.concept_nodes.tolist(), strict=True):
            if self._index.get(concept, node) != node:
                raise InputError(
                    f"taxonomy: the concept {concept} is a synonym of {self.nodes[node].name}, but the tree has "
                    f"another taxon named {concept}; give either a different lineage in the CSV of taxonomy.lineages"
                )

    def node(self, name: str) -> int:
        """The index of the node with this name, a concept or an accepted name; KeyError if there is none."""
        return self._by_name[name]

    def holds(self, name: str) -> bool:
        """Whether `name` is a concept or the accepted name of a node."""
        return name in self._by_name

    def lineage(self, concept: str) -> Lineage:
        """The lineage of a concept; KeyError if `concept` is not one."""
        return self.lineages[self._concept_rows[concept]]

    @cached_property
    def _concept_rows(self) -> dict[str, int]:
        return {concept: row for row, concept in enumerate(self.concepts)}

    @cached_property
    def paths(self) -> np.ndarray:
        """(nodes, depth of the tree) int64: each node's ancestors from the kingdom down, the node itself, then -1."""
        depth = self.depths
        paths = np.full((len(self.nodes), depth.max()), -1, dtype=np.int64)
        for index, parent in enumerate(self.parents):
            if parent >= 0:
                paths[index] = paths[parent]
            paths[index, depth[index] - 1] = index
        return paths

    @cached_property
    def depths(self) -> np.ndarray:
        """(nodes,) int64, the number of nodes from the kingdom down to each node; 1 for a kingdom."""
        depths = np.zeros(len(self.nodes), dtype=np.int64)
        for index, parent in enumerate(self.parents):
            depths[index] = 1 if parent < 0 else depths[parent] + 1
        return depths

    def distances(self, rows: Sequence[int] | np.ndarray, columns: Sequence[int] | np.ndarray) -> np.ndarray:
        """Distances from each node of `rows` to each node of `columns`.

        Args: indices into `nodes`, in any order; they may repeat.
        Returns: (rows, columns) int16, in edges.
        """
        rows, columns = np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
        row_paths, column_paths = self.paths[rows].astype(np.int32), self.paths[columns].astype(np.int32).T
        column_paths[column_paths < 0] = -2  # the padding of two short paths is not a common ancestor
        depths = self.depths.astype(np.int16)
        result = np.add.outer(depths[rows], depths[columns])
        # Small blocks of rows fit the processor's cache: 5,000 x 50,000 pairs take seconds and little extra memory.
        for start in range(0, len(rows), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            common = np.zeros(result[block].shape, dtype=np.int8)
            for level, ancestors in enumerate(column_paths):
                common += row_paths[block, level, None] == ancestors
            result[block] -= 2 * common
        return result

    def row_distances(self, truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        """The distance between each ROI's truth and its prediction.

        Args: truth, prediction: (rois,) indices into `nodes`.
        Returns: (rois,) int64, in edges. Their mean is the mean hierarchical distance (MHD).
        """
        left, right = self.paths[truth], self.paths[prediction]
        shared = ((left == right) & (left >= 0)).sum(axis=1)
        return self.depths[truth] + self.depths[prediction] - 2 * shared

    def distance(self, name: str, other: str) -> int:
        """Edges between two names; 12, by the competition's rule, if the tree lacks either name."""
        if not (self.holds(name) and self.holds(other)):
            return UNKNOWN_DISTANCE
        return int(self.distances([self.node(name)], [self.node(other)])[0, 0])

    def membership(self, concepts: Sequence[str] | None = None) -> np.ndarray:
        """Which concepts are at or below each node.

        Args: concepts: names of concepts; None for all, in the order of `self.concepts`.
        Returns: (nodes, concepts) bool.
        """
        nodes = self.concept_nodes if concepts is None else [self.node(name) for name in concepts]
        columns = np.array(nodes, dtype=np.int64)
        members = np.zeros((len(self.nodes), len(columns)), dtype=bool)
        for level in self.paths[columns].T:
            present = level >= 0
            members[level[present], np.flatnonzero(present)] = True
        return members

    @cached_property
    def ranked_ancestors(self) -> np.ndarray:
        """(nodes, 7) int64: each node's ancestor, or itself, at each of the seven ranks; -1 at a skipped rank."""
        ancestors = np.full((len(self.nodes), len(RANKS)), -1, dtype=np.int64)
        for index, (node, parent) in enumerate(zip(self.nodes, self.parents, strict=True)):
            if parent >= 0:
                ancestors[index] = ancestors[parent]
            if node.rank is not None:
                ancestors[index, node.rank.depth] = index
        return ancestors

    @cached_property
    def rank_names(self) -> tuple[str, ...]:
        """The rank of each node; of one between the seven, the rank that its lineage gives, such as infraorder."""
        between = {node: lineage.rank for node, lineage in zip(self.concept_nodes.tolist(), self.lineages, strict=True)}
        return tuple(str(between[place] if node.rank is None else node.rank) for place, node in enumerate(self.nodes))

    def threshold_rank(self, node: int) -> Rank:
        """The rank whose threshold applies to a node: its own; for an intermediate rank, the one below its parent's."""
        return self.nodes[node].rank or self.nodes[self.parents[node]].rank.below

    @cached_property
    def hash(self) -> str:
        """SHA-256, in hexadecimal, of all that the metric depends on: the concepts, and the names and ranks on their
        paths."""
        content = [
            [lineage.concept, *(f"{node.rank or ''}:{node.name}" for node in lineage.path)] for lineage in self.lineages
        ]
        return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


def _build(lineages: Sequence[Lineage]) -> tuple[tuple[Node, ...], np.ndarray]:
    """The nodes, ordered by their paths, and the index of each one's parent.

    Raises InputError if a name has two places. The result therefore has each name once.
    """
    paths: dict[str, tuple[Node, ...]] = {}
    concepts: dict[str, str] = {}
    for lineage in lineages:
        for length in range(1, len(lineage.path) + 1):
            path = lineage.path[:length]
            name = path[-1].name
            known = paths.setdefault(name, path)
            if known != path:
                raise InputError(
                    f"taxonomy: {name} has two places in the tree, expected one: {_joined(known)} (in the lineage of "
                    f"{concepts[name]}) and {_joined(path)} (in the lineage of {lineage.concept}); correct either "
                    "lineage in the CSV of taxonomy.lineages or in cache/taxonomy_reference.json"
                )
            concepts.setdefault(name, lineage.concept)
    ordered = sorted(paths.values(), key=lambda path: [(node.rank or "~", node.name) for node in path])
    index = {path[-1].name: position for position, path in enumerate(ordered)}
    parents = [index[path[-2].name] if len(path) > 1 else -1 for path in ordered]
    return tuple(path[-1] for path in ordered), np.array(parents, dtype=np.int64)


def _joined(path: Sequence[Node]) -> str:
    return " > ".join(node.name for node in path)
