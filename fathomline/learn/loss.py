"""Cross-entropy and the expected hierarchical distance."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


class LossParts(NamedTuple):
    """Means over a batch: the weighted sum that is minimised, and its parts without their weights."""

    total: Tensor
    cross_entropy: Tensor
    expected_distance: Tensor


class HierarchicalLoss(nn.Module):
    """cross_entropy · CE(p, y) + expected_distance · Σ_c p(c)·D(c, y), with p the softmax of the logits.

    The second term is the expected tree distance of an answer drawn from p. It is linear in p, so its optimum is a
    vertex: a large weight sharpens p beyond what the data say.
    """

    def __init__(self, distances: np.ndarray, cross_entropy: float, expected_distance: float) -> None:
        """distances: (classes, classes), in edges."""
        super().__init__()
        self.register_buffer("distances", torch.as_tensor(distances, dtype=torch.float32))
        self.weights = (cross_entropy, expected_distance)

    def forward(self, logits: Tensor, labels: Tensor) -> LossParts:
        """logits (rois, classes) float, labels (rois,) int64 -> three scalars."""
        logits = logits.float()
        cross_entropy = functional.cross_entropy(logits, labels)
        expected_distance = (logits.softmax(dim=1) * self.distances[labels]).sum(dim=1).mean()
        total = self.weights[0] * cross_entropy + self.weights[1] * expected_distance
        return LossParts(total, cross_entropy, expected_distance)
