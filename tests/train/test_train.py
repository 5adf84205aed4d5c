from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from fathomline.config import with_values
from fathomline.errors import InputError
from fathomline.model.backbone import build
from fathomline.model.classifier import Classifier
from fathomline.model.inference import predict_logits
from fathomline.train.augment import augmented
from fathomline.train.design import design
from fathomline.train.loss import HierarchicalLoss
from fathomline.train.optimize import Optimization
from fathomline.train.train import train
from tests.colored_crops import CLASSES, weights


def test_training_learns_colours_and_keeps_the_best_epoch(crops, rows, taxonomy, config):
    trained = train(crops, rows, taxonomy, CLASSES, replace(config, epochs=8))
    assert trained.best.validation_mhd < 1.0  # always "Bluefish" would score 4.67
    assert trained.best.validation_mhd == min(epoch.validation_mhd for epoch in trained.history)
    (logits,) = predict_logits(trained.model.classifier, crops.pixels, rows[1], config.image_size)
    assert (logits.argmax(axis=1) == crops.labels(CLASSES)[rows[1]]).mean() == trained.best.validation_accuracy


def test_the_weights_depend_on_the_seed_and_are_reproducible(crops, rows, taxonomy, config):
    config = replace(config, epochs=2)
    first, second = (weights(train(crops, rows, taxonomy, CLASSES, config)) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = weights(train(crops, rows, taxonomy, CLASSES, replace(config, seed=1)))
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_held_out_rois_do_not_influence_the_weights_of_an_epoch(crops, rows, taxonomy, config):
    config = replace(config, epochs=1)
    before = weights(train(crops, rows, taxonomy, CLASSES, config))
    pixels = crops.pixels.copy()
    pixels[rows[1]] = 255 - pixels[rows[1]]
    after = weights(train(replace(crops, pixels=pixels), rows, taxonomy, CLASSES, config))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_history_records_the_learning_rate_of_the_cosine_schedule(crops, rows, taxonomy, config):
    trained = train(crops, rows, taxonomy, CLASSES, with_values(config, epochs=4, lr=1e-3, schedule={"min_lr": 1e-4}))
    assert [epoch.lr for epoch in trained.history] == pytest.approx([1e-3, 8.68e-4, 5.5e-4, 2.32e-4], rel=1e-2)


def test_the_callback_receives_each_epoch(crops, rows, taxonomy, config):
    epochs = []
    trained = train(crops, rows, taxonomy, CLASSES, config, on_epoch=lambda epoch, _: epochs.append(epoch))
    assert tuple(epochs) == trained.history
    assert list(trained.history_table()["epoch"]) == [1, 2, 3]


def test_lora_trains_only_adapters_and_the_head_and_merges_the_adapters(crops, rows, taxonomy, config):
    vit = with_values(config, backbone="test_vit", epochs=1, lora={"r": 4})
    adapted = train(crops, rows, taxonomy, CLASSES, vit)
    plain = train(crops, rows, taxonomy, CLASSES, with_values(vit, lr=1e-12, lora={"r": 0}, schedule={"min_lr": 0.0}))
    assert set(weights(adapted)) == set(weights(plain)), "peft leaves no weights of its own"
    changed = {name for name in weights(plain) if not torch.allclose(weights(plain)[name], weights(adapted)[name])}
    assert "head.weight" in changed
    assert "backbones.0.blocks.0.attn.qkv.weight" in changed
    assert "backbones.0.pos_embed" not in changed
    assert "backbones.0.blocks.0.norm1.weight" not in changed


def test_lora_on_a_backbone_without_linear_layers_is_refused(crops, rows, taxonomy, config):
    with pytest.raises(InputError, match=r"train.lora.r is 4, but test_resnet has no linear layer"):
        train(crops, rows, taxonomy, CLASSES, with_values(config, lora={"r": 4}))


def changed_by(crops, rows, taxonomy, config) -> set[str]:
    """Names of the weights that training changes."""
    initial, final = (
        weights(train(crops, rows, taxonomy, CLASSES, with_values(config, lr=lr, schedule={"min_lr": 0.0})))
        for lr in (1e-12, 1e-3)
    )
    return {name for name in final if not torch.allclose(final[name].float(), initial[name].float(), atol=1e-6)}


@pytest.mark.parametrize("lora", [False, True])
def test_separate_backbones_and_the_attention_between_views_are_trained(two_views, rows, taxonomy, config, lora):
    config = with_values(
        config, backbone="test_vit", epochs=1, fusion="attention", separate_backbones=True, lora={"r": 4 * lora}
    )
    changed = changed_by(two_views, rows, taxonomy, config)
    assert {f"backbones.{place}.blocks.0.attn.qkv.weight" for place in (0, 1)} <= changed
    assert {"fusion.embedding", "fusion.layer.self_attn.in_proj_weight", "head.weight"} <= changed
    assert ("backbones.1.pos_embed" in changed) is not lora, "adapters leave other weights of the backbones unchanged"


def test_drop_path_changes_the_weights_and_is_reproducible(crops, rows, taxonomy, config):
    vit = replace(config, backbone="test_vit", epochs=1, drop_path=0.5)
    first, second, plain = (
        weights(train(crops, rows, taxonomy, CLASSES, changed)) for changed in (vit, vit, replace(vit, drop_path=0.0))
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head.weight"], plain["head.weight"])


def test_gradient_checkpointing_does_not_change_the_weights(crops, rows, taxonomy, config):
    vit = replace(config, backbone="test_vit", epochs=1, drop_path=0.2)
    plain, checkpointed = (
        train(crops, rows, taxonomy, CLASSES, replace(vit, gradient_checkpointing=value)) for value in (False, True)
    )
    assert [run.model.classifier.backbones[0].grad_checkpointing for run in (plain, checkpointed)] == [False, True]
    assert all(torch.allclose(weights(plain)[name], weights(checkpointed)[name], atol=1e-6) for name in weights(plain))


def test_a_view_smaller_than_the_input_is_refused(crops, rows, taxonomy, config):
    with pytest.raises(InputError, match=r"train.image_size is 32, above crop.size, 20"):
        train(crops, rows, taxonomy, CLASSES, replace(config, image_size=32))


def test_validating_on_a_degraded_view_does_not_change_the_weights(crops, rows, taxonomy, config):
    config = replace(config, epochs=2)
    plain, degraded = (
        train(crops, rows, taxonomy, CLASSES, with_values(config, validation={"degraded_size": size}))
        for size in (None, 5.0)
    )
    assert all(torch.equal(weights(plain)[name], weights(degraded)[name]) for name in weights(plain))
    without_degraded = [replace(epoch, validation_mhd_degraded=None) for epoch in degraded.history]
    assert without_degraded == list(plain.history)


def test_the_moving_average_is_validated_and_saved(crops, rows, taxonomy, config):
    plain = train(crops, rows, taxonomy, CLASSES, replace(config, epochs=1))
    averaged = train(crops, rows, taxonomy, CLASSES, with_values(config, epochs=1, optimizer={"ema_decay": 0.9}))
    assert not torch.equal(weights(plain)["head.weight"], weights(averaged)["head.weight"])
    (logits,) = predict_logits(averaged.model.classifier, crops.pixels, rows[1], config.image_size)
    accuracy = (logits.argmax(axis=1) == crops.labels(CLASSES)[rows[1]]).mean()
    assert accuracy == averaged.best.validation_accuracy


def test_accumulation_gives_the_step_of_the_whole_batch(crops, rows, taxonomy, config):
    # A transformer, because batch norm depends on the parts.
    vit = with_values(config, backbone="test_vit", epochs=1, batch_size=15, lr=0.01, optimizer={"name": "sgd"})
    whole, in_parts = (
        weights(train(crops, rows, taxonomy, CLASSES, replace(vit, accumulation=parts))) for parts in (1, 4)
    )
    assert all(torch.allclose(whole[name], in_parts[name], atol=1e-5) for name in whole)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixing_blends_labels_and_is_reproducible(crops, rows, taxonomy, config, name, monkeypatch):
    seen = []
    monkeypatch.setattr(HierarchicalLoss, "forward", recording(HierarchicalLoss.forward, seen))
    mixing = with_values(config, epochs=1, batch_size=15, augment={name: 1.0})
    first, second = (train(crops, rows, taxonomy, CLASSES, mixing) for _ in range(2))
    targets = torch.cat(seen)
    assert targets.shape[1] == 3, "a distribution for each ROI"
    assert torch.allclose(targets.sum(dim=1), torch.ones(len(targets)), atol=1e-5)
    assert (targets.amax(dim=1) < 0.999).float().mean() > 0.3
    assert all(torch.equal(weights(first)[key], weights(second)[key]) for key in weights(first))


def recording(forward, seen: list):
    def recorded(loss, logits, truth):
        seen.append(truth)
        return forward(loss, logits, truth)

    return recorded


def test_training_starts_from_the_given_weights(crops, rows, taxonomy, config, tmp_path):
    known = build(design(config, views=1, classes=3))
    save_file(known.backbones[0].state_dict(), tmp_path / "known.safetensors")
    still = with_values(
        config, epochs=1, lr=1e-12, pretrained=str(tmp_path / "known.safetensors"), schedule={"min_lr": 0.0}
    )
    started = weights(train(crops, rows, taxonomy, CLASSES, still))
    assert torch.allclose(
        started["backbones.0.conv1.0.weight"], known.backbones[0].state_dict()["conv1.0.weight"], atol=1e-6
    )


def test_each_epoch_trains_on_all_rows_in_a_new_order(crops, rows, taxonomy, config, monkeypatch):
    seen = []

    def record(pixels, batch, *others):
        images = augmented(pixels, batch, *others)
        seen.append((batch.tolist(), images))
        return images

    monkeypatch.setattr("fathomline.train.inputs.augmented", record)
    train(crops, rows, taxonomy, CLASSES, replace(config, epochs=2, batch_size=30))
    orders = [[row for batch, _ in seen[start : start + 3] for row in batch] for start in (0, 3)]
    assert sorted(orders[0]) == sorted(orders[1]) == rows[0].tolist()
    assert orders[0] != orders[1]
    assert [len(images) for _, images in seen] == [30] * 6
    assert all(images.shape[-1] == 16 for _, images in seen), "cropped and resized from 20 px"


def test_validation_batches_are_no_larger_than_those_of_training(crops, rows, taxonomy, config, monkeypatch):
    seen, forward = {True: [], False: []}, Classifier.forward

    def record(classifier, views):
        seen[classifier.training].append(len(views))
        return forward(classifier, views)

    monkeypatch.setattr(Classifier, "forward", record)
    train(
        crops,
        rows,
        taxonomy,
        CLASSES,
        with_values(config, epochs=1, batch_size=16, accumulation=4, validation={"degraded_size": 5.0}),
    )
    assert set(seen[True]) == {4}
    assert sum(seen[False]) == 2 * 30
    assert max(seen[False]) == 4


def test_the_classifier_is_in_training_mode_only_in_training_steps(crops, rows, taxonomy, config, monkeypatch):
    modes = []
    forward = Classifier.forward

    def record(classifier, views):
        modes.append((classifier.training, torch.is_grad_enabled()))
        return forward(classifier, views)

    monkeypatch.setattr(Classifier, "forward", record)
    train(crops, rows, taxonomy, CLASSES, replace(config, epochs=2, batch_size=45))
    assert modes == [(True, True), (True, True), (False, False)] * 2


def test_a_loss_that_diverges_later_keeps_the_best_epoch_so_far(crops, rows, taxonomy, config, monkeypatch, capsys):
    step = Optimization.step

    def diverging(optimization):
        if optimization.steps == 7:  # in the second of three epochs
            optimization.averaged.head.weight.grad.fill_(torch.nan)
        return step(optimization)

    monkeypatch.setattr(Optimization, "step", diverging)
    trained = train(crops, rows, taxonomy, CLASSES, config)
    assert trained.best.epoch == 1 == len(trained.history)
    assert all(torch.isfinite(tensor).all() for tensor in weights(trained).values())
    warned = " ".join(capsys.readouterr().err.split())
    assert "the loss is nan in epoch 2" in warned
    assert "keeping the model of epoch 1" in warned


def test_an_infinite_gradient_is_reported_when_the_loss_is_finite(crops, rows, taxonomy, config, monkeypatch, capsys):
    step = Optimization.step

    def diverging(optimization):
        norm = step(optimization)
        return norm if optimization.steps < 10 else norm * torch.inf  # the last step of the second epoch

    monkeypatch.setattr(Optimization, "step", diverging)
    trained = train(crops, rows, taxonomy, CLASSES, config)
    assert trained.best.epoch == 1 == len(trained.history)
    warned = " ".join(capsys.readouterr().err.split())
    assert "the gradient's norm is inf in epoch 2, expected a finite number" in warned
    assert "the loss is" not in warned


def test_a_loss_that_diverges_in_the_first_epoch_stops_training_and_suggests_remedies(crops, rows, taxonomy, config):
    with pytest.raises(InputError, match=r"loss is (nan|inf).*lower train.lr"):
        train(crops, rows, taxonomy, CLASSES, with_values(config, lr=1e30, optimizer={"weight_decay": 0.0}))
