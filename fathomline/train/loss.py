"""What training minimises: cross-entropy, the expected hierarchical distance, and cross-entropy at each rank."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fathomline.taxonomy.ranks import Rank
from fathomline.taxonomy.tree import Taxonomy
from fathomline.train.config import TrainConfig

LEAST_MASS = 1e-20
"""Below this the logarithm of a taxon's mass is cut off: far from what float32 holds, and no mistake needs more."""


class LossParts(NamedTuple):
    """Means over a batch: the weighted sum that is minimised, and its parts without their weights."""

    total: Tensor
    cross_entropy: Tensor
    expected_distance: Tensor
    rank_cross_entropy: Tensor
    entropy: Tensor
    """Of the probabilities, in nats: how unsure they are. Not minimised."""


class HierarchicalLoss(nn.Module):
    """cross_entropy · CE(p, q) + expected_distance · Σ_y q(y) Σ_c p(c)·D(c, y) + rank_cross_entropy · R(p, q).

    p is the softmax of the logits, q the truth: a class, or a distribution over classes where mixup mixes two.

    The expected distance is that of an answer drawn from p. It is linear in p, so its optimum is a vertex: a large
    weight sharpens p beyond what the data say.

    R is, for each truth, the mean over its ranks below kingdom of −log of the mass that p gives its taxon of that
    rank, the summed probability of the classes at or below it. Unlike the expected distance it is a proper score:
    its optimum is the true probability of each taxon. A rank at which all classes share one taxon costs nothing.
    """

    def __init__(self, taxonomy: Taxonomy, class_nodes: np.ndarray, counts: np.ndarray, config: TrainConfig) -> None:
        """class_nodes (classes,) int64, the node of each class; counts (classes,), its training ROIs."""
        super().__init__()
        self.config = config
        self._keep("distances", taxonomy.distances(class_nodes, class_nodes))
        ancestors = taxonomy.ranked_ancestors[class_nodes, Rank.PHYLUM.depth :]
        taxa = np.unique(ancestors[ancestors >= 0])
        above = (ancestors[:, :, None] == taxa).any(axis=1)
        self._keep("members", above)
        self._keep("taxa_of_class", above / np.maximum(above.sum(axis=1, keepdims=True), 1))
        # As rare as a class is, so much its ROIs weigh; their mean weight is 1.
        weights = np.maximum(counts, 1) ** -config.loss.class_balance
        self._keep("class_weights", weights * counts.sum() / max((weights * counts).sum(), 1e-12))

    def _keep(self, name: str, values: np.ndarray) -> None:
        self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32), persistent=False)

    def forward(self, logits: Tensor, truth: Tensor) -> LossParts:
        """logits (rois, classes) float; truth (rois,) int64 or (rois, classes) float -> four scalars."""
        logits, config = logits.float(), self.config
        probabilities = logits.softmax(dim=1)
        smoothing = {"reduction": "none", "label_smoothing": config.loss.label_smoothing}
        cross_entropy = functional.cross_entropy(logits, truth, **smoothing)
        expected_distance = (probabilities * _of_truth(self.distances, truth)).sum(dim=1)
        masses = (probabilities @ self.members).clamp_min(LEAST_MASS)
        rank_cross_entropy = -(_of_truth(self.taxa_of_class, truth) * masses.log()).sum(dim=1)
        weights = _of_truth(self.class_weights, truth)
        parts = [(weights * part).mean() for part in (cross_entropy, expected_distance, rank_cross_entropy)]
        entropy = -(probabilities * logits.log_softmax(dim=1)).sum(dim=1).mean().detach()
        factors = (config.loss.cross_entropy, config.loss.expected_distance, config.loss.rank_cross_entropy)
        total = sum(factor * part for factor, part in zip(factors, parts, strict=True))
        return LossParts(total, *parts, entropy)


def _of_truth(table: Tensor, truth: Tensor) -> Tensor:
    """The row of a table over classes that belongs to each truth; a mixture of rows where the truth is one."""
    return table[truth] if truth.dim() == 1 else truth @ table
