"""Two processes share one resume point and one folder of features."""

from dataclasses import replace
from pathlib import Path

import pytest
from torch.multiprocessing import ProcessRaisedException

from fathomline.config import with_values
from fathomline.errors import InputError
from fathomline.train import features
from fathomline.train import train as train_module
from fathomline.train.distributed import Processes
from fathomline.train.resume import ResumePoint, load_point, resume_point
from fathomline.train.train import train
from tests.colored_crops import CLASSES, Breakdown
from tests.train.two_processes import (
    Outcome,
    assert_close,
    same_weights,
    trained_alone,
    trained_together,
)

NOT_SHARED = "the processes see different files in this folder"


def interrupt(epoch, _) -> None:
    if epoch.epoch == 2:
        raise Breakdown


def interrupted(processes: Processes, point: ResumePoint, *world) -> Outcome:
    return trained_together(processes, *world, on_epoch=interrupt, resume=point)


def resumed(processes: Processes, point: ResumePoint, *world) -> Outcome:
    return trained_together(processes, *world, resume=point)


def error_with_separate_points(processes: Processes, point: ResumePoint, *world) -> str:
    if not processes.is_main:
        point = ResumePoint(point.path.with_name("elsewhere"))
    with pytest.raises(InputError) as error:
        train(*world, resume=point, processes=processes)
    return str(error.value)


def test_two_processes_resume_with_the_same_weights(crops, rows, taxonomy, config, in_each, tmp_path):
    changed = with_values(config, epochs=4, accumulation=2, optimizer={"ema_decay": 0.9})
    world = (crops, rows, taxonomy, CLASSES, changed)
    point = resume_point(tmp_path / "points", *world)
    with pytest.raises(ProcessRaisedException, match="Breakdown"):
        in_each(interrupted, point, *world)
    assert len(load_point(point.path)["history"]) == 2
    errors = in_each(error_with_separate_points, point, *world)
    assert len(set(errors)) == 1
    assert errors[0].startswith(f"{point.path.parent}: {NOT_SHARED}")
    for after, undisturbed in zip(in_each(resumed, point, *world), in_each(trained_together, *world), strict=True):
        assert after.history == undisturbed.history
        assert same_weights(after, undisturbed)


def test_two_processes_resume_training_that_one_process_began(crops, rows, taxonomy, without_chance, in_each, tmp_path):
    world = (crops, rows, taxonomy, CLASSES, replace(without_chance, epochs=3))
    point = resume_point(tmp_path / "points", *world)
    with pytest.raises(Breakdown):
        train(*world, on_epoch=interrupt, resume=point)
    first, second = in_each(resumed, point, *world)
    assert same_weights(first, second)
    assert_close(first.history, trained_alone(*world).history)


def error_with_unreadable_state(processes: Processes, point: ResumePoint, *world) -> str:
    if not processes.is_main:
        train_module.load_point = lambda path: None
    with pytest.raises(InputError) as error:
        train(*world, resume=point, processes=processes)
    return str(error.value)


def test_a_state_that_one_process_cannot_read_stops_both(crops, rows, taxonomy, without_chance, in_each, tmp_path):
    world = (crops, rows, taxonomy, CLASSES, replace(without_chance, epochs=3))
    point = resume_point(tmp_path / "points", *world)
    with pytest.raises(Breakdown):
        train(*world, on_epoch=interrupt, resume=point)
    first, second = in_each(error_with_unreadable_state, point, *world)
    assert first == second
    assert NOT_SHARED in first


def trained_on_features(processes: Processes, folder: Path, *world) -> tuple[list[int], Outcome]:
    """The first row of each group whose features this process computed, and the outcome."""
    computed, compute = [], features._compute

    def record(classifier, pixels, rows):
        computed.append(int(rows[0]))
        return compute(classifier, pixels, rows)

    features._compute, features.CHUNK = record, 32
    return computed, trained_together(processes, *world, features=folder)


def test_processes_share_the_computation_of_missing_features(
    crops, rows, taxonomy, without_chance, in_each, tmp_path, monkeypatch
):
    folder = tmp_path / "features"
    config = with_values(without_chance, frozen=True, frozen_copies=0, validation={"degraded_size": 5.0})
    world = (crops, (rows[0], rows[1][:1]), taxonomy, CLASSES, config)
    (first, outcome), (second, other) = in_each(trained_on_features, folder, *world)
    assert (first, second) == ([0, 32], [64, 96])
    assert same_weights(outcome, other)
    assert outcome.history == other.history, "the second process has none of the single held-out ROI"
    monkeypatch.setattr("fathomline.train.features.CHUNK", 32)
    assert_close(outcome.history, trained_alone(*world, features=folder).history)
    for lost in sorted(folder.rglob("*.safetensors"))[:2]:
        lost.unlink()
    (first, _), (second, _) = in_each(trained_on_features, folder, *world)
    assert (first, second) == ([0], [32])


def error_with_separate_features(processes: Processes, folder: Path, *world) -> str:
    if not processes.is_main:
        folder = folder.with_name("elsewhere")
    features.CHUNK = 32
    with pytest.raises(InputError) as error:
        train(*world, features=folder, processes=processes)
    return str(error.value).split(": ", 1)[1]


def test_processes_that_lack_different_features_stop_before_computing_any(
    crops, rows, taxonomy, without_chance, in_each, tmp_path, monkeypatch
):
    monkeypatch.setattr("fathomline.train.features.CHUNK", 32)
    world = (crops, rows, taxonomy, CLASSES, replace(without_chance, frozen=True, frozen_copies=0, epochs=1))
    train(*world, features=tmp_path / "features")
    sorted((tmp_path / "features").rglob("*.safetensors"))[1].unlink()
    first, second = in_each(error_with_separate_features, tmp_path / "features", *world)
    assert first == second
    assert first.startswith(NOT_SHARED)
    assert not (tmp_path / "elsewhere").exists()
