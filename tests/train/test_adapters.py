from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from fathomline.config import with_values
from fathomline.model.backbone import build, save_memory
from fathomline.model.classifier import Classifier
from fathomline.train.adapters import AdapterGradients, add_adapters, count_weights, merge_adapters
from fathomline.train.design import design
from fathomline.train.history import Diagnostics, Epoch
from fathomline.train.train import train
from tests.colored_crops import CLASSES


@pytest.fixture
def vit(config):
    return with_values(config, backbone="test_vit", epochs=1, lora={"r": 4})


@pytest.fixture
def made(vit):
    def build_it(views: int = 1, **changes) -> Classifier:
        torch.manual_seed(0)
        return build(design(with_values(vit, **changes), views=views, classes=3))

    return build_it


class Adapted(nn.Module):
    """A layer with two adapter matrices of two numbers each, and a head without adapters."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Module()
        self.layer.lora_A, self.layer.lora_B = nn.Linear(2, 1, bias=False), nn.Linear(1, 2, bias=False)
        self.head = nn.Linear(2, 2)

    def set_gradients(self, first: list[float], second: list[float]) -> None:
        self.layer.lora_A.weight.grad = torch.tensor([first])
        self.layer.lora_B.weight.grad = torch.tensor([second]).T
        self.head.weight.grad = torch.full((2, 2), 1e6)


@pytest.fixture
def recorded() -> tuple[Adapted, AdapterGradients]:
    """After two steps with gradient norms of 5 and 12, then 10 and 0."""
    adapted = Adapted()
    gradients = AdapterGradients(adapted)
    for first, second in (([3.0, -4.0], [0.0, 12.0]), ([-8.0, 6.0], [0.0, 0.0])):
        adapted.set_gradients(first, second)
        gradients.record()
    return adapted, gradients


def test_gradients_of_adapters_are_averaged_over_the_steps(recorded):
    _, gradients = recorded
    assert gradients.mean_norms().tolist() == pytest.approx([(5 + 10) / 2, 12 / 2])
    assert gradients.summary() == pytest.approx(((13 + 10) / 2, 12.0)), "the norms of both together are 13, then 10"


def test_the_largest_element_is_the_largest_in_absolute_value():
    adapted = Adapted()
    gradients = AdapterGradients(adapted)
    adapted.set_gradients([1.0, -7.0], [2.0, 3.0])
    gradients.record()
    assert gradients.summary()[1] == 7.0


def test_each_epoch_starts_with_new_statistics(recorded):
    adapted, gradients = recorded
    gradients.reset()
    adapted.set_gradients([0.0, 1.0], [2.0, 0.0])
    gradients.record()
    assert gradients.mean_norms().tolist() == pytest.approx([1.0, 2.0])
    assert gradients.summary() == pytest.approx((5**0.5, 2.0))


def test_without_adapters_there_are_no_statistics():
    plain = nn.Linear(2, 2)
    gradients = AdapterGradients(plain)
    plain.weight.grad = torch.ones(2, 2)
    gradients.record()
    assert gradients.summary() == (None, None)
    assert gradients.mean_norms().tolist() == []


def test_the_history_has_gradients_of_adapters_only_with_adapters(crops, rows, taxonomy, vit):
    logged = []

    def record(_, diagnostics: Diagnostics) -> None:
        logged.append(diagnostics)

    def best(**changes) -> Epoch:
        config = with_values(vit, **changes)
        return train(crops, rows, taxonomy, CLASSES, config, on_epoch=record).best

    adapted, plain = best(), best(lora={"r": 0})
    assert (plain.lora_gradient_norm, plain.lora_gradient_max) == (None, None)
    assert 0 < adapted.lora_gradient_max < adapted.lora_gradient_norm < adapted.gradient_norm
    norms, none = (diagnostics.lora_gradients for diagnostics in logged)
    assert none == ()
    classifier = build(design(vit, views=1, classes=3))
    layers = sum(isinstance(layer, nn.Linear) for layer in classifier.backbones.modules())
    assert len(norms) == 2 * layers, "two matrices for each linear layer"


def test_gradients_of_adapters_are_recorded_before_clipping(crops, rows, taxonomy, vit):
    one_step = replace(vit, batch_size=90)
    free, clipped = (
        train(crops, rows, taxonomy, CLASSES, with_values(one_step, optimizer={"clip_norm": norm})).best
        for norm in (0.0, 1e-3)
    )
    assert clipped.lora_gradient_norm == pytest.approx(free.lora_gradient_norm, rel=1e-5)
    assert clipped.lora_gradient_max == pytest.approx(free.lora_gradient_max, rel=1e-5)
    assert free.lora_gradient_norm > 1e-2


def test_trainable_weights_are_counted(made, vit):
    classifier = made()
    every = sum(weight.numel() for weight in classifier.parameters())
    assert count_weights(classifier) == (every, every)
    linear = [layer for layer in classifier.backbones.modules() if isinstance(layer, nn.Linear)]
    added = sum(4 * (layer.in_features + layer.out_features) for layer in linear)
    add_adapters(classifier, vit)
    head = 64 * 3 + 3
    assert count_weights(classifier) == (added + head, every + added)


@pytest.mark.parametrize("changes", [{"lora.r": 0}, {"lora.r": 0, "frozen": True}, {}])
def test_training_reports_the_number_of_trainable_weights(crops, rows, taxonomy, vit, made, changes):
    trained = train(crops, rows, taxonomy, CLASSES, with_values(vit, **changes))
    every, head = sum(weight.numel() for weight in made().parameters()), 64 * 3 + 3
    if "lora.r" not in changes:
        assert head < trained.trainable < trained.weights
        assert trained.weights - every == trained.trainable - head, "trained: adapters and head"
    else:
        assert (trained.trainable, trained.weights) == (head if "frozen" in changes else every, every)


def test_each_separate_backbone_gets_adapters_that_can_be_merged(made, vit):
    classifier = made(views=2, separate_backbones=True).eval()
    names = set(classifier.state_dict())
    views = 255 * torch.rand(2, 2, 3, 16, 16)
    before = classifier(views)
    add_adapters(classifier, vit)
    adapters = [weight for name, weight in classifier.named_parameters() if ".lora_" in name]
    assert {name.split(".")[1] for name, weight in classifier.named_parameters() if ".lora_" in name} == {"0", "1"}
    assert torch.allclose(classifier(views), before, atol=1e-5), "new adapters have no effect"
    with torch.no_grad():
        for weight in adapters:
            weight.normal_(std=0.1)
    adapted = classifier(views)
    merge_adapters(classifier.eval())
    assert set(classifier.state_dict()) == names
    assert torch.allclose(classifier(views), adapted, atol=1e-4)
    assert not torch.allclose(adapted, before, atol=1e-2)


def test_gradient_checkpointing_does_not_change_the_gradients_of_adapters(made, vit):
    views = 255 * torch.rand(4, 1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    gradients = []
    for checkpointing in (False, True):
        classifier = made()
        if checkpointing:
            save_memory(classifier, "test_vit")
        torch.manual_seed(1)
        add_adapters(classifier, vit)
        functional.cross_entropy(classifier.train()(views), torch.tensor([0, 1, 2, 0])).backward()
        gradients.append({name: w.grad for name, w in classifier.named_parameters() if w.requires_grad})
    assert gradients[0].keys() == gradients[1].keys()
    assert all(torch.allclose(gradients[0][name], gradients[1][name], atol=1e-6) for name in gradients[0])
    assert any(".lora_B" in name and gradient.abs().max() > 1e-4 for name, gradient in gradients[1].items())
