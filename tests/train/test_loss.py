import numpy as np
import pytest
import torch
from torch.nn import functional

from fathomline.config import with_values
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy
from fathomline.train.loss import HierarchicalLoss
from tests.colored_crops import CLASSES


@pytest.fixture
def make_loss(taxonomy, config):
    """A loss over two fishes of one genus and a sponge; only cross-entropy unless other weights are given."""

    def make(counts=(1, 1, 1), classes=CLASSES, **weights) -> HierarchicalLoss:
        nodes = np.array([taxonomy.node(name) for name in classes])
        changed = with_values(config, loss={"cross_entropy": 1.0, "expected_distance": 0.0, **weights})
        return HierarchicalLoss(taxonomy, nodes, np.array(counts), changed)

    return make


def log(*probabilities: float) -> torch.Tensor:
    return torch.log(torch.tensor([probabilities]))


def test_the_expected_distance_is_the_mean_over_the_softmax(make_loss):
    parts = make_loss(cross_entropy=0.0, expected_distance=1.0)(log(0.5, 0.3, 0.2), torch.tensor([0]))
    assert parts.expected_distance.item() == pytest.approx(0.3 * 2 + 0.2 * 12)
    assert parts.total.item() == pytest.approx(parts.expected_distance.item())


def test_the_rank_loss_is_the_mean_over_the_ranks_of_the_truth(make_loss):
    parts = make_loss(rank_cross_entropy=1.0)(log(0.5, 0.3, 0.2), torch.tensor([0]))
    # Phylum, class, order, family and genus contain both fishes, 0.8; the species contains one.
    assert parts.rank_cross_entropy.item() == pytest.approx(-(5 * np.log(0.8) + np.log(0.5)) / 6)


def test_a_truth_of_higher_rank_counts_only_its_own_ranks(config):
    names = dict(zip(RANKS, ["Animalia", "Porifera", "Demospongiae"], strict=False))
    phylum = Lineage("Porifera", "Porifera", "phylum", dict(list(names.items())[:2]))
    sponges = Taxonomy([phylum, Lineage("Demospongiae", "Demospongiae", "class", names)])
    nodes = np.array([sponges.node("Porifera"), sponges.node("Demospongiae")])
    loss = HierarchicalLoss(sponges, nodes, np.array([1, 1]), config)
    assert loss(log(0.7, 0.3), torch.tensor([0])).rank_cross_entropy.item() == pytest.approx(0, abs=1e-6)
    assert loss(log(0.7, 0.3), torch.tensor([1])).rank_cross_entropy.item() == pytest.approx(-np.log(0.3) / 2)


def test_the_total_is_the_weighted_sum(make_loss):
    logits, labels = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0, 1])
    parts = make_loss(cross_entropy=0.7, expected_distance=0.2, rank_cross_entropy=0.4)(logits, labels)
    reference = functional.cross_entropy(logits, labels).item()
    assert parts.cross_entropy.item() == pytest.approx(reference)
    expected = 0.7 * reference + 0.2 * parts.expected_distance.item() + 0.4 * parts.rank_cross_entropy.item()
    assert parts.total.item() == pytest.approx(expected)
    assert len({round(part.item(), 4) for part in parts}) == 5


def test_label_smoothing_is_that_of_torch(make_loss):
    logits, labels = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([0])
    smoothed = make_loss(label_smoothing=0.1)(logits, labels).cross_entropy
    assert smoothed.item() == pytest.approx(functional.cross_entropy(logits, labels, label_smoothing=0.1).item())


def test_the_loss_of_a_mixed_truth_is_the_mixture_of_the_losses(make_loss):
    loss = make_loss(expected_distance=0.3, rank_cross_entropy=0.5, counts=(8, 1, 1), class_balance=0.0)
    logits = torch.randn(1, 3, generator=torch.Generator().manual_seed(1))
    mixed = loss(logits, torch.tensor([[0.25, 0.0, 0.75]]))
    first, second = (loss(logits, torch.tensor([label])) for label in (0, 2))
    for part, one, other in zip(mixed, first, second, strict=True):
        assert part.item() == pytest.approx(0.25 * one.item() + 0.75 * other.item(), rel=1e-5)


def test_class_balance_raises_the_weight_of_rare_classes_and_keeps_the_mean_at_one(make_loss):
    counts = np.array([80, 15, 5])
    loss = make_loss(counts=counts, class_balance=1.0)
    weights = loss.class_weights.numpy()
    assert weights * counts == pytest.approx(np.full(3, 100 / 3))
    unbalanced = make_loss(counts=counts, class_balance=0.0)
    assert unbalanced.class_weights.tolist() == [1, 1, 1]
    logits, labels = torch.tensor([[0.0, 1.0, 2.0]] * 2), torch.tensor([0, 2])
    each = functional.cross_entropy(logits, labels, reduction="none").numpy()
    assert loss(logits, labels).cross_entropy.item() == pytest.approx((each * weights[[0, 2]]).mean(), rel=1e-5)


def test_a_near_miss_costs_less_than_a_far_one(make_loss):
    for part in ("expected_distance", "rank_cross_entropy"):
        loss = make_loss(cross_entropy=0.0, **{part: 1.0})
        near, far = (loss(torch.tensor([row]), torch.tensor([0])).total for row in ([0.0, 5.0, 0.0], [0.0, 0.0, 5.0]))
        assert near < far


def test_the_gradient_points_towards_the_truth_and_stays_finite(make_loss):
    for scale in (0.0, 1e4):
        logits = torch.tensor([[-scale, 0.0, scale]], requires_grad=True)
        make_loss(expected_distance=1.0, rank_cross_entropy=1.0)(logits, torch.tensor([0])).total.backward()
        assert torch.isfinite(logits.grad).all()
        assert logits.grad[0, 0] < 0 < logits.grad[0, 2]
