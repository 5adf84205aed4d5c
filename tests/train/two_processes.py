"""Runs a job in two processes that train together, and compares their results."""

import multiprocessing
import os
import pickle
import socket
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
import torch
from torch.multiprocessing import start_processes

from fathomline.config import with_values
from fathomline.train.config import TrainConfig
from fathomline.train.distributed import Processes, process_group
from fathomline.train.train import train
from tests.colored_crops import ON_ONE_CORE


class Outcome(NamedTuple):
    """The result of a training."""

    history: list[dict]
    weights: dict[str, torch.Tensor]


@pytest.fixture(scope="module", autouse=True)
def fork_server():
    """Processes are forked from one that has imported everything; otherwise each would take seconds to do so."""
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
    """Calls `job(processes, *arguments)` in each of two processes that train together; returns both results."""

    def call(job: Callable, *arguments: Any) -> list:
        results = [tmp_path / f"result-{rank}.pickle" for rank in range(2)]
        start_processes(_run_rank, (free_port(), results, job, arguments), nprocs=2, start_method="forkserver")
        return [pickle.loads(result.read_bytes()) for result in results]

    return call


def _run_rank(rank: int, port: int, results: list[Path], job: Callable, arguments: tuple) -> None:
    variables = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in variables.items()} | ON_ONE_CORE
    torch.set_num_threads(1)
    with process_group() as processes:
        results[rank].write_bytes(pickle.dumps(job(processes, *arguments)))


def trained_alone(*arguments, **options) -> Outcome:
    trained = train(*arguments, **options)
    return Outcome([asdict(epoch) for epoch in trained.history], trained.model.classifier.state_dict())


def trained_together(processes: Processes, *arguments, **options) -> Outcome:
    return trained_alone(*arguments, **options, processes=processes)


@pytest.fixture
def without_chance(config) -> TrainConfig:
    """Training in which only the order is random, and no ROI depends on others of its batch."""
    return with_values(
        config,
        backbone="test_vit",
        lr=0.01,
        epochs=2,
        optimizer={"name": "sgd"},
        augment={"min_crop": 1.0, "horizontal_flip": False, "vertical_flip": False},
    )


def assert_close(history: list[dict], expected: list[dict], tolerance: float = 1e-4) -> None:
    pd.testing.assert_frame_equal(pd.DataFrame(history), pd.DataFrame(expected), rtol=tolerance, atol=tolerance)


def same_weights(first: Outcome, second: Outcome) -> bool:
    names = first.weights.keys()
    return names == second.weights.keys() and all(
        torch.equal(first.weights[name], second.weights[name]) for name in names
    )
