"""The training loss: cross-entropy, the expected hierarchical distance, and cross-entropy at each rank."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fathomline.taxonomy.ranks import Rank
from fathomline.taxonomy.tree import Taxonomy
from fathomline.train.config import TrainConfig

LEAST_MASS = 1e-20
"""Minimum to which a taxon's probability mass is raised before its logarithm is taken: the loss stays finite."""


class LossParts(NamedTuple):
    """Means over a batch: the weighted sum that training minimises, and its unweighted parts."""

    total: Tensor
    cross_entropy: Tensor
    expected_distance: Tensor
    rank_cross_entropy: Tensor
    entropy: Tensor
    """Entropy of the probabilities, in nats. Not part of the sum."""


class HierarchicalLoss(nn.Module):
    """cross_entropy · CE(p, q) + expected_distance · Σ_y q(y) Σ_c p(c)·D(c, y) + rank_cross_entropy · R(p, q).

    p is the softmax of the logits; q is the truth: one class, or a distribution over classes where mixup blends two.

    The second term is the expected distance of an answer drawn from p. It is linear in p, so its optimum puts all
    probability on one class: a large weight makes p more confident than the data justify.

    R averages over the truth's ranks below kingdom. At each rank it is −log of the probability mass of the truth's
    taxon, which is the summed probability of the classes at or below that taxon. Unlike the expected distance it is a
    proper scoring rule: its optimum is the true probability of each taxon. A rank at which all classes share one taxon
    adds 0.
    """

    distances: Tensor
    """(classes, classes), steps on the tree"""
    members: Tensor
    """(classes, taxa), 1 where a class is at or below a taxon"""
    taxa_of_class: Tensor
    """(classes, taxa), `members` with rows that sum to 1"""
    class_weights: Tensor
    """(classes,)"""

    def __init__(self, taxonomy: Taxonomy, class_nodes: np.ndarray, counts: np.ndarray, config: TrainConfig) -> None:
        """Args: class_nodes (classes,) int64, the node of each class; counts (classes,), training ROIs per class."""
        super().__init__()
        self.config = config
        self._register("distances", taxonomy.distances(class_nodes, class_nodes))
        ancestors = taxonomy.ranked_ancestors[class_nodes, Rank.PHYLUM.depth :]
        taxa = np.unique(ancestors[ancestors >= 0])
        members = (ancestors[:, :, None] == taxa).any(axis=1)
        self._register("members", members)
        self._register("taxa_of_class", members / np.maximum(members.sum(axis=1, keepdims=True), 1))
        # Normalised so that the mean weight of a training ROI is 1.
        weights = np.maximum(counts, 1) ** -config.loss.class_balance
        self._register("class_weights", weights * counts.sum() / max((weights * counts).sum(), 1e-12))

    def _register(self, name: str, values: np.ndarray) -> None:
        self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32), persistent=False)

    def forward(self, logits: Tensor, truth: Tensor) -> LossParts:
        """Four means and the entropy.

        Args: logits (rois, classes) float; truth (rois,) int64, or (rois, classes) float for distributions.
        """
        logits, config = logits.float(), self.config.loss
        probabilities = logits.softmax(dim=1)
        per_roi = functional.cross_entropy(logits, truth, reduction="none", label_smoothing=config.label_smoothing)
        distance_per_roi = (probabilities * _select(self.distances, truth)).sum(dim=1)
        masses = (probabilities @ self.members).clamp_min(LEAST_MASS)
        rank_per_roi = -(_select(self.taxa_of_class, truth) * masses.log()).sum(dim=1)
        weights = _select(self.class_weights, truth)
        cross_entropy = (weights * per_roi).mean()
        expected_distance = (weights * distance_per_roi).mean()
        rank_cross_entropy = (weights * rank_per_roi).mean()
        return LossParts(
            total=config.cross_entropy * cross_entropy
            + config.expected_distance * expected_distance
            + config.rank_cross_entropy * rank_cross_entropy,
            cross_entropy=cross_entropy,
            expected_distance=expected_distance,
            rank_cross_entropy=rank_cross_entropy,
            entropy=-(probabilities * logits.log_softmax(dim=1)).sum(dim=1).mean().detach(),
        )


def _select(table: Tensor, truth: Tensor) -> Tensor:
    """The row of `table` (classes, …) for each truth, or the mean of rows weighted by the truth's distribution."""
    return table[truth] if truth.dim() == 1 else truth @ table
