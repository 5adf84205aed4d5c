"""The stages of dvc.yaml: each reads its arguments and its params, calls the library, and writes files."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fathomline.config import load_section
from fathomline.errors import InputError

PARAMS = Path("params.yaml")

Section = TypeVar("Section")


def params_section(name: str, cls: type[Section]) -> Section:
    """The section `name` of params.yaml, checked."""
    return load_section(PARAMS, name, cls)


def run(main: Callable[[], None]) -> None:
    """Run a stage; what the user can mend is told in plain words and without a traceback."""
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(
            f"error: {error.filename or 'a file of this stage'}: {error.strerror or error}. Mend what is in the way, "
            "for example free some space, and run `dvc repro` again"
        )
    except KeyboardInterrupt:
        sys.exit(130)
