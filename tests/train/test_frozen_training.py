from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fathomline.config import with_values
from fathomline.model.backbone import build
from fathomline.model.degrade import degraded_scale, view_spans
from fathomline.model.inference import predict_logits
from fathomline.train.design import design
from fathomline.train.train import train
from tests.colored_crops import CLASSES, weights


def equal(first, second) -> bool:
    return all(torch.equal(weights(first)[name], weights(second)[name]) for name in weights(second))


def test_only_the_head_of_a_frozen_backbone_is_trained(crops, rows, taxonomy, frozen, tmp_path):
    known = build(design(frozen, views=1, classes=3)).backbones[0].state_dict()
    save_file(known, tmp_path / "known.safetensors")
    pretrained = replace(frozen, pretrained=str(tmp_path / "known.safetensors"))
    trained = train(crops, rows, taxonomy, CLASSES, replace(pretrained, epochs=8, lr=0.03))
    untrained = train(crops, rows, taxonomy, CLASSES, with_values(pretrained, lr=1e-12, schedule={"min_lr": 0.0}))
    assert all(torch.equal(weights(trained)[f"backbones.0.{name}"], known[name]) for name in known)
    assert not torch.allclose(weights(trained)["head.weight"], weights(untrained)["head.weight"], atol=1e-2)
    assert trained.best.validation_cross_entropy < untrained.best.validation_cross_entropy
    assert trained.best.train_cross_entropy < trained.history[0].train_cross_entropy


@pytest.mark.parametrize(
    "changes", [{}, {"optimizer.ema_decay": 0.9}, {"fusion": "attention"}, {"separate_backbones": True}]
)
def test_validation_figures_are_those_of_the_returned_model(two_views, rows, taxonomy, frozen, changes):
    config = with_values(frozen, validation={"degraded_size": 5.0}, **changes)
    trained = train(two_views, rows, taxonomy, CLASSES, config)
    labels, remaining = two_views.labels(CLASSES)[rows[1]], view_spans(two_views) * degraded_scale(two_views, 5.0)
    distances = taxonomy.distances(*[np.array([taxonomy.node(name) for name in CLASSES])] * 2)
    for reported, seen in ((trained.best.validation_mhd, None), (trained.best.validation_mhd_degraded, remaining)):
        (logits,) = predict_logits(trained.model.classifier, two_views.pixels, rows[1], 16, remaining=seen)
        assert reported == pytest.approx(distances[labels, logits.argmax(axis=1)].mean())
    plain = torch.from_numpy(predict_logits(trained.model.classifier, two_views.pixels, rows[1], 16)[0])
    expected = torch.nn.functional.cross_entropy(plain, torch.from_numpy(labels)).item()
    assert trained.best.validation_cross_entropy == pytest.approx(expected, abs=1e-4)


def test_the_epoch_can_be_chosen_on_features_of_the_degraded_view(crops, rows, taxonomy, frozen, monkeypatch):
    # This view swaps red and blue, so a head that separates them well does badly on it.
    monkeypatch.setattr("fathomline.train.features.degraded", lambda views, remaining: views.flip(2))
    config = with_values(frozen, epochs=6, lr=6e-3, validation={"degraded_size": 3.0})
    plain, degraded = (
        train(crops, rows, taxonomy, CLASSES, with_values(config, validation={"select_on": view}))
        for view in ("plain", "degraded")
    )
    assert plain.history == degraded.history
    assert plain.best.validation_mhd == min(epoch.validation_mhd for epoch in plain.history)
    least = min(epoch.validation_mhd_degraded for epoch in degraded.history)
    assert degraded.best.validation_mhd_degraded == least < plain.best.validation_mhd_degraded


def test_stored_features_are_reused_for_other_params_and_folds(crops, rows, taxonomy, frozen, meter, tmp_path):
    config = replace(frozen, frozen_copies=2)
    first = train(crops, rows, taxonomy, CLASSES, config, features=tmp_path)
    meter.allowed = meter.rois
    other = train(crops, rows, taxonomy, CLASSES, replace(config, lr=1e-2), features=tmp_path)
    train(crops, rows[::-1], taxonomy, CLASSES, config, features=tmp_path)  # another fold
    again = train(crops, rows, taxonomy, CLASSES, config, features=tmp_path)
    assert not torch.equal(weights(other)["head.weight"], weights(first)["head.weight"])
    assert equal(again, first), "stored features give the same weights as computed ones"
    assert again.history == first.history


def test_the_head_depends_on_the_seed_and_is_reproducible(crops, rows, taxonomy, frozen):
    config = replace(frozen, frozen_copies=2)
    first, second = (train(crops, rows, taxonomy, CLASSES, config) for _ in range(2))
    assert equal(first, second)
    assert not equal(first, train(crops, rows, taxonomy, CLASSES, replace(config, seed=1)))


def test_the_number_of_copies_changes_the_head(crops, rows, taxonomy, frozen):
    heads = [
        weights(train(crops, rows, taxonomy, CLASSES, replace(frozen, frozen_copies=copies)))["head.weight"]
        for copies in (0, 1, 4)
    ]
    assert not torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[1], heads[2])


def test_mixup_applies_to_features(crops, rows, taxonomy, frozen):
    mixing = with_values(frozen, batch_size=15, augment={"mixup": 1.0})
    first, second, plain = (
        train(crops, rows, taxonomy, CLASSES, config)
        for config in (mixing, mixing, with_values(mixing, augment={"mixup": 0.0}))
    )
    assert equal(first, second)
    assert not torch.equal(weights(first)["head.weight"], weights(plain)["head.weight"])


def test_the_attention_between_views_is_trained(two_views, rows, taxonomy, frozen):
    config = replace(frozen, fusion="attention")
    still = weights(train(two_views, rows, taxonomy, CLASSES, with_values(config, lr=1e-12, schedule={"min_lr": 0.0})))
    trained = weights(train(two_views, rows, taxonomy, CLASSES, config))
    changed = {name for name in trained if not torch.allclose(trained[name], still[name], atol=1e-6)}
    assert {name for name in changed if not name.startswith(("fusion.", "head."))} == set()
    assert {"fusion.embedding", "fusion.layer.self_attn.in_proj_weight", "head.weight"} <= changed


@pytest.mark.parametrize(
    "changes", [{"optimizer.layer_decay": 0.5}, {"drop_path": 0.5}, {"gradient_checkpointing": True}]
)
def test_params_of_the_backbone_have_no_effect_on_a_frozen_one(crops, rows, taxonomy, frozen, meter, tmp_path, changes):
    first = train(crops, rows, taxonomy, CLASSES, frozen, features=tmp_path)
    meter.allowed = meter.rois
    second = train(crops, rows, taxonomy, CLASSES, with_values(frozen, **changes), features=tmp_path)
    assert equal(first, second)


@pytest.mark.parametrize("name", ["lora.r", "augment.cutmix"])
def test_params_that_a_frozen_backbone_cannot_use_are_refused(config, name):
    value = 4 if name == "lora.r" else 0.5
    with pytest.raises(ValueError, match=rf"`frozen` is true, so `{name}` would have no effect; set one of the two"):
        with_values(config, frozen=True, **{name: value})
