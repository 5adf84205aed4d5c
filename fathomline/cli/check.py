"""`fathomline check`: what will stop or surprise a run of the pipeline, told before it starts."""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from fathomline.errors import InputError
from fathomline.extras import require_packages

SCRIPT = Path("stages/check.py")

NEEDED = ("fathomnet",)


def add_parser(commands: Any) -> None:
    """Args: commands, what `add_subparsers` returned."""
    parser = commands.add_parser(
        "check",
        help="tell what will stop or surprise a run of the pipeline, before it starts",
        description="Read params.yaml and the annotations that it names, and print everything that will stop a stage "
        "or may surprise, and what the run will take. Nothing is fetched or written. Run it in the folder of the "
        "repository. The exit status is 1 if anything will stop a stage.",
    )
    parser.set_defaults(run=_check)


def _check(parsed: argparse.Namespace) -> int:
    """Run the script of the checkout, which knows the parameters, in a process of its own."""
    if not SCRIPT.is_file():
        raise InputError(
            f"{SCRIPT}: no such file in {Path.cwd()}; `fathomline check` needs the repository of fathomline: run it in "
            "its folder, where params.yaml is"
        )
    require_packages(NEEDED, "check", "pipeline")
    return min(1, abs(subprocess.run([sys.executable, "-m", "stages.check"], check=False).returncode))
