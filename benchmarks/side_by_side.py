"""Time contenders alternately within one run on one machine, and write the table."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Contender:
    """One implementation of a job. `run` does the job once from scratch and returns the number of items."""

    name: str
    run: Callable[[], int]


@dataclass(frozen=True)
class Timing:
    """The seconds of each round of one contender, and the items per round."""

    name: str
    seconds: tuple[float, ...]
    items: int

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def time_alternately(contenders: Sequence[Contender], rounds: int) -> list[Timing]:
    """Run every contender once per round, so that other load on the machine affects all of them."""
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    items: dict[str, int] = {}
    for _ in range(rounds):
        for contender in contenders:
            start = time.perf_counter()
            items[contender.name] = contender.run()
            seconds[contender.name].append(time.perf_counter() - start)
    return [Timing(name, tuple(taken), items[name]) for name, taken in seconds.items()]


def timing_table(timings: Sequence[Timing], unit: str) -> list[str]:
    """Lines of Markdown; the last column is the time per item relative to the first contender."""
    first = timings[0].median / timings[0].items
    lines = [
        f"| | {unit}s per second | seconds, median (min to max) | relative time |",
        "|---|---:|---:|---:|",
    ]
    for timing in timings:
        spread = f"{timing.median:.2f} ({min(timing.seconds):.2f} to {max(timing.seconds):.2f})"
        ratio = timing.median / timing.items / first
        lines.append(f"| {timing.name} | {timing.items / timing.median:,.0f} | {spread} | {ratio:.2f} |")
    return lines


def write_table(name: str, title: str, lines: Sequence[str]) -> None:
    """Print the lines and write them to `benchmarks/<name>.md` with the command, the date and the machine."""
    heading = [
        f"# {title}",
        "",
        f"`python -m benchmarks.{name}`, {datetime.now(UTC):%Y-%m-%d}, {_machine()}",
        "",
    ]
    text = "\n".join([*heading, *lines, ""])
    print(text)
    (FOLDER / f"{name}.md").write_text(text, encoding="utf-8")


def _machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{_processor()}, {cores} cores, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
