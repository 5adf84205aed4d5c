"""The stages of dvc.yaml: each reads its arguments and its params, calls the library, and writes files."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from fathomline import progress
from fathomline.config import Section, load_params, load_section
from fathomline.errors import InputError

PARAMS = Path("params.yaml")

REPORT_DELAY = 5.0
"""Seconds that a process waits, when several train together, for the main process to report the error first."""


def params_section(name: str, cls: type[Section]) -> Section:
    """Read and check the section `name` of params.yaml."""
    return load_section(PARAMS, name, cls)


def checkout() -> Path:
    """Return the folder of the user's checkout.

    A queued experiment runs in a folder that DVC deletes; DVC_ROOT is the checkout from which it was queued.
    """
    return Path(os.environ.get("DVC_ROOT", "."))


def report_params(*names: str) -> str:
    """Return those of the sections `names` that params.yaml has, as YAML for the report.

    Absolute paths are cut to their last part, because a report may be shared.
    """
    params = load_params(PARAMS)
    sections = {name: _without_folder(params[name]) for name in names if name in params}
    return yaml.safe_dump(sections, sort_keys=False, allow_unicode=True)


def _without_folder(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_folder(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_without_folder(entry) for entry in value]
    return f"…/{Path(value).name}" if isinstance(value, str) and Path(value).is_absolute() else value


def run(main: Callable[[], None]) -> None:
    """Run a stage; user errors are reported without a traceback."""
    try:
        with _terminated_by_sigterm():
            main()
    except InputError as error:
        _stop(str(error))
    except OSError as error:
        _stop(
            f"{error.filename or 'a file of this stage'}: {error.strerror or error}. Correct the cause, "
            "for example by freeing disk space, and run `dvc repro` again"
        )
    except KeyboardInterrupt:
        sys.exit(130)


@contextmanager
def _terminated_by_sigterm() -> Iterator[None]:
    """Make SIGTERM stop the stage as Ctrl-C does, so that it removes its temporary files; a second one kills it.

    Among processes that train together, only the main process writes files. The others keep the default handler, which
    kills them even in a collective operation, during which Python cannot run a handler.
    """
    writes = os.environ.get("RANK", "0") == "0"
    if not writes or threading.current_thread() is not threading.main_thread():
        yield
        return
    stage = os.getpid()

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() != stage:
            os.kill(os.getpid(), number)  # a forked process has nothing to clean up
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _stop(message: str) -> None:
    """Report `message` and exit with status 1."""
    # Processes that train together usually stop for the same reason, which should be reported once. Those after the
    # main process, and after the first one on their machine, wait, and torchrun terminates them once that one has
    # exited. A process that alone has a reason to stop reports it after the wait.
    delays = sum(os.environ.get(variable, "0") != "0" for variable in ("RANK", "LOCAL_RANK"))
    time.sleep(REPORT_DELAY * delays)
    progress.error(message)
    sys.exit(1)
