"""What training prints where there is no terminal: a line per epoch."""

from dataclasses import replace

import pytest

from fathomline.config import with_values
from fathomline.model.backbone import build
from fathomline.train.distributed import Processes
from fathomline.train.resume import resume_point
from fathomline.train.train import FROZEN_AND_RANDOM, train
from fathomline.train.trainer import Trainer
from tests.colored_crops import CLASSES, Breakdown


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still, but for 150 seconds in each epoch."""
    now = [0.0]
    monkeypatch.setattr("fathomline.progress.monotonic", lambda: now[0])
    epoch = Trainer.epoch

    def slow(trainer, number):
        now[0] += 150.0
        return epoch(trainer, number)

    monkeypatch.setattr(Trainer, "epoch", slow)


def line(epoch, of: int, rest: str = "") -> str:
    figures = f"loss {epoch.train_loss:.3f}, validation MHD {epoch.validation_mhd:.3f}"
    return f"epoch {epoch.epoch} of {of}: {figures}{rest}"


def test_each_epoch_has_a_line_with_loss_mhd_and_time_left(crops, rows, taxonomy, config, clock, capsys):
    trained = train(crops, rows, taxonomy, CLASSES, config)
    first, second, third = trained.history
    assert capsys.readouterr().err.splitlines() == [
        line(first, 3, ", 5 min left"),
        line(second, 3, ", 2 min left"),
        line(third, 3),
    ]


def test_resumed_training_goes_on_counting_epochs(crops, rows, taxonomy, config, tmp_path, clock, capsys):
    point = resume_point(tmp_path, crops, rows, taxonomy, CLASSES, config)

    def interrupt(*_) -> None:
        raise Breakdown

    with pytest.raises(Breakdown):
        train(crops, rows, taxonomy, CLASSES, config, on_epoch=interrupt, resume=point)
    capsys.readouterr()
    trained = train(crops, rows, taxonomy, CLASSES, config, resume=point)
    assert capsys.readouterr().err.splitlines() == [
        "warning: train: resuming after epoch 1",
        line(trained.history[1], 3, ", 2 min left"),
        line(trained.history[2], 3),
    ]


def test_the_line_has_the_mhd_that_chooses_the_epoch(crops, rows, taxonomy, config, capsys):
    validation = {"select_on": "degraded", "degraded_size": 5.0}
    trained = train(crops, rows, taxonomy, CLASSES, with_values(config, epochs=1, validation=validation))
    (epoch,) = trained.history
    expected = f"epoch 1 of 1: loss {epoch.train_loss:.3f}, validation MHD {epoch.validation_mhd_degraded:.3f}"
    assert capsys.readouterr().err == f"{expected} (degraded view)\n"


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("pretrained", [True, False])
def test_a_frozen_backbone_with_random_weights_is_warned_of(
    crops, rows, taxonomy, config, monkeypatch, capsys, frozen, pretrained
):
    def without_hub(architecture, pretrained, drop_path):
        return build(architecture, False, drop_path)

    monkeypatch.setattr("fathomline.train.train.build", without_hub)
    changed = replace(config, epochs=1, frozen=frozen, pretrained=pretrained)
    train(crops, rows, taxonomy, CLASSES, changed)
    warned = f"warning: {FROZEN_AND_RANDOM}" in capsys.readouterr().err.splitlines()
    assert warned == (frozen and not pretrained)
    assert "pretrained: true" in FROZEN_AND_RANDOM


def test_a_process_beside_the_main_one_prints_nothing(crops, rows, taxonomy, config, monkeypatch, capsys):
    monkeypatch.setattr(Processes, "is_main", property(lambda processes: False))
    train(crops, rows, taxonomy, CLASSES, replace(config, epochs=1, frozen=True))
    assert capsys.readouterr().err == ""
