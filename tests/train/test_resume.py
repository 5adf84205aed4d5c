from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fathomline.config import with_values
from fathomline.train.history import Epoch
from fathomline.train.resume import ResumePoint, load_point, resume_point, save_point
from fathomline.train.train import train
from tests.colored_crops import CLASSES, flip_a_bit, weights, with_one_other_pixel


@pytest.fixture
def point(tmp_path) -> ResumePoint:
    return ResumePoint(tmp_path / "abc.safetensors")


def test_a_state_is_read_as_it_was_written(point):
    state = {"moments": {0: torch.arange(3.0), 1: None}, "epochs": [1, 2.5, "three", None], "average": None, "on": True}
    save_point(state, point.path)
    read = load_point(point.path)
    assert torch.equal(read["moments"].pop(0), torch.arange(3.0))
    assert read == state | {"moments": {1: None}}


def test_figures_that_an_epoch_lacks_are_still_lacking_after_an_interruption(point):
    figures = {field.name: number / 3 for number, field in enumerate(fields(Epoch))}
    lacking = dict.fromkeys(("validation_mhd_degraded", "lora_gradient_norm", "lora_gradient_max"))
    epochs = [Epoch(**figures), Epoch(**(figures | lacking))]
    save_point({"history": [asdict(epoch) for epoch in epochs], "weights": torch.zeros(1)}, point.path)
    assert [Epoch(**epoch) for epoch in load_point(point.path)["history"]] == epochs


def test_a_training_keeps_its_name_until_its_end(point):
    name = point.identity
    assert ResumePoint(point.path).identity == name, "another process asks"
    assert len(name) == 12
    save_point({"weights": torch.zeros(1)}, point.path)
    point.remove()
    assert list(point.path.parent.iterdir()) == []
    assert point.identity != name


def test_two_trainings_have_two_names(point):
    assert point.identity != ResumePoint(point.path.with_name("def.safetensors")).identity


class Interrupted(Exception):
    """Stands for whatever ends a process: nothing after it runs."""


VARIANTS = {
    "plain": {},
    "averaged, mixed, waiting": {
        "optimizer.ema_decay": 0.9,
        "augment.mixup": 0.2,
        "validation.patience": 3,
        "validation.min_delta": 0.5,
        "schedule.warmup_epochs": 1.0,
    },
    "adapters with dropout": {"backbone": "test_vit", "lora.r": 4, "lora.dropout": 0.3},
    "a head on kept features, and a degraded view": {
        "frozen": True,
        "frozen_copies": 2,
        "validation.degraded_size": 5.0,
        "validation.select_on": "degraded",
    },
    "blocks dropped and computed twice": {
        "backbone": "test_vit",
        "drop_path": 0.3,
        "gradient_checkpointing": True,
        "optimizer.layer_decay": 0.8,
    },
    "another optimizer": {
        "optimizer.name": "lamb",
        "schedule.name": "poly",
        "optimizer.clip_norm": 1.0,
        "accumulation": 2,
    },
}


@pytest.mark.parametrize("name", VARIANTS)
def test_an_interrupted_training_goes_on_and_ends_with_the_same_weights(crops, rows, taxonomy, config, tmp_path, name):
    config = with_values(config, epochs=4, **VARIANTS[name])
    undisturbed = train(crops, rows, taxonomy, CLASSES, config)
    told = []

    def interrupting(epoch, _) -> None:
        told.append(epoch.epoch)
        if len(told) in (1, 3):
            raise Interrupted

    point = resume_point(tmp_path, crops, rows, taxonomy, CLASSES, config)
    identity = point.identity
    for _ in range(2):
        with pytest.raises(Interrupted):
            train(crops, rows, taxonomy, CLASSES, config, on_epoch=interrupting, resume=point)
        torch.manual_seed(99)  # another process has drawn otherwise
        assert point.path.exists()
        assert point.identity == identity
    resumed = train(crops, rows, taxonomy, CLASSES, config, on_epoch=interrupting, resume=point)
    assert told == [epoch.epoch for epoch in undisturbed.history], "no epoch twice"
    assert resumed.history == undisturbed.history
    assert resumed.best == undisturbed.best
    assert all(torch.equal(weights(resumed)[key], weights(undisturbed)[key]) for key in weights(undisturbed))
    ended = train(crops, rows, taxonomy, CLASSES, config, on_epoch=interrupting, resume=point)
    assert len(told) == config.epochs, "killed before its model was written, it need not train again"
    assert all(torch.equal(weights(ended)[key], weights(undisturbed)[key]) for key in weights(undisturbed))
    point.remove()
    assert not list(tmp_path.iterdir()), "nothing is left to go on from"
    assert point.identity != identity, "the next training is another one"


def test_another_training_does_not_go_on_from_this_one(crops, rows, taxonomy, config):
    def key(crops=crops, rows=rows, classes=CLASSES, config=config) -> str:
        return resume_point(Path("points"), crops, rows, taxonomy, classes, config).path.name

    pixels = crops.pixels.copy()
    pixels[0, 0, 0, 0, 0] += 1
    relabelled = crops.annotations.assign(label=crops.annotations["label"].replace("Bluefish", "Greenfish"))
    others = [
        key(config=replace(config, lr=1e-3)),
        key(config=replace(config, epochs=4)),
        key(rows=(rows[0][1:], rows[1])),
        key(rows=(rows[0], rows[1][1:])),
        key(classes=CLASSES[::-1]),
        key(crops=replace(crops, pixels=pixels)),
        key(crops=replace(crops, annotations=relabelled)),
    ]
    moved = crops.annotations.assign(w=crops.annotations["w"] + 1)  # and so the degraded view
    others.append(key(crops=replace(crops, annotations=moved)))
    assert len({key(), *others}) == 9
    assert key() == key()


@pytest.mark.parametrize("roi", [0, 1, 2, 500, 998])
def test_one_pixel_of_one_roi_among_a_thousand_makes_another_training(thousand, taxonomy, config, roi):
    rows = np.arange(900), np.arange(900, 1000)
    points = [
        resume_point(Path("points"), world, rows, taxonomy, CLASSES, config)
        for world in (thousand, with_one_other_pixel(thousand, roi))
    ]
    assert points[0] != points[1]


def test_other_pretrained_weights_under_the_same_name_make_another_training(crops, rows, taxonomy, config, tmp_path):
    path = tmp_path / "weights.safetensors"
    points = []
    for body in (b"one", b"other"):
        path.write_bytes(body)
        settings = replace(config, pretrained=str(path))
        points.append(resume_point(tmp_path, crops, rows, taxonomy, CLASSES, settings))
    assert points[0] != points[1]


def test_rows_that_move_from_training_to_validation_make_another_training(crops, taxonomy, config):
    one, other = (
        resume_point(Path("points"), crops, (np.arange(cut), np.arange(cut, 120)), taxonomy, CLASSES, config)
        for cut in (90, 91)
    )
    assert one != other


def test_a_flipped_bit_in_the_state_is_found_and_the_training_starts_over(
    crops, rows, taxonomy, config, tmp_path, capsys
):
    config = replace(config, epochs=2)
    undisturbed = train(crops, rows, taxonomy, CLASSES, config)
    point = resume_point(tmp_path, crops, rows, taxonomy, CLASSES, config)

    def interrupting(epoch, _) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        train(crops, rows, taxonomy, CLASSES, config, on_epoch=interrupting, resume=point)
    capsys.readouterr()
    flip_a_bit(point.path)
    told = []
    resumed = train(
        crops, rows, taxonomy, CLASSES, config, on_epoch=lambda epoch, _: told.append(epoch.epoch), resume=point
    )
    assert told == [1, 2]
    assert resumed.history == undisturbed.history
    assert all(torch.equal(weights(resumed)[key], weights(undisturbed)[key]) for key in weights(undisturbed))
    warned = " ".join(capsys.readouterr().err.split())
    assert warned.startswith(f"warning: train: {point.path} is damaged (its checksum is")
    assert warned.endswith("; the training starts over")
