"""Read the file of an input."""

from pathlib import Path

from fathomline.errors import InputError


def read_source(path: Path, expected: str) -> bytes:
    """The content of the file. Raises InputError, naming what was `expected`, if it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected {expected}") from None
    except (OSError, ValueError) as error:  # a path that contains a NUL raises ValueError
        cause = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({cause}); expected {expected}") from None
