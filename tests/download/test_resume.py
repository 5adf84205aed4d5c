"""Downloads that are killed, or stopped by a full disk, lose nothing, and a rerun gives the usual result."""

import multiprocessing
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from fathomline.download.download import DownloadConfig, download
from fathomline.errors import InputError
from fathomline.machine import MachineConfig
from fathomline.sources.read_source import SourceRequest
from tests.frames import MACHINE, as_json, dataset, png, tree

FRAMES = 60
CONNECTIONS = 4

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither SIGKILL nor file size limits")


def fetch(url: str, folder: Path) -> None:
    machine = MachineConfig(connections=CONNECTIONS, timeout=10.0, retries=3)
    request = SourceRequest("coco", url)
    download(request, folder, DownloadConfig(), machine=machine, labelled=True, allow_loopback=True)


def copy_with_limit(location: str, frames: str, folder: Path, file_size: int, errors) -> None:
    """Copy from a local folder while no file may grow beyond `file_size` bytes, and send the error."""
    import resource  # which Windows does not have

    resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    try:
        request = SourceRequest("coco", location, frames)
        download(request, folder, DownloadConfig(), machine=MACHINE, labelled=True)
    except InputError as error:
        errors.send(str(error))


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


def kill_during_download(processes, server, folder: Path, after: int, delay: float) -> bool:
    """Start a download and kill it `delay` s after its request number `after`; returns whether it was still running."""
    goal = sum(server.requests.values()) + 1 + after
    process = processes.Process(target=fetch, args=(server.url("/data.json"), folder))
    process.start()
    while sum(server.requests.values()) < goal and process.is_alive():
        time.sleep(0.001)
    time.sleep(delay)
    running = process.is_alive()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    return running


def test_kills_at_random_moments_lose_nothing(processes, many, tmp_path):
    fetch(many.url("/data.json"), tmp_path / "undisturbed")
    random_numbers = random.Random(0)
    for attempt in range(3):
        folder = tmp_path / f"killed-{attempt}"
        many.requests.clear()
        for _ in range(3):
            after, delay = random_numbers.randint(1, 14), random_numbers.uniform(0, 0.02)
            assert kill_during_download(processes, many, folder, after, delay)
        fetch(many.url("/data.json"), folder)
        assert tree(folder) == tree(tmp_path / "undisturbed")
        requests = sum(many.requests[f"/frames/{number}"] for number in range(FRAMES))
        assert FRAMES < requests <= FRAMES + 3 * 2 * CONNECTIONS  # a kill loses at most one frame per thread


def test_killing_one_of_two_runs_does_not_harm_the_other(processes, many, tmp_path):
    fetch(many.url("/data.json"), tmp_path / "undisturbed")
    other = processes.Process(target=fetch, args=(many.url("/data.json"), tmp_path / "shared"))
    other.start()
    kill_during_download(processes, many, tmp_path / "shared", 10, 0.0)
    other.join()
    assert other.exitcode == 0
    fetch(many.url("/data.json"), tmp_path / "shared")
    assert tree(tmp_path / "shared") == tree(tmp_path / "undisturbed")


@pytest.mark.parametrize(("file_size", "stopped_at"), [(500, "dataset.json"), (1500, "raw"), (4000, "images/5.png")])
def test_a_full_disk_stops_the_run_and_the_rerun_completes_it(processes, tmp_path, file_size, stopped_at):
    """The system refuses writes beyond a file size, which stops the JSON, the journal or a frame."""
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(12):
        large = number == 5 and stopped_at == "images/5.png"
        (frames / f"{number}.png").write_bytes(png(number, width=80 if large else 8, height=40))
    images = [{"id": number, "file_name": f"{number}.png"} for number in range(12)]
    (tmp_path / "data.json").write_bytes(as_json(dataset(images, dataset(images)["annotations"][:1])))
    location = str(tmp_path / "data.json")
    errors, sender = processes.Pipe(duplex=False)
    process = processes.Process(
        target=copy_with_limit, args=(location, str(frames), tmp_path / "raw", file_size, sender)
    )
    process.start()
    sender.close()  # so that `recv` fails, not waits, if the process dies
    message = errors.recv()
    process.join()
    assert f"{stopped_at}: File too large; download stopped. The frames fetched so far are kept" in message
    assert not list(tmp_path.rglob("*.part"))
    request = SourceRequest("coco", location, str(frames))
    rerun, _ = (
        download(request, folder, DownloadConfig(), machine=MACHINE, labelled=True)
        for folder in (tmp_path / "raw", tmp_path / "undisturbed")
    )
    assert rerun.reused >= (4 if stopped_at == "images/5.png" else 0)
    assert tree(tmp_path / "raw") == tree(tmp_path / "undisturbed")
