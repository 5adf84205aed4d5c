from dataclasses import replace

import pytest
import torch

from fathomline.config import with_values
from fathomline.errors import InputError
from fathomline.model.backbone import build
from fathomline.model.classifier import Classifier
from fathomline.train.design import design
from fathomline.train.optimize import Optimization, parameter_groups


@pytest.fixture
def classifier(config) -> Classifier:
    torch.manual_seed(0)
    return build(design(replace(config, backbone="test_vit", image_size=32), views=1, classes=3))


def rates(optimization: Optimization, steps: int) -> list[float]:
    found = []
    for _ in range(steps):
        found.append(optimization.lr)
        optimization.step()
    return found


def names_of(classifier: Classifier, groups: list[dict]) -> list[tuple[set[str], dict]]:
    names = {id(parameter): name for name, parameter in classifier.named_parameters()}
    return [({names[id(parameter)] for parameter in group["params"]}, group) for group in groups]


@pytest.fixture
def several(config) -> Classifier:
    """Two views with a backbone each, fused by attention."""
    torch.manual_seed(0)
    separate = replace(config, backbone="test_vit", separate_backbones=True, fusion="attention")
    return build(design(separate, views=2, classes=3))


@pytest.mark.parametrize("layer_decay", [1.0, 0.5])
def test_weight_decay_applies_only_to_matrices(several, config, layer_decay):
    groups = names_of(several, parameter_groups(several, with_values(config, optimizer={"layer_decay": layer_decay})))
    listed = [name for names, _ in groups for name in names]
    assert sorted(listed) == sorted(name for name, _ in several.named_parameters()), "each weight once"
    decayed = set().union(*(names for names, group in groups if group["weight_decay"] == 0.05))
    for backbone in ("backbones.0", "backbones.1"):
        assert f"{backbone}.blocks.0.attn.qkv.weight" in decayed
        assert not decayed & {f"{backbone}.{name}" for name in ("pos_embed", "cls_token", "norm.weight", "norm.bias")}
    assert {"fusion.layer.self_attn.in_proj_weight", "fusion.layer.linear1.weight", "head.weight"} <= decayed
    assert not decayed & {"fusion.embedding", "fusion.layer.norm1.weight", "fusion.layer.linear1.bias", "head.bias"}


def test_layer_decay_applies_to_every_backbone_but_not_to_the_fusion_and_the_head(several, config):
    optimization = Optimization(
        several, with_values(config, lr=1e-3, optimizer={"layer_decay": 0.5}), steps_per_epoch=4
    )
    rate = {
        name: group["lr"] for names, group in names_of(several, optimization.optimizer.param_groups) for name in names
    }
    for backbone in ("backbones.0", "backbones.1"):
        first, second = (rate[f"{backbone}.blocks.{block}.attn.qkv.weight"] for block in (0, 1))
        assert first == pytest.approx(second / 2)
        assert second < 1e-3
    assert {rate[name] for name, _ in several.named_parameters() if name.startswith(("fusion", "head"))} == {1e-3}
    assert {name.partition(".1.")[2]: lr for name, lr in rate.items() if name.startswith("backbones.1.")} == {
        name.partition(".0.")[2]: lr for name, lr in rate.items() if name.startswith("backbones.0.")
    }


def test_layer_decay_with_adapters_is_refused(config):
    with pytest.raises(ValueError, match=r"`optimizer.layer_decay` is 0.7, but it does not apply to adapters"):
        with_values(config, optimizer={"layer_decay": 0.7}, lora={"r": 4})


def test_the_learning_rate_rises_during_warm_up_and_then_falls(classifier, config):
    warm = with_values(config, epochs=4, lr=1e-3, schedule={"warmup_epochs": 1.0, "min_lr": 1e-5})
    found = rates(Optimization(classifier, warm, steps_per_epoch=5), 20)
    assert found[0] == pytest.approx(1e-5)
    assert found[:6] == sorted(found[:6])
    assert max(found) == found[5] == pytest.approx(1e-3, rel=0.2)
    assert found[5:] == sorted(found[5:], reverse=True)
    assert found[-1] < 1e-4


@pytest.mark.parametrize("schedule", ["cosine", "tanh", "poly"])
def test_each_schedule_falls_step_by_step_to_the_minimum(classifier, config, schedule):
    optimization = Optimization(
        classifier, with_values(config, lr=1e-3, schedule={"name": schedule, "min_lr": 1e-5}), 10
    )
    found = rates(optimization, 30)
    assert found[0] == pytest.approx(1e-3, rel=0.05)
    assert len(set(found)) > 20
    assert optimization.lr == pytest.approx(1e-5, rel=0.6)


@pytest.mark.parametrize(("name", "kind"), [("adamw", "AdamW"), ("lamb", "Lamb"), ("nadamw", "NAdamW")])
def test_the_optimizer_is_chosen_by_name(classifier, config, name, kind):
    optimization = Optimization(classifier, with_values(config, optimizer={"name": name}), 10)
    assert type(optimization.optimizer).__name__ == kind


def test_an_optimizer_unknown_to_timm_is_refused(classifier, config):
    with pytest.raises(InputError, match=r"train.optimizer.name is 'adamz', which timm cannot set up"):
        Optimization(classifier, with_values(config, optimizer={"name": "adamz"}), 10)


def test_a_gradient_is_clipped_and_its_norm_before_clipping_is_returned(classifier, config):
    for clip, expected in ((0.0, 1.9), (0.25, 0.475)):
        for parameter in classifier.parameters():
            parameter.requires_grad_(False)
        classifier.head.bias.requires_grad_(True)
        # timm's sgd has a Nesterov momentum of 0.9, so its first step is 1.9 times the gradient.
        plain = with_values(
            config, lr=1.0, optimizer={"name": "sgd", "clip_norm": clip, "weight_decay": 0.0}, schedule={"min_lr": 1.0}
        )
        optimization = Optimization(classifier, plain, 10)
        before = classifier.head.bias.detach().clone()
        classifier.head.bias.grad = torch.tensor([1.0, 0.0, 0.0])
        assert optimization.step().item() == pytest.approx(1.0)
        assert (before - classifier.head.bias.detach())[0].item() == pytest.approx(expected, rel=1e-4)
        assert classifier.head.bias.grad is None


def test_the_moving_average_lags_behind_the_weights(classifier, config):
    optimization = Optimization(classifier, with_values(config, optimizer={"ema_decay": 0.9}), 10)
    seen = []
    for step in range(1, 40):
        with torch.no_grad():
            classifier.head.bias.fill_(float(step))
        optimization.step()
        seen.append(classifier.head.bias[0].item() - optimization.averaged.head.bias[0].item())
    assert optimization.averaged is not classifier
    # With a decay of d, the average of a linear ramp lags d / (1 - d) steps behind, after a warm-up without lag.
    assert seen[0] == pytest.approx(0.0, abs=1.0)
    assert seen[-1] == pytest.approx(9.0, rel=0.15)


def test_without_a_moving_average_the_classifier_itself_is_validated(classifier, config):
    assert Optimization(classifier, config, 10).averaged is classifier
