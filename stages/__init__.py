"""The stages of dvc.yaml: each reads its arguments and its params, calls the library, and writes files."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import yaml

from fathomline.config import load_params, load_section
from fathomline.errors import InputError

PARAMS = Path("params.yaml")

PATIENCE = 5.0
"""Seconds that one of several processes waits for a process before it to say why they stop."""

Section = TypeVar("Section")


def params_section(name: str, cls: type[Section]) -> Section:
    """The section `name` of params.yaml, checked."""
    return load_section(PARAMS, name, cls)


def params_text(*names: str) -> str:
    """The sections `names` of params.yaml that are there, as YAML.

    Of an absolute path only the last part is told, as a report may be passed on.
    """
    params = load_params(PARAMS)
    told = {name: {key: _passed_on(value) for key, value in params[name].items()} for name in names if name in params}
    return yaml.safe_dump(told, sort_keys=False, allow_unicode=True)


def _passed_on(value: object) -> object:
    absolute = isinstance(value, str) and Path(value).is_absolute()
    return f"…/{Path(value).name}" if absolute else value


def run(main: Callable[[], None]) -> None:
    """Run a stage; what the user can mend is told in plain words and without a traceback."""
    try:
        main()
    except InputError as error:
        _stop(f"error: {error}")
    except OSError as error:
        _stop(
            f"error: {error.filename or 'a file of this stage'}: {error.strerror or error}. Mend what is in the way, "
            "for example free some space, and run `dvc repro` again"
        )
    except KeyboardInterrupt:
        sys.exit(130)


def _stop(message: str) -> None:
    """End this process with `message`. Of processes that train together, most stop for one reason, told once.

    When the first one has told it, torchrun ends those that wait. One that stops for a reason of its own tells it then.
    """
    before = [os.environ.get(number, "0") != "0" for number in ("RANK", "LOCAL_RANK")]  # on any machine, on this one
    time.sleep(PATIENCE * sum(before))
    sys.exit(message)
