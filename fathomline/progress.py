"""Progress reporting for long-running work, and the messages that a stage prints."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

from fathomline.errors import visible

Item = TypeVar("Item")

_muted = False


def mute() -> None:
    """Print only errors from now on. Used by all but one of several processes that do the same work."""
    global _muted
    _muted = True


def progress(
    items: Iterable[Item] = (), *, label: str, unit: str, total: int | None = None, initial: int = 0
) -> "tqdm[Item]":
    """Return a progress bar over `items`, on standard error, with rate and time left. It needs a terminal.

    Args:
        items: the work; leave it out to advance the bar with `update`.
        total: number of items, if `items` has no length.
        initial: how many of `total` were done before.
    """
    return tqdm(
        items,
        total=total,
        initial=initial,
        desc=label,
        unit=unit,
        leave=False,
        disable=True if _muted or sys.stderr is None else None,  # None: unless standard error is a terminal
        dynamic_ncols=True,
    )


def summary(line: str) -> None:
    """Print the line in which a stage says what it did."""
    if not _muted:
        print(_printable(line), flush=True)


def warning(line: str) -> None:
    """Print a problem that the user may want to correct but that does not stop the stage."""
    if not _muted:
        print(f"warning: {_printable(line)}", file=sys.stderr, flush=True)


def error(line: str) -> None:
    """Print why this process stops, even if it is muted: it may be the only one to stop."""
    print(f"error: {_printable(line)}", file=sys.stderr, flush=True)


def _printable(text: str) -> str:
    """Escape control characters except line breaks: names from files may contain them, and a terminal obeys them."""
    return "\n".join(visible(line) for line in text.split("\n"))
