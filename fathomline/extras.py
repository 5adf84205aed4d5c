"""Which optional packages are installed, without importing them."""

from collections.abc import Sequence
from importlib.util import find_spec

from fathomline.errors import InputError


def missing_packages(packages: Sequence[str]) -> list[str]:
    """Those of `packages` that are not installed."""
    return [name for name in packages if find_spec(name) is None]


def require_packages(packages: Sequence[str], purpose: str, extras: str) -> None:
    """Raise InputError if any of `packages` is missing.

    Args: purpose, what needs them; extras, of the project that install them, separated by commas.
    """
    missing = missing_packages(packages)
    if missing:
        raise InputError(f"{purpose} needs {', '.join(missing)}: `pip install 'fathomline[{extras}]'`")
