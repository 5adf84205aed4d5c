from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fathomline.config import with_values
from fathomline.train.history import Epoch
from fathomline.train.resume import ResumePoint, load_point, resume_point, save_point
from fathomline.train.train import train
from tests.colored_crops import CLASSES, Breakdown, flip_a_bit, weights, with_one_other_pixel


@pytest.fixture
def point(tmp_path) -> ResumePoint:
    return ResumePoint(tmp_path / "abc.safetensors")


def test_a_state_survives_writing_and_reading(point):
    state = {"moments": {0: torch.arange(3.0), 1: None}, "epochs": [1, 2.5, "three", None], "average": None, "on": True}
    save_point(state, point.path)
    read = load_point(point.path)
    assert torch.equal(read["moments"].pop(0), torch.arange(3.0))
    assert read == state | {"moments": {1: None}}


def test_missing_figures_of_an_epoch_survive_writing_and_reading(point):
    figures = {field.name: number / 3 for number, field in enumerate(fields(Epoch))}
    missing = dict.fromkeys(("validation_mhd_degraded", "lora_gradient_norm", "lora_gradient_max"))
    epochs = [Epoch(**figures), Epoch(**(figures | missing))]
    save_point({"history": [asdict(epoch) for epoch in epochs], "weights": torch.zeros(1)}, point.path)
    assert [Epoch(**epoch) for epoch in load_point(point.path)["history"]] == epochs


def test_the_identity_lasts_from_start_to_removal(point):
    assert point.identity is None
    point.start()
    name = point.identity
    ResumePoint(point.path).start()
    assert point.identity == name, "a second start keeps it"
    assert len(name) == 12
    save_point({"weights": torch.zeros(1)}, point.path)
    point.remove()
    assert list(point.path.parent.iterdir()) == []
    point.start()
    assert point.identity != name


def test_two_resume_points_have_different_identities(point):
    other = ResumePoint(point.path.with_name("def.safetensors"))
    point.start()
    other.start()
    assert point.identity != other.identity


VARIANTS = {
    "moving average, mixup, patience": {
        "optimizer.ema_decay": 0.9,
        "augment.mixup": 0.2,
        "validation.patience": 3,
        "validation.min_delta": 0.5,
        "schedule.warmup_epochs": 1.0,
    },
    "adapters with dropout": {"backbone": "test_vit", "lora.r": 4, "lora.dropout": 0.3},
    "frozen backbone, and a degraded view": {
        "frozen": True,
        "frozen_copies": 2,
        "validation.degraded_size": 5.0,
        "validation.select_on": "degraded",
    },
    "drop path and gradient checkpointing": {
        "backbone": "test_vit",
        "drop_path": 0.3,
        "gradient_checkpointing": True,
        "optimizer.layer_decay": 0.8,
    },
    "lamb, poly, clipping": {
        "optimizer.name": "lamb",
        "schedule.name": "poly",
        "optimizer.clip_norm": 1.0,
        "accumulation": 2,
    },
}


@pytest.mark.parametrize("name", VARIANTS)
def test_resumed_training_gives_the_weights_of_uninterrupted_training(crops, rows, taxonomy, config, tmp_path, name):
    config = with_values(config, epochs=4, **VARIANTS[name])
    undisturbed = train(crops, rows, taxonomy, CLASSES, config)
    epochs = []

    def interrupt(epoch, _) -> None:
        epochs.append(epoch.epoch)
        if len(epochs) in (1, 3):
            raise Breakdown

    point = resume_point(tmp_path, crops, rows, taxonomy, CLASSES, config)
    point.start()
    identity = point.identity
    for _ in range(2):
        with pytest.raises(Breakdown):
            train(crops, rows, taxonomy, CLASSES, config, on_epoch=interrupt, resume=point)
        torch.manual_seed(99)  # as a new process would have another state
        assert point.path.exists()
        assert point.identity == identity
    resumed = train(crops, rows, taxonomy, CLASSES, config, on_epoch=interrupt, resume=point)
    assert epochs == [epoch.epoch for epoch in undisturbed.history], "each epoch once"
    assert resumed.history == undisturbed.history
    assert resumed.best == undisturbed.best
    assert all(torch.equal(weights(resumed)[key], weights(undisturbed)[key]) for key in weights(undisturbed))
    repeated = train(crops, rows, taxonomy, CLASSES, config, on_epoch=interrupt, resume=point)
    assert len(epochs) == config.epochs, "a finished training is not repeated"
    assert all(torch.equal(weights(repeated)[key], weights(undisturbed)[key]) for key in weights(undisturbed))
    point.remove()
    assert not list(tmp_path.iterdir())


def test_training_with_other_data_or_params_has_another_resume_point(crops, rows, taxonomy, config):
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
    moved = crops.annotations.assign(w=crops.annotations["w"] + 1)  # changes the degraded view
    others.append(key(crops=replace(crops, annotations=moved)))
    assert len({key(), *others}) == 9
    assert key() == key()


@pytest.mark.parametrize("roi", [0, 500, 998])
def test_one_changed_pixel_gives_another_resume_point(thousand, taxonomy, config, roi):
    rows = np.arange(900), np.arange(900, 1000)
    points = [
        resume_point(Path("points"), world, rows, taxonomy, CLASSES, config)
        for world in (thousand, with_one_other_pixel(thousand, roi))
    ]
    assert points[0] != points[1]


def test_other_pretrained_weights_in_the_same_file_give_another_resume_point(crops, rows, taxonomy, config, tmp_path):
    path = tmp_path / "weights.safetensors"
    points = []
    for body in (b"one", b"other"):
        path.write_bytes(body)
        settings = replace(config, pretrained=str(path))
        points.append(resume_point(tmp_path, crops, rows, taxonomy, CLASSES, settings))
    assert points[0] != points[1]


def test_another_split_of_the_rows_gives_another_resume_point(crops, taxonomy, config):
    one, other = (
        resume_point(Path("points"), crops, (np.arange(cut), np.arange(cut, 120)), taxonomy, CLASSES, config)
        for cut in (90, 91)
    )
    assert one != other


def test_a_damaged_state_is_reported_and_training_starts_again(crops, rows, taxonomy, config, tmp_path, capsys):
    config = replace(config, epochs=2)
    undisturbed = train(crops, rows, taxonomy, CLASSES, config)
    point = resume_point(tmp_path, crops, rows, taxonomy, CLASSES, config)

    def interrupt(epoch, _) -> None:
        raise Breakdown

    with pytest.raises(Breakdown):
        train(crops, rows, taxonomy, CLASSES, config, on_epoch=interrupt, resume=point)
    capsys.readouterr()
    flip_a_bit(point.path)
    epochs = []
    resumed = train(
        crops, rows, taxonomy, CLASSES, config, on_epoch=lambda epoch, _: epochs.append(epoch.epoch), resume=point
    )
    assert epochs == [1, 2]
    assert resumed.history == undisturbed.history
    assert all(torch.equal(weights(resumed)[key], weights(undisturbed)[key]) for key in weights(undisturbed))
    warned = capsys.readouterr().err.splitlines()[0]
    assert warned.startswith(f"warning: train: {point.path} is damaged (its checksum is")
    assert warned.endswith("; starting again from the first epoch")
