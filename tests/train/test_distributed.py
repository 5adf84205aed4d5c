"""One training on two processes: what it shares with the same training on one, and what only the first one does."""

import multiprocessing
import os
import pickle
import re
import socket
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.multiprocessing import ProcessRaisedException, start_processes

from fathomline.config import with_values
from fathomline.errors import InputError
from fathomline.train import features, inputs
from fathomline.train import train as trainer
from fathomline.train.config import TrainConfig
from fathomline.train.distributed import ALONE, Processes, joined
from fathomline.train.history import Trained
from fathomline.train.resume import ResumePoint, load_point, resume_point
from fathomline.train.train import train
from tests.colored_crops import CLASSES, ON_ONE_CORE, flip_a_bit
from tests.crops import with_views

Outcome = tuple[list[dict], dict[str, torch.Tensor]]
"""The curves and the weights of a training."""


def outcome(trained: Trained) -> Outcome:
    return [asdict(epoch) for epoch in trained.history], trained.model.classifier.state_dict()


@pytest.fixture(scope="module", autouse=True)
def one_server_to_fork_from():
    """Processes are forked from one that has imported everything, or each would take seconds to do so."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ON_ONE_CORE.items():
            patch.setenv(name, value)
        multiprocessing.set_forkserver_preload([__name__, "peft"])
        yield


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def in_each(tmp_path) -> Callable[..., list]:
    """Calls `job(processes, *arguments)` in each of two processes that train together; gives both answers."""

    def call(job: Callable, *arguments: Any) -> list:
        answers = [tmp_path / f"answer-{rank}.pickle" for rank in range(2)]
        start_processes(_one_of_two, (free_port(), answers, job, arguments), nprocs=2, start_method="forkserver")
        return [pickle.loads(answer.read_bytes()) for answer in answers]

    return call


def _one_of_two(rank: int, port: int, answers: list[Path], job: Callable, arguments: tuple) -> None:
    named = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in named.items()} | ON_ONE_CORE
    torch.set_num_threads(1)
    with joined() as processes:
        answers[rank].write_bytes(pickle.dumps(job(processes, *arguments)))


def trained_together(processes: Processes, *arguments, **options) -> Outcome:
    return outcome(train(*arguments, **options, processes=processes))


@pytest.fixture
def still(config) -> TrainConfig:
    """A training in which nothing is drawn but the order, and no ROI depends on another of its batch."""
    return with_values(
        config,
        backbone="test_vit",
        lr=0.01,
        epochs=2,
        optimizer={"name": "sgd"},
        augment={"min_crop": 1.0, "horizontal_flip": False, "vertical_flip": False},
    )


def agree(some: list[dict], others: list[dict], tolerance: float) -> None:
    pd.testing.assert_frame_equal(pd.DataFrame(some), pd.DataFrame(others), rtol=tolerance, atol=tolerance)


def same_weights(outcomes: list[Outcome]) -> bool:
    (_, first), (_, second) = outcomes
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


VARIANTS = {
    "plain": {},
    "in parts": {"accumulation": 2},
    "an odd batch": {"batch_size": 15},
    "odd parts of an odd batch, clipped": {"batch_size": 15, "accumulation": 3, "optimizer.clip_norm": 0.1},
    "activations computed twice": {"gradient_checkpointing": True, "optimizer.layer_decay": 0.8},
    "a moving average, and a degraded view": {
        "optimizer.ema_decay": 0.9,
        "validation.degraded_size": 5.0,
        "validation.select_on": "degraded",
    },
    "adapters": {"lora.r": 4},
    "rare concepts weigh more": {"loss.class_balance": 1.0, "loss.rank_cross_entropy": 1.0},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_two_processes_learn_what_one_learns(crops, rows, taxonomy, still, in_each, name):
    world = (crops, rows, taxonomy, CLASSES, with_values(still, **VARIANTS[name]))
    (curves, weights), other = both = in_each(trained_together, *world)
    assert same_weights(both)
    assert curves == other[0]
    alone_curves, alone_weights = outcome(train(*world))
    agree(curves, alone_curves, 1e-4)
    for key, weight in alone_weights.items():
        torch.testing.assert_close(weights[key], weight, rtol=1e-4, atol=1e-4)


def test_two_backbones_whose_views_attend_to_each_other_learn_what_one_process_learns(
    crops, rows, taxonomy, still, in_each
):
    two_views = with_views(crops, 1.0, 3.0, pixels=np.concatenate([crops.pixels, 255 - crops.pixels], axis=1))
    config = replace(still, epochs=1, fusion="attention", separate_backbones=True, accumulation=2)
    world = (two_views, rows, taxonomy, CLASSES, config)
    both = in_each(trained_together, *world)
    assert same_weights(both)
    agree(both[0][0], outcome(train(*world))[0], 1e-4)


def test_augmented_batch_norms_learn_alike_and_end_the_same_in_both_processes(crops, rows, taxonomy, config, in_each):
    # In pairs, two processes mix 16 of a batch of 18.
    world = (
        crops,
        rows,
        taxonomy,
        CLASSES,
        with_values(config, epochs=6, batch_size=18, optimizer={"ema_decay": 0.9}, augment={"mixup": 0.2}),
    )
    both = in_each(trained_together, *world)
    assert same_weights(both)
    assert both[0][0] == both[1][0]
    curves, alone = (pd.DataFrame(told) for told in (both[0][0], outcome(train(*world))[0]))
    assert np.abs(curves["train_loss"] - alone["train_loss"]).max() < 0.4
    assert np.abs(curves["validation_cross_entropy"] - alone["validation_cross_entropy"]).max() < 0.3
    assert max(curves["validation_mhd"].iloc[-1], alone["validation_mhd"].iloc[-1]) < 1.0, "both have learned"


def seen_and_told(processes: Processes, *world) -> dict:
    seen, seeds, told, augmented = [], set(), [], inputs.augmented

    def noting(pixels, rows, spans, config, generator, device):
        seen.append(rows.tolist())
        seeds.add(generator.initial_seed())
        return augmented(pixels, rows, spans, config, generator, device)

    inputs.augmented = noting
    train(*world, on_epoch=lambda epoch, _: told.append(epoch.epoch), processes=processes)
    return {"seen": seen, "seeds": seeds, "told": told}


def test_each_process_draws_for_its_own_share_and_the_first_one_tells(crops, rows, taxonomy, config, in_each):
    first, second = in_each(seen_and_told, crops, rows, taxonomy, CLASSES, replace(config, epochs=2, batch_size=30))
    batches = [some + others for some, others in zip(first["seen"], second["seen"], strict=True)]
    assert [len(batch) for batch in batches] == [30] * 6
    for epoch in (batches[:3], batches[3:]):
        assert sorted(row for batch in epoch for row in batch) == rows[0].tolist()
    assert len(first["seeds"] | second["seeds"]) == 4, "two epochs, two processes"
    assert (first["told"], second["told"]) == ([1, 2], [])


def test_both_processes_stop_early_in_the_same_epoch(crops, rows, taxonomy, still, in_each):
    hopeless = with_values(still, epochs=6, validation={"patience": 2, "min_delta": 100.0})
    both = in_each(trained_together, crops, rows, taxonomy, CLASSES, hopeless)
    assert [len(curves) for curves, _ in both] == [3, 3]


def numbers_exchanged(processes: Processes) -> dict:
    rows = np.arange(7) + 10
    share = torch.from_numpy(np.repeat(processes.share(rows)[:, None], 2, axis=1).astype(np.float32))
    return {
        "share": processes.share(rows).tolist(),
        "gathered": processes.all_gather(share, len(rows)),
        "few": processes.all_gather(share[: int(processes.first)], 1),
        "total": processes.all_reduce(torch.tensor([1.0, 10.0 * processes.rank])).tolist(),
        "alike": (processes.alike(3), processes.alike(processes.rank)),
        "device": processes.device().type,
    }


def test_two_processes_put_their_shares_together(in_each):
    first, second = in_each(numbers_exchanged)
    assert (first.pop("share"), second.pop("share")) == ([10, 11, 12, 13], [14, 15, 16])
    for told in (first, second):
        assert told["gathered"].tolist() == [[number, number] for number in range(10, 17)]
        assert told["few"].tolist() == [[10, 10]], "of one row, the second process has none"
        assert told["total"] == [2.0, 10.0]
        assert told["alike"] == (True, False)
        assert told["device"] == "cpu"


def test_one_process_has_it_all():
    rows, values = np.arange(5), torch.arange(5.0)
    assert ALONE.first
    assert ALONE.share(rows).tolist() == rows.tolist()
    assert ALONE.all_gather(values, 5) is values
    assert ALONE.all_reduce(values) is values
    assert ALONE.alike(3)
    with joined() as processes:
        assert processes is ALONE, "nothing in the environment says otherwise"


@given(st.integers(0, 40), st.integers(1, 9))
def test_every_row_is_dealt_to_one_process_in_order_and_evenly(count, processes):
    rows = np.random.default_rng(count).permutation(count)
    shares = [Processes(rank, processes).share(rows) for rank in range(processes)]
    assert np.concatenate(shares).tolist() == rows.tolist()
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"batch_size": 3}, r"a batch of 3 ROIs \(train.batch_size is 3; .* into 2 parts by 2 process"),
        ({"batch_size": 7, "accumulation": 2}, r"a batch of 7 ROIs .* into 4 parts .* train.accumulation 2"),
        ({"batch_size": 500, "accumulation": 23}, r"a batch of 90 ROIs .*there are 90 to train on"),
    ],
)
def test_a_batch_too_small_for_the_processes_is_refused(crops, rows, taxonomy, config, changes, says):
    with pytest.raises(InputError, match=says):
        train(crops, rows, taxonomy, CLASSES, with_values(config, **changes), processes=Processes(0, 2))


def on_features(processes: Processes, folder: Path, *world) -> tuple[list[int], Outcome]:
    """The first rows of the chunks that this process computed, and what it learned."""
    computed, compute = [], features._compute

    def noting(classifier, crops, rows, *others):
        computed.append(int(rows[0]))
        return compute(classifier, crops, rows, *others)

    features._compute, features.CHUNK = noting, 32
    return computed, trained_together(processes, *world, features=folder)


def test_features_are_computed_once_and_shared(crops, rows, taxonomy, still, in_each, tmp_path, monkeypatch):
    folder, config = (
        tmp_path / "features",
        with_values(still, frozen=True, frozen_copies=0, validation={"degraded_size": 5.0}),
    )
    world = (crops, (rows[0], rows[1][:1]), taxonomy, CLASSES, config)
    (first, here), (second, there) = in_each(on_features, folder, *world)
    assert (first, second) == ([0, 32], [64, 96])
    assert same_weights([here, there])
    assert here[0] == there[0], "of one held-out ROI, the second process has none"
    monkeypatch.setattr("fathomline.train.features.CHUNK", 32)
    agree(here[0], outcome(train(*world, features=folder))[0], 1e-4)
    for lost in sorted(folder.rglob("*.safetensors"))[:2]:
        lost.unlink()
    (first, _), (second, _) = in_each(on_features, folder, *world)
    assert (first, second) == ([0], [32]), "what an interruption left undone is shared anew"


def with_a_folder_each(processes: Processes, point: ResumePoint, *world) -> str:
    if not processes.first:
        point = ResumePoint(point.path.with_name("elsewhere"))
    with pytest.raises(InputError) as refused:
        train(*world, resume=point, processes=processes)
    return str(refused.value)


def exploding(processes: Processes, *world) -> str:
    with pytest.raises(InputError) as refused:
        train(*world, processes=processes)
    return str(refused.value)


def test_what_stops_one_process_stops_both(crops, rows, taxonomy, still, in_each):
    wild = with_values(still, lr=1e30, optimizer={"weight_decay": 0.0})
    first, second = in_each(exploding, crops, rows, taxonomy, CLASSES, wild)
    assert first == second
    assert re.search("the loss is (nan|inf).*lower train.lr", first)


class Interrupted(Exception):
    """Stands for whatever ends a process: nothing after it runs."""


def interrupting(epoch, _) -> None:
    if epoch.epoch == 2:
        raise Interrupted


def interrupted(processes: Processes, point: ResumePoint, *world) -> Outcome:
    return trained_together(processes, *world, on_epoch=interrupting, resume=point)


def gone_on_with(processes: Processes, point: ResumePoint, *world) -> Outcome:
    return trained_together(processes, *world, resume=point)


def test_an_interrupted_training_of_two_ends_with_the_same_weights(crops, rows, taxonomy, config, in_each, tmp_path):
    world = (
        crops,
        rows,
        taxonomy,
        CLASSES,
        with_values(config, epochs=4, accumulation=2, optimizer={"ema_decay": 0.9}),
    )
    point = resume_point(tmp_path / "points", *world)
    with pytest.raises(ProcessRaisedException, match="Interrupted"):
        in_each(interrupted, point, *world)
    assert len(load_point(point.path)["history"]) == 2
    answers = in_each(with_a_folder_each, point, *world)
    assert len(set(answers)) == 1
    assert "machines that train together must share the project's folder" in answers[0]
    resumed, undisturbed = in_each(gone_on_with, point, *world), in_each(trained_together, *world)
    for some, others in zip(resumed, undisturbed, strict=True):
        assert some[0] == others[0]
        assert same_weights([some, others])


def test_a_damaged_state_is_found_by_both_processes_and_both_start_over(
    crops, rows, taxonomy, still, in_each, tmp_path
):
    world = (crops, rows, taxonomy, CLASSES, still)
    point = resume_point(tmp_path / "points", *world)
    with pytest.raises(Interrupted):
        train(*world, on_epoch=interrupting, resume=point)
    flip_a_bit(point.path)
    both, undisturbed = in_each(gone_on_with, point, *world), in_each(trained_together, *world)
    for some, others in zip(both, undisturbed, strict=True):
        assert some[0] == others[0]
        assert same_weights([some, others])


def seeing_damage_in_one_process(processes: Processes, point: ResumePoint, *world) -> str:
    if not processes.first:
        trainer.load_point = lambda path: None
    with pytest.raises(InputError) as refused:
        train(*world, resume=point, processes=processes)
    return str(refused.value)


def test_a_state_that_one_process_cannot_read_stops_both(crops, rows, taxonomy, still, in_each, tmp_path):
    world = (crops, rows, taxonomy, CLASSES, replace(still, epochs=3))
    point = resume_point(tmp_path / "points", *world)
    with pytest.raises(Interrupted):
        train(*world, on_epoch=interrupting, resume=point)
    first, second = in_each(seeing_damage_in_one_process, point, *world)
    assert first == second
    assert "not all processes see the same files" in first


def missing_other_features(processes: Processes, folder: Path, *world) -> str:
    if not processes.first:
        folder = folder.with_name("elsewhere")
    features.CHUNK = 32
    with pytest.raises(InputError) as refused:
        train(*world, features=folder, processes=processes)
    return str(refused.value).split(": ", 1)[1]


def test_processes_that_miss_different_features_stop_before_they_compute_any(
    crops, rows, taxonomy, still, in_each, tmp_path, monkeypatch
):
    monkeypatch.setattr("fathomline.train.features.CHUNK", 32)
    world = (crops, rows, taxonomy, CLASSES, replace(still, frozen=True, frozen_copies=0, epochs=1))
    train(*world, features=tmp_path / "features")
    sorted((tmp_path / "features").rglob("*.safetensors"))[1].unlink()
    first, second = in_each(missing_other_features, tmp_path / "features", *world)
    assert first == second
    assert first.startswith("not all processes see the same files")
    assert not (tmp_path / "elsewhere").exists()


def test_a_training_interrupted_on_one_process_goes_on_with_two(crops, rows, taxonomy, still, in_each, tmp_path):
    world = (crops, rows, taxonomy, CLASSES, replace(still, epochs=3))
    point = resume_point(tmp_path / "points", *world)
    with pytest.raises(Interrupted):
        train(*world, on_epoch=interrupting, resume=point)
    both = in_each(gone_on_with, point, *world)
    assert same_weights(both)
    agree(both[0][0], outcome(train(*world))[0], 1e-4)
