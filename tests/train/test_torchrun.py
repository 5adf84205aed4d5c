"""The train stage under torchrun: killed, gone on with, and what it says once for all processes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import yaml

from fathomline.files import write_csv
from fathomline.taxonomy.reference import write_reference
from fathomline.train.resume import load_point
from tests.colored_crops import ON_ONE_CORE
from tests.crops import write_crops

ROOT = Path(__file__).parents[2]
EPOCHS = 10


@pytest.fixture
def project(crops, taxonomy, config, tmp_path) -> Path:
    """A folder with what the train stage reads, and nothing else."""
    folder = tmp_path / "project"
    write_crops(crops, folder / "crops")
    write_reference(taxonomy, folder / "taxonomy.json")
    folds = crops.annotations[["annotation_id"]].assign(
        fold=np.arange(len(crops.annotations)) // 30, group=crops.annotations["image_id"]
    )
    write_csv(folds, folder / "split.csv")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["train"] |= asdict(replace(config, epochs=EPOCHS))
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


TORCHRUN = [shutil.which("torchrun", path=Path(sys.executable).parent), "--standalone", "--nproc-per-node", "2"]
STAGE = ["stages.train", "crops", "taxonomy.json", "split.csv", "model", "training", "features", "--fold", "3"]


def torchrun(folder: Path, *command: str) -> subprocess.Popen:
    theirs = ("WANDB_", "DVC_", "RANK", "WORLD_SIZE", "LOCAL_RANK")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    environment |= ON_ONE_CORE | {"PYTHONPATH": str(ROOT), "HOME": str(folder)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*TORCHRUN, *command], cwd=folder, env=environment, **pipes)


def kill_with_workers(launcher: subprocess.Popen) -> int:
    """kill -9 for torchrun and all that it started; returns how many these were."""
    family = [psutil.Process(launcher.pid), *psutil.Process(launcher.pid).children(recursive=True)]
    for process in family:
        process.send_signal(signal.SIGKILL)
    psutil.wait_procs(family, timeout=30)
    launcher.communicate()
    return len(family) - 1


def test_killed_torchrun_goes_on_and_the_first_process_speaks_and_writes_for_both(project):
    killed = torchrun(project, "-m", *STAGE)
    patience = time.monotonic() + 120
    while not list((project / "training").glob("*.safetensors")):
        assert killed.poll() is None, killed.communicate()
        assert time.monotonic() < patience
        time.sleep(0.02)
    assert kill_with_workers(killed) >= 2
    assert not (project / "model").exists()
    (state,) = (project / "training").glob("*.safetensors")
    done = len(load_point(state)["history"])
    assert 1 <= done < EPOCHS

    told, complained = torchrun(project, "-m", *STAGE).communicate(timeout=120)
    assert [line.split(":")[0] for line in told.splitlines()] == ["train fold 3"]
    assert complained.splitlines() == [f"warning: train: resuming after epoch {done}"]
    history = pd.read_csv(project / "model/history.csv")
    assert history["epoch"].tolist() == list(range(1, EPOCHS + 1))
    assert {path.name for path in (project / "model").iterdir()} == {"history.csv", "model.json", "model.safetensors"}
    assert not list((project / "training").iterdir())
    runs = [folder.name.split("-")[3] for folder in (project / "wandb").glob("offline-run-*")]
    assert len(runs) == 2, "one each time"
    assert len(set(runs)) == 1, "and both of one run"


STOPPING = """
import os, time
from fathomline.errors import InputError
from stages import run

def stage():
    if os.environ["RANK"] == "0":
        time.sleep(0.5)  # the last to see it
    raise InputError("train.backbone is 'no_such'; expected a model of timm")

run(stage)
"""


def test_what_stops_both_processes_is_told_once(project):
    (project / "stopping.py").write_text(STOPPING)
    launcher = torchrun(project, "stopping.py")
    told, complained = launcher.communicate(timeout=60)
    assert launcher.returncode != 0
    assert told == ""
    assert complained.count("error: train.backbone is 'no_such'; expected a model of timm") == 1
