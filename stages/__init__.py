"""The stages of dvc.yaml: each reads its arguments and its params, calls the library, and writes files."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import yaml

from fathomline import progress
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

    Of an absolute path only the last part is kept, as a report may be passed on.
    """
    params = load_params(PARAMS)
    told = {name: {key: _passed_on(value) for key, value in params[name].items()} for name in names if name in params}
    return yaml.safe_dump(told, sort_keys=False, allow_unicode=True)


def _passed_on(value: object) -> object:
    absolute = isinstance(value, str) and Path(value).is_absolute()
    return f"…/{Path(value).name}" if absolute else value


def run(main: Callable[[], None]) -> None:
    """Run a stage; user errors are reported without a traceback."""
    try:
        with _ended_by_sigterm():
            main()
    except InputError as error:
        _stop(str(error))
    except OSError as error:
        _stop(
            f"{error.filename or 'a file of this stage'}: {error.strerror or error}. Correct the cause, "
            "for example free some space, and run `dvc repro` again"
        )
    except KeyboardInterrupt:
        sys.exit(130)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Make SIGTERM end the stage like Ctrl-C, so that it removes its temporary files; a second one ends it at once.

    Of processes that train together, only the first one writes files. The others keep the default, which ends them
    even while they wait in a collective operation, where Python handles no signal.
    """
    writes = os.environ.get("RANK", "0") == "0"
    if not writes or threading.current_thread() is not threading.main_thread():
        yield
        return
    stage = os.getpid()

    def end(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() != stage:
            os.kill(os.getpid(), number)  # a forked process has nothing to clean up
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _stop(message: str) -> None:
    """End this process with `message`. Of processes that train together, most stop for one reason, reported once.

    When the first one has reported it, torchrun ends those that wait. One that stops for another reason reports it
    after the wait.
    """
    before = [os.environ.get(number, "0") != "0" for number in ("RANK", "LOCAL_RANK")]  # on any machine, on this one
    time.sleep(PATIENCE * sum(before))
    progress.error(message)
    sys.exit(1)
