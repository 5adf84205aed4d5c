"""How long work shows that it is alive, and how a stage says in one line what it did."""

import sys
from collections.abc import Iterable

from tqdm import tqdm

from fathomline.errors import visible

_silent = False


def fall_silent() -> None:
    """Say nothing any more: of several processes that do the same work, one speaks for all."""
    global _silent
    _silent = True


def progress(
    items: Iterable | None = None, *, label: str, unit: str, total: int | None = None, initial: int = 0
) -> tqdm:
    """A progress bar on standard error with rate and time left; silent without a terminal.

    `initial`: how many of `total` were done before.
    """
    options = {"leave": False, "disable": True if _silent else None, "dynamic_ncols": True}
    return tqdm(items, total=total, initial=initial, desc=label, unit=unit, **options)


def summary(line: str) -> None:
    """Print the one line by which a stage says what it did."""
    if not _silent:
        print(_printable(line), flush=True)


def warning(line: str) -> None:
    """Print something the user should know and may want to mend, without stopping for it."""
    if not _silent:
        print(f"warning: {_printable(line)}", file=sys.stderr, flush=True)


def error(line: str) -> None:
    """Print why this process stops. It is printed even by a process that fell silent: it may be the only one."""
    print(f"error: {_printable(line)}", file=sys.stderr, flush=True)


def _printable(text: str) -> str:
    """`text` with its line breaks, and all other control characters escaped: names from files may hold any, and a
    terminal obeys them."""
    return "\n".join(visible(line) for line in text.split("\n"))
