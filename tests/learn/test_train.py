from dataclasses import replace

import numpy as np
import pytest
import torch

from fathomline.errors import InputError
from fathomline.learn.predict import predict_logits
from fathomline.learn.train import train
from tests.learn.conftest import CLASSES


def weights(trained) -> dict[str, torch.Tensor]:
    return trained.model.classifier.state_dict()


def test_colours_are_learned_and_the_best_epoch_is_kept(crops, rows, taxonomy, config):
    trained = train(crops, rows, taxonomy, CLASSES, replace(config, epochs=8))
    assert trained.best.validation_mhd < 1.0  # always "Bluefish" would score 4.67
    assert trained.best.validation_mhd == min(epoch.validation_mhd for epoch in trained.history)
    logits = predict_logits(trained.model.classifier, crops.pixels, rows[1], config.image_size)
    assert (logits.argmax(axis=1) == crops.labels(CLASSES)[rows[1]]).mean() == trained.best.validation_accuracy


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(crops, rows, taxonomy, config):
    config = replace(config, epochs=2)
    first, second = (weights(train(crops, rows, taxonomy, CLASSES, config)) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = weights(train(crops, rows, taxonomy, CLASSES, replace(config, seed=1)))
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_held_out_rois_change_nothing_but_the_choice_of_the_epoch(crops, rows, taxonomy, config):
    config = replace(config, epochs=1)
    before = weights(train(crops, rows, taxonomy, CLASSES, config))
    pixels = crops.pixels.copy()
    pixels[rows[1]] = 255 - pixels[rows[1]]
    after = weights(train(replace(crops, pixels=pixels), rows, taxonomy, CLASSES, config))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_learning_rate_follows_a_cosine_down_to_the_least(crops, rows, taxonomy, config):
    trained = train(crops, rows, taxonomy, CLASSES, replace(config, epochs=4, lr=1e-3, min_lr=1e-4))
    assert [epoch.lr for epoch in trained.history] == pytest.approx([1e-3, 8.68e-4, 5.5e-4, 2.32e-4], rel=1e-2)


def test_each_epoch_is_told_as_it_ends(crops, rows, taxonomy, config):
    told = []
    trained = train(crops, rows, taxonomy, CLASSES, config, on_epoch=told.append)
    assert tuple(told) == trained.history
    assert list(trained.history_table()["epoch"]) == [1, 2, 3]


def test_lora_trains_adapters_and_the_head_and_merges_them(crops, rows, taxonomy, config):
    vit = replace(config, backbone="test_vit", lora=True, epochs=1)
    adapted = train(crops, rows, taxonomy, CLASSES, vit)
    plain = train(crops, rows, taxonomy, CLASSES, replace(vit, lora=False, lr=1e-12, min_lr=0.0))
    assert set(weights(adapted)) == set(weights(plain)), "no trace of peft is left"
    changed = {name for name in weights(plain) if not torch.allclose(weights(plain)[name], weights(adapted)[name])}
    assert "head.weight" in changed
    assert "backbone.blocks.0.attn.qkv.weight" in changed
    assert "backbone.pos_embed" not in changed
    assert "backbone.blocks.0.norm1.weight" not in changed


def test_lora_on_a_backbone_without_linear_layers_is_refused(crops, rows, taxonomy, config):
    with pytest.raises(InputError, match="no linear layer"):
        train(crops, rows, taxonomy, CLASSES, replace(config, lora=True))


def test_several_views_feed_one_head(crops, rows, taxonomy, config):
    two = replace(crops, pixels=np.repeat(crops.pixels, 2, axis=1))
    one_head, two_head = (
        train(world, rows, taxonomy, CLASSES, replace(config, epochs=1)).model.classifier.head for world in (crops, two)
    )
    assert two_head.in_features == 2 * one_head.in_features


def test_a_view_smaller_than_the_input_is_refused(crops, rows, taxonomy, config):
    with pytest.raises(InputError, match=r"train.image_size is 32, above crop.size, 20"):
        train(crops, rows, taxonomy, CLASSES, replace(config, image_size=32))


def test_an_exploding_loss_stops_with_what_to_try(crops, rows, taxonomy, config):
    with pytest.raises(InputError, match=r"loss is (nan|inf).*lower train.lr"):
        train(crops, rows, taxonomy, CLASSES, replace(config, lr=1e30, weight_decay=0.0))
