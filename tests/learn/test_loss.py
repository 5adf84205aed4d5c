import numpy as np
import pytest
import torch

from fathomline.learn.loss import HierarchicalLoss

DISTANCES = np.array([[0, 2, 12], [2, 0, 12], [12, 12, 0]])


def test_the_expected_distance_is_the_mean_over_the_softmax():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2]]))
    parts = HierarchicalLoss(DISTANCES, 0.0, 1.0)(logits, torch.tensor([0]))
    assert parts.expected_distance.item() == pytest.approx(0.3 * 2 + 0.2 * 12)
    assert parts.total.item() == pytest.approx(parts.expected_distance.item())


def test_the_total_is_the_weighted_sum():
    logits, labels = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0, 1])
    parts = HierarchicalLoss(DISTANCES, 0.7, 0.2)(logits, labels)
    reference = torch.nn.functional.cross_entropy(logits, labels)
    assert parts.cross_entropy.item() == pytest.approx(reference.item())
    assert parts.total.item() == pytest.approx(0.7 * reference.item() + 0.2 * parts.expected_distance.item())


def test_a_near_miss_costs_less_than_a_far_one():
    loss = HierarchicalLoss(DISTANCES, 0.0, 1.0)
    near, far = (loss(torch.tensor([row]), torch.tensor([0])).total for row in ([0.0, 5.0, 0.0], [0.0, 0.0, 5.0]))
    assert near < far


def test_its_gradient_pushes_towards_the_truth():
    logits = torch.zeros(1, 3, requires_grad=True)
    HierarchicalLoss(DISTANCES, 1.0, 1.0)(logits, torch.tensor([0])).total.backward()
    assert logits.grad[0, 0] < 0 < logits.grad[0, 2]
