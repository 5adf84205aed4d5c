"""Progress reporting for long-running work, and the messages that a stage prints."""

import sys
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any, Literal, TypeVar

from tqdm import tqdm

from fathomline.errors import visible

Item = TypeVar("Item")

LINE_INTERVAL = 30.0
"""Without a terminal, seconds between two lines about the same work."""

_muted = False


def mute() -> None:
    """Print only errors from now on. Used by all but one of several processes that do the same work."""
    global _muted
    _muted = True


def progress(
    items: Iterable[Item] = (), *, label: str, unit: str, total: int | None = None, initial: int = 0
) -> "tqdm[Item]":
    """Return a progress bar over `items`, on standard error, with rate and time left.

    Without a terminal, as in a log file, it prints a line with the same figures at most every `LINE_INTERVAL` seconds,
    and none for work that ends sooner.

    Args:
        items: the work; leave it out to advance the bar with `update`.
        unit: what is counted, in the singular.
        total: number of items, if `items` has no length.
        initial: how many of `total` were done before.
    """
    match _where():
        case "terminal":
            return _bar(items, label, unit, total, initial)
        case "log":
            return _Lines(items, label, unit, total, initial)
        case "nowhere":
            return tqdm(items, disable=True)


class Steps:
    """Progress of work in a few long steps, each with figures of its own, such as the epochs of training.

    In a terminal it is a bar on standard error. Without one, each step gets a line with its figures and the time left.
    Use it in a `with` statement, which ends the bar.
    """

    def __init__(self, *, label: str, unit: str, total: int, initial: int = 0, silent: bool = False) -> None:
        """Start the clock.

        Args:
            unit: what a step is, in the singular.
            total: number of steps.
            initial: how many of `total` were done before.
            silent: show nothing, because another process reports the same steps.
        """
        self._unit, self._total, self._initial, self._done = unit, total, initial, initial
        self._start = monotonic()
        where = "nowhere" if silent else _where()
        self._has_lines = where == "log"
        self._bar: tqdm[Any] = _bar((), label, unit, total, initial) if where == "terminal" else tqdm((), disable=True)

    def __enter__(self) -> "Steps":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def finished(self, figures: str) -> None:
        """Count a step as done. `figures` says how it went, on one line; only a log shows it."""
        self._done += 1
        self._bar.update()
        if self._has_lines:
            left = _left(monotonic() - self._start, self._done - self._initial, self._total - self._done)
            _print_line(f"{self._unit} {self._done} of {self._total}: {figures}{left}")


class _Lines(tqdm):  # type: ignore[type-arg]  # it is generic only for type checkers
    """What `progress` returns without a terminal: a disabled bar that prints a line now and then."""

    def __init__(self, items: Iterable[Any], label: str, unit: str, total: int | None, initial: int) -> None:
        super().__init__(items, total=total, initial=initial, disable=True)
        self._label, self._unit, self._initial = label, unit, initial
        self._start = monotonic()
        self._next_line = self._start + LINE_INTERVAL

    def __iter__(self) -> Iterator[Any]:
        # Per item, only a look at the clock: about 0.1 µs.
        for item in self.iterable:
            yield item
            self.n += 1
            if monotonic() >= self._next_line:
                self._print()

    def update(self, n: float | None = 1) -> bool | None:
        self.n += n or 0
        if monotonic() >= self._next_line:
            self._print()
        return None

    def _print(self) -> None:
        now = monotonic()
        self._next_line = now + LINE_INTERVAL
        seconds, done, total = now - self._start, self.n - self._initial, self.total
        of = "" if total is None else f" of {total:,}"
        left = "" if total is None else _left(seconds, done, total - self.n)
        _print_line(f"{self._label}: {self.n:,}{of} {_counted(self._unit)}{_rate(seconds, done, self._unit)}{left}")


def _where() -> Literal["terminal", "log", "nowhere"]:
    """Where progress is shown."""
    if _muted or sys.stderr is None:
        return "nowhere"
    return "terminal" if sys.stderr.isatty() else "log"


def _bar(items: Iterable[Item], label: str, unit: str, total: int | None, initial: int) -> "tqdm[Item]":
    return tqdm(items, total=total, initial=initial, desc=label, unit=unit, leave=False, dynamic_ncols=True)


def _counted(unit: str) -> str:
    """The plural of a unit; one that is a number of things itself, such as `512 ROIs`, is multiplied."""
    return f"× {unit}" if unit[:1].isdigit() else f"{unit}s"


def _rate(seconds: float, done: float, unit: str) -> str:
    if done <= 0 or seconds <= 0:
        return ""
    if done < seconds:
        return f", {_figure(seconds / done)} s per {unit}"
    return f", {_figure(done / seconds)} {_counted(unit)}/s"


def _figure(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def _left(seconds: float, done: float, remaining: float) -> str:
    """The time left at the mean rate so far; empty if nothing is left or nothing has been done."""
    if done <= 0 or remaining <= 0:
        return ""
    return f", {_duration(seconds / done * remaining)} left"


def _duration(seconds: float) -> str:
    """A time, rounded: `40 s`, `5 min`, `2 h 10 min`, `3 d 4 h`."""
    if round(seconds) < 60:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(minutes / 60)
    return f"{hours // 24} d {hours % 24} h"


def _print_line(line: str) -> None:
    print(_printable(line), file=sys.stderr, flush=True)


def summary(line: str) -> None:
    """Print the line in which a stage says what it did."""
    if not _muted:
        # Standard error escapes what its encoding lacks by itself; in a log of Windows or an old locale that is a lot.
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        print(_printable(line).encode(encoding, "backslashreplace").decode(encoding), flush=True)


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
