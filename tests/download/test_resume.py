"""Downloads that are killed at any moment lose nothing, and end as if they had not been."""

import multiprocessing
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from fathomline.download.download import download
from tests.frames import as_json, dataset, download_config, png, tree

FRAMES = 60
WORKERS = 4

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")


def bring(url: str, folder: Path) -> None:
    download(url, None, folder, download_config(workers=WORKERS, timeout=10.0), labelled=True, allow_loopback=True)


@pytest.fixture(scope="module")
def processes():
    """Starts Python once and forks it from there, without the threads of this process."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


@pytest.fixture
def many(server):
    images = [{"id": number, "coco_url": f"frames/{number}"} for number in range(FRAMES)]
    server.routes["/data.json"] = as_json(dataset(images))
    server.routes |= {f"/frames/{number}": png(number) for number in range(FRAMES)}
    server.delay = 0.005
    return server


def kill_in_the_middle(processes, server, folder: Path, after: int, pause: float) -> bool:
    """Run a download and kill it once `after` more frames were asked for; tells whether it was still running."""
    goal = sum(server.requests.values()) + 1 + after
    process = processes.Process(target=bring, args=(server.url("/data.json"), folder))
    process.start()
    while sum(server.requests.values()) < goal and process.is_alive():
        time.sleep(0.001)
    time.sleep(pause)
    running = process.is_alive()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    return running


def test_kills_at_random_moments_lose_nothing(processes, many, tmp_path):
    bring(many.url("/data.json"), tmp_path / "undisturbed")
    chance = random.Random(0)
    kills = 0
    for attempt in range(5):
        folder = tmp_path / f"killed-{attempt}"
        many.requests.clear()
        for _ in range(4):
            kills += kill_in_the_middle(processes, many, folder, chance.randint(1, 14), chance.uniform(0, 0.02))
        bring(many.url("/data.json"), folder)
        assert tree(folder) == tree(tmp_path / "undisturbed")
        asked = sum(many.requests[f"/frames/{number}"] for number in range(FRAMES))
        assert FRAMES < asked <= FRAMES + 4 * 2 * WORKERS  # a kill loses at most what each thread had in its hands
    assert kills == 20


def test_a_kill_while_another_run_goes_on_does_not_harm_it(processes, many, tmp_path):
    bring(many.url("/data.json"), tmp_path / "undisturbed")
    other = processes.Process(target=bring, args=(many.url("/data.json"), tmp_path / "both"))
    other.start()
    kill_in_the_middle(processes, many, tmp_path / "both", 10, 0.0)
    other.join()
    assert other.exitcode == 0
    bring(many.url("/data.json"), tmp_path / "both")
    assert tree(tmp_path / "both") == tree(tmp_path / "undisturbed")
