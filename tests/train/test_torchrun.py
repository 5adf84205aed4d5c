"""The train stage under torchrun resumes after a kill."""

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
    """A folder with the inputs of the train stage only."""
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
    inherited = ("WANDB_", "DVC_", "RANK", "WORLD_SIZE", "LOCAL_RANK")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(inherited)}
    environment |= ON_ONE_CORE | {"PYTHONPATH": str(ROOT), "HOME": str(folder)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*TORCHRUN, *command], cwd=folder, env=environment, **pipes)


def kill_with_workers(launcher: subprocess.Popen) -> int:
    """Kill torchrun and all processes that it started; returns the number of the latter."""
    family = [psutil.Process(launcher.pid), *psutil.Process(launcher.pid).children(recursive=True)]
    for process in family:
        process.send_signal(signal.SIGKILL)
    psutil.wait_procs(family, timeout=30)
    launcher.communicate()
    return len(family) - 1


def test_torchrun_resumes_after_a_kill_and_only_the_main_process_prints_and_writes(project):
    killed = torchrun(project, "-m", *STAGE)
    deadline = time.monotonic() + 120
    while not list((project / "training").glob("*.safetensors")):
        assert killed.poll() is None, killed.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert kill_with_workers(killed) >= 2
    assert not (project / "model").exists()
    (state,) = (project / "training").glob("*.safetensors")
    done = len(load_point(state)["history"])
    assert 1 <= done < EPOCHS

    printed, warned = torchrun(project, "-m", *STAGE).communicate(timeout=120)
    assert [line.split(":")[0] for line in printed.splitlines()] == ["train fold 3"]
    resumed, *lines = warned.splitlines()
    assert resumed == f"warning: train: resuming after epoch {done}"
    assert [line.split(":")[0] for line in lines] == [f"epoch {n} of {EPOCHS}" for n in range(done + 1, EPOCHS + 1)]
    history = pd.read_csv(project / "model/history.csv")
    assert history["epoch"].tolist() == list(range(1, EPOCHS + 1))
    assert {path.name for path in (project / "model").iterdir()} == {"history.csv", "model.json", "model.safetensors"}
    assert not list((project / "training").iterdir())
    runs = [folder.name.split("-")[3] for folder in (project / "wandb").glob("offline-run-*")]
    assert len(runs) == 2, "one for each start"
    assert len(set(runs)) == 1, "both belong to one run"
