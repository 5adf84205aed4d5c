"""From class probabilities to one taxon: by arg-max, by rank thresholds, or by the lowest expected distance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from scipy import sparse

from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy

DecoderName = Literal["argmax", "threshold", "risk"]
CandidateSet = Literal["labels", "tree"]
ROUNDING = 1e-9
"""Rounding error of sums of probabilities: masses and risks that differ by less count as equal."""

DECODERS: tuple[DecoderName, ...] = ("argmax", "threshold", "risk")


class Restriction(Protocol):
    """Limits what a decoder may answer."""

    def candidates(self, nodes: np.ndarray) -> np.ndarray:
        """The nodes that may be answered instead of `nodes`, (candidates,) int64 in any order, each once."""


@dataclass(frozen=True)
class Decoder:
    """Turns probabilities over `classes` into nodes of `taxonomy`. The mass of a node is their sum at or below it.

    Every decoder takes (rois, classes) probabilities and returns (rois,) int64 indices into `taxonomy.nodes`.
    """

    taxonomy: Taxonomy

    classes: Sequence[str]
    """The concepts in the order of the probabilities' columns."""

    candidates: CandidateSet
    """What may be answered: `labels`, the classes only, as in the competition; `tree`, any node."""

    thresholds: Mapping[str, float]
    """For `threshold`: by rank, the minimum mass for answering with a taxon of that rank."""

    restriction: Restriction | None = None
    """Limits what may be answered further; None if nothing does."""

    @cached_property
    def class_nodes(self) -> np.ndarray:
        """(classes,) int64, the node of each class."""
        return np.array([self.taxonomy.node(name) for name in self.classes], dtype=np.int64)

    @cached_property
    def candidate_nodes(self) -> np.ndarray:
        """(candidates,) int64, shallowest first, so that the first of several equally good ones is the shallowest."""
        nodes = np.arange(len(self.taxonomy.nodes)) if self.candidates == "tree" else np.unique(self.class_nodes)
        if self.restriction is not None:
            nodes = self.restriction.candidates(nodes)
        return nodes[np.argsort(self.taxonomy.depths[nodes], kind="stable")]

    def decode(self, name: DecoderName, probabilities: np.ndarray) -> np.ndarray:
        """Apply the decoder `name`."""
        return {"argmax": self.argmax, "threshold": self.threshold, "risk": self.risk}[name](probabilities)

    def argmax(self, probabilities: np.ndarray) -> np.ndarray:
        """The most probable class, or its lowest ancestor that may be answered."""
        return self._upward_paths[np.argmax(probabilities, axis=1), 0]

    def threshold(self, probabilities: np.ndarray) -> np.ndarray:
        """Climb from the most probable class to the first candidate whose mass reaches its rank's threshold.

        For a node whose rank is not one of the seven, the threshold is that of the next rank below its parent's. If no
        candidate on the path reaches its threshold, the answer is the one nearest to the root.
        """
        nodes, masses = self.climb(probabilities)
        by_depth = np.array([self.thresholds[rank] for rank in RANKS])
        steps = first_passing(masses, by_depth[self.threshold_depths[nodes]], nodes >= 0)
        return nodes[np.arange(len(nodes)), steps]

    def climb(self, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The candidates on the path from each ROI's most probable class up to its kingdom, and their masses.

        Returns: nodes (rois, steps) int64, -1 past the last; masses (rois, steps), 0 past the last.
        """
        nodes = self._upward_paths[np.argmax(probabilities, axis=1)]
        masses = np.take_along_axis(self.masses(probabilities), np.maximum(nodes, 0), axis=1)
        return nodes, np.where(nodes >= 0, masses, 0.0)

    @cached_property
    def _upward_paths(self) -> np.ndarray:
        """(classes, steps) int64, the candidates from each class up, then -1."""
        upward = np.full((len(self.classes), self.taxonomy.paths.shape[1]), -1, dtype=np.int64)
        allowed = set(self.candidate_nodes.tolist())
        for row, path in zip(upward, self.taxonomy.paths[self.class_nodes], strict=True):
            steps = [node for node in path[::-1].tolist() if node in allowed]
            row[: len(steps)] = steps
        return upward

    @cached_property
    def threshold_depths(self) -> np.ndarray:
        """(nodes,) int64, 0 to 6: the depth of the rank whose threshold applies to each node."""
        nodes = range(len(self.taxonomy.nodes))
        return np.array([self.taxonomy.threshold_rank(node).depth for node in nodes], dtype=np.int64)

    def masses(self, probabilities: np.ndarray) -> np.ndarray:
        """(rois, nodes), the summed probability of the classes at or below each node."""
        return (self._members @ probabilities.T).T

    @cached_property
    def _members(self) -> sparse.csr_array:
        """(nodes, classes) float64, 1 where a class is at or below a node: about seven per column."""
        return sparse.csr_array(self.taxonomy.membership(self.classes), dtype=np.float64)

    def mass_at_ranks(self, probabilities: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        """The mass of each answer's ancestor, or of the answer itself, at each of the seven ranks.

        Args: probabilities (rois, classes), nodes (rois,).
        Returns: (rois, 7) float64; NaN where the answer has no ancestor of that rank.
        """
        ancestors = self.taxonomy.ranked_ancestors[nodes]
        found = np.take_along_axis(self.masses(probabilities), np.maximum(ancestors, 0), axis=1)
        return np.where(ancestors >= 0, found, np.nan)

    def risk(self, probabilities: np.ndarray) -> np.ndarray:
        """The candidate with the lowest expected distance, Σ_c p(c)·D(candidate, c).

        Over the whole tree this is the deepest node with more than half of the mass (Ramaswamy, Tewari and Agarwal,
        ICML 2015), provided that a kingdom has that much: the root above the kingdoms is not a candidate.
        """
        risks = self.risks(probabilities)
        least = risks.min(axis=1, keepdims=True)
        return self.candidate_nodes[np.argmax(risks <= least + ROUNDING, axis=1)]

    def risks(self, probabilities: np.ndarray) -> np.ndarray:
        """(rois, candidates), the expected distance of each candidate, in edges.

        Computed without a matrix of distances, as E[depth of the truth] + depth of the candidate − 2 · (the sum of the
        masses on the path down to it). That sum is the expected number of nodes that the paths of the candidate and
        of the truth share.
        """
        depths = self.taxonomy.depths
        on_path = self.masses(probabilities)
        for depth in range(2, depths.max() + 1):
            nodes = np.flatnonzero(depths == depth)
            on_path[:, nodes] += on_path[:, self.taxonomy.parents[nodes]]
        expected_depth = probabilities @ depths[self.class_nodes]
        return expected_depth[:, None] + depths[self.candidate_nodes] - 2 * on_path[:, self.candidate_nodes]

    def names(self, nodes: np.ndarray | Sequence[int]) -> list[str]:
        """The name to answer for each of `nodes`: its first class's, or the node's own if it has no class."""
        names = [node.name for node in self.taxonomy.nodes]
        for name, node in zip(reversed(self.classes), reversed(self.class_nodes), strict=True):
            names[node] = name
        return [names[node] for node in nodes]


def first_passing(masses: np.ndarray, required: np.ndarray, present: np.ndarray) -> np.ndarray:
    """The first step of each climb whose mass reaches the required one; the last step if none does.

    Args: (rois, steps) each; present, whether the step exists. Each ROI has at least one step.
    Returns: (rois,) int64.
    """
    passing = (masses >= required - ROUNDING) & present
    return np.where(passing.any(axis=1), passing.argmax(axis=1), present.sum(axis=1) - 1)
