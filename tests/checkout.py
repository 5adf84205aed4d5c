"""A copy of this repository with a small reef, and the commands that a user runs in it."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

from stages.params import params_text

ROOT = Path(__file__).parent.parent
FRAMES = 64
SMALL = {
    "source": {"reef_frames": FRAMES},
    "split": {"folds": 3, "held_out": [1]},
    "train": {"epochs": 24, "batch_size": 16, "image_size": 32},
    "crop": {"size": 36},
    "bundle": {"onnx": False},
}
"""Parameters of a run that takes seconds. Exporting to ONNX has tests of its own."""


class Checkout:
    """A git repository of its own, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("stages", "fathomline", "reef", "presets"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("dvc.yaml", ".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        (folder / "params.yaml").write_text(params_text())
        self.set_params(SMALL)
        for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "start"]):
            self.git(*command)

    def set_params(self, changes: dict) -> None:
        params = yaml.safe_load((self.folder / "params.yaml").read_text())
        for section, values in changes.items():
            params[section] |= values
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    def run(self, *command: str, fails: bool = False, **variables: str) -> str:
        """Standard output and error of a command, which must fail if `fails`, and succeed otherwise."""
        hidden = ("DVC_", "WANDB_", "GIT_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        environment |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}",
            **variables,
            **{f"GIT_{role}_{field}": "a@b.c" for role in ("AUTHOR", "COMMITTER") for field in ("NAME", "EMAIL")},
        }
        done = subprocess.run(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    def git(self, *arguments: str) -> str:
        return self.run("git", *arguments)

    def dvc(self, *arguments: str, fails: bool = False, **variables: str) -> str:
        return self.run("dvc", *arguments, fails=fails, **variables)

    def restore(self) -> None:
        """Return to the last commit, including outputs."""
        self.git("checkout", "--quiet", ".")
        self.dvc("checkout", "--quiet", "--force")

    def changed_stages(self) -> list[str]:
        """Stages whose code, parameters or inputs differ from those of their last run, sorted."""
        return sorted(json.loads(self.dvc("status", "--json")))

    def wandb_runs(self) -> set[Path]:
        return set((self.folder / "wandb").glob("offline-run-*"))

    def wait_for_queue(self, seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        while re.search(r"Queued|Running", status := self.dvc("queue", "status")):
            assert time.monotonic() < deadline, status
            time.sleep(1)
        assert "Failed" not in status

    def json(self, name: str) -> dict:
        return json.loads((self.folder / name).read_text())


def stages_run(output: str) -> list[str]:
    return re.findall(r"^Running stage '(.+)':$", output, flags=re.MULTILINE)
