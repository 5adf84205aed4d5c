"""Crops that are killed or terminated, or that fill the disk."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from fathomline.crop.crop import crop
from tests.frames import box, crop_config, tree


def many(raw, frames: int = 40, boxes: int = 6) -> Path:
    for image_id in range(3, frames):
        raw.frame(image_id)
    return raw.write([box(10 * i + j, i, [j, 2 * j, 9, 12]) for i in range(1, frames) for j in range(boxes)])


CROP_UNDER_A_SIZE_LIMIT = """
import resource, sys
from pathlib import Path
from fathomline.crop.crop import CropConfig, crop
from fathomline.errors import InputError
if len(sys.argv) > 3:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
config = CropConfig(views=[1.0, 3.0, "frame"], size=16, square=True, padding="edge")
try:
    crop(Path(sys.argv[1]), Path(sys.argv[2]), config, workers=2)
except InputError as error:
    sys.exit(f"error: {error}")
"""


def crop_process(*arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-c", CROP_UNDER_A_SIZE_LIMIT, *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_crop_leaves_no_process_and_does_not_affect_the_next_one(raw, tmp_path):
    folder = many(raw)
    crop(folder, tmp_path / "undisturbed", crop_config(), workers=2)
    delays = random.Random(0)
    for _ in range(5):
        process = crop_process(folder, tmp_path / "killed")
        while process.poll() is None and not list((tmp_path / "killed").glob("rois/*")):
            time.sleep(0.001)
        time.sleep(delays.uniform(0, 0.03))
        workers = psutil.Process(process.pid).children() if process.poll() is None else []
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert not psutil.wait_procs(workers, timeout=10)[1], "all processes exited with their parent"
    crop(folder, tmp_path / "killed", crop_config(), workers=2)
    assert tree(tmp_path / "killed") == tree(tmp_path / "undisturbed")


TERMINATED = """
import sys
from pathlib import Path
from fathomline.crop.crop import CropConfig, crop
from stages import run
config = CropConfig(views=[1.0, 3.0, "frame"], size=16, square=True, padding="edge")
run(lambda: crop(Path(sys.argv[1]), Path(sys.argv[2]), config, workers=2))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
@pytest.mark.parametrize("whole_group", [False, True])
def test_a_terminated_crop_leaves_no_process_and_no_temporary_file(raw, tmp_path, whole_group):
    folder = many(raw, frames=200)
    command = [sys.executable, "-c", TERMINATED, folder, tmp_path / "crops"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2], start_new_session=True)
    while process.poll() is None and len(list((tmp_path / "crops").glob("rois/*"))) < 20:
        time.sleep(0.001)
    workers = psutil.Process(process.pid).children()
    (os.killpg if whole_group else os.kill)(process.pid, signal.SIGTERM)
    errors = process.communicate(timeout=20)[1].decode()
    assert process.returncode == 128 + signal.SIGTERM, errors
    assert not psutil.wait_procs(workers, timeout=10)[1]
    assert not list((tmp_path / "crops").glob(".*"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot limit the size of files")
def test_a_full_disk_is_reported_and_leaves_no_table(raw, tmp_path):
    folder = many(raw)
    process = crop_process(folder, tmp_path / "crops", 50_000)
    message = process.communicate()[1]
    assert process.returncode == 1
    assert message.startswith("error: ")
    assert "File too large; crop stopped. Correct the cause" in message
    assert "Traceback" not in message
    assert not list((tmp_path / "crops").glob("*.csv"))
    crop(folder, tmp_path / "crops", crop_config())
    crop(folder, tmp_path / "undisturbed", crop_config())
    assert tree(tmp_path / "crops") == tree(tmp_path / "undisturbed")
