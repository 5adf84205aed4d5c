"""Run the stages of dvc.yaml one after the other in this process: PyTorch is imported once, not once per stage."""

import importlib
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from fathomline import cli
from stages.params import params_text

ROOT = Path(__file__).parent.parent


class Run:
    """The stages in a folder of their own, with the default parameters and some changed ones."""

    def __init__(self, folder: Path, changes: dict[str, dict]) -> None:
        self.folder = folder
        folder.mkdir()
        params = yaml.safe_load(params_text())
        for section, values in changes.items():
            params[section] |= values
        self.params = params
        (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    def stages(self, *names: str) -> None:
        """Run these stages; without names, all of them, in the order of dvc.yaml. SystemExit if one stops."""
        stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
        with _inside(self.folder):
            for name in names or stages:
                for command in self._commands(stages[name]):
                    module, *arguments = command[command.index("-m") + 1 :]
                    sys.argv = [module, *arguments]
                    importlib.import_module(module).main()

    def fathomline(self, *arguments: str) -> int:
        """Run the command line in the folder; returns its exit status."""
        with _inside(self.folder):
            return cli.main(arguments)

    def _commands(self, stage: dict) -> Iterator[list[str]]:
        """The words of the stage's command, once for each value of its matrix."""
        [(key, values)] = (stage.get("matrix") or {"none": [""]}).items()
        if isinstance(values, str):
            values = self.params["split"]["held_out"]
        for value in values:
            command = stage["cmd"].replace(f"${{item.{key}}}", str(value))
            # Training is `sh -c '… -m stages.train "$@"' train ARGUMENTS`.
            command = re.sub(r"^sh -c '.*' train ", "python -m stages.train ", command, flags=re.DOTALL)
            yield shlex.split(command)


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before, arguments = os.getcwd(), sys.argv
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        sys.argv = arguments
