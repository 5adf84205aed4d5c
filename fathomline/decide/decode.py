"""From class probabilities to one taxon: arg-max, the seed's thresholds, or the least expected distance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy

DecoderName = Literal["argmax", "threshold", "risk"]
CandidateSet = Literal["labels", "tree"]
DECODERS: tuple[DecoderName, ...] = ("argmax", "threshold", "risk")


@dataclass(frozen=True)
class Decoder:
    """Turns probabilities over `classes` into nodes of `taxonomy`.

    Every decoder takes (rois, classes) probabilities and returns (rois,) int64 indices into `taxonomy.nodes`.
    """

    taxonomy: Taxonomy

    classes: Sequence[str]
    """The concepts in the order of the probabilities' columns."""

    candidates: CandidateSet
    """What may be answered: `labels`, the classes only, as a competition asks; `tree`, any node."""

    thresholds: Mapping[str, float]
    """For `threshold`: by rank, the least mass that a taxon of that rank must hold to be answered."""

    @cached_property
    def class_nodes(self) -> np.ndarray:
        """(classes,) int64, the node of each class."""
        return np.array([self.taxonomy.node(name) for name in self.classes], dtype=np.int64)

    @cached_property
    def candidate_nodes(self) -> np.ndarray:
        """(candidates,) int64, ascending, so ancestors before descendants: the first of equals is the shallowest."""
        if self.candidates == "tree":
            return np.arange(len(self.taxonomy.nodes))
        return np.unique(self.class_nodes)

    def decode(self, name: DecoderName, probabilities: np.ndarray) -> np.ndarray:
        """Apply the decoder `name`."""
        return {"argmax": self.argmax, "threshold": self.threshold, "risk": self.risk}[name](probabilities)

    def argmax(self, probabilities: np.ndarray) -> np.ndarray:
        """The most probable class."""
        return self.class_nodes[np.argmax(probabilities, axis=1)]

    def threshold(self, probabilities: np.ndarray) -> np.ndarray:
        """Climb from the most probable class to the first candidate whose mass reaches its rank's threshold.

        The mass of a node is the summed probability of the classes at or below it. A node between the seven ranks
        is held to the threshold of the next rank below its parent's. Where no candidate on the path reaches its
        threshold, the answer is the one nearest to the root.
        """
        chosen = self.argmax(probabilities)
        masses = probabilities @ self.taxonomy.membership(self.classes).T.astype(probabilities.dtype)
        required = np.full(len(self.taxonomy.nodes), np.inf)
        required[self.candidate_nodes] = [
            self.thresholds[self.taxonomy.threshold_rank(node)] for node in self.candidate_nodes
        ]
        rows = np.arange(len(chosen))
        current, settled = chosen.copy(), np.zeros(len(chosen), dtype=bool)
        for _ in range(self.taxonomy.paths.shape[1]):
            is_candidate = np.isfinite(required[current]) & ~settled
            chosen[is_candidate] = current[is_candidate]
            settled |= masses[rows, current] >= required[current]
            parents = self.taxonomy.parents[current]
            current = np.where(settled | (parents < 0), current, parents)
        return chosen

    def risk(self, probabilities: np.ndarray) -> np.ndarray:
        """The candidate with the least expected distance, Σ_c p(c)·D(candidate, c).

        Over the whole tree this is the deepest node that holds more than half of the mass (Ramaswamy, Tewari and
        Agarwal, ICML 2015).
        """
        return self.candidate_nodes[np.argmin(self.risks(probabilities), axis=1)]

    def risks(self, probabilities: np.ndarray) -> np.ndarray:
        """(rois, candidates), the expected distance of each candidate, in edges."""
        distances = self.taxonomy.distances(self.class_nodes, self.candidate_nodes)
        return probabilities @ distances.astype(probabilities.dtype)

    def names(self, nodes: np.ndarray) -> list[str]:
        """What to write for each of `nodes`: the class that stands there, else the node's own name."""
        written = [node.name for node in self.taxonomy.nodes]
        for name, node in zip(reversed(self.classes), reversed(self.class_nodes), strict=True):
            written[node] = name
        return [written[node] for node in nodes]


def mass_at_ranks(taxonomy: Taxonomy, classes: Sequence[str], probabilities: np.ndarray, nodes: np.ndarray):
    """The mass of the ancestor of each answer, or itself, at each of the seven ranks.

    Args: probabilities (rois, classes), nodes (rois,).
    Returns: (rois, 7) float64; NaN where the answer has no ancestor of that rank.
    """
    masses = probabilities @ taxonomy.membership(classes).T.astype(probabilities.dtype)
    ancestors = taxonomy.ranked_ancestors[nodes]
    found = np.take_along_axis(masses, np.maximum(ancestors, 0), axis=1).reshape(len(nodes), len(RANKS))
    return np.where(ancestors >= 0, found, np.nan)
