"""Time contestants in turns, in one run on one machine, and keep the table."""

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
class Contestant:
    """One way to do the job. `run` does it once, from the start, and says how many items it did."""

    name: str
    run: Callable[[], int]


@dataclass(frozen=True)
class Timing:
    """Seconds that the rounds of one contestant took, and the items of a round."""

    name: str
    seconds: tuple[float, ...]
    items: int

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def time_in_turns(contestants: Sequence[Contestant], rounds: int) -> list[Timing]:
    """Run each contestant `rounds` times, one after the other in each round, so that none has the quiet minute."""
    seconds: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    items: dict[str, int] = {}
    for _ in range(rounds):
        for contestant in contestants:
            start = time.perf_counter()
            items[contestant.name] = contestant.run()
            seconds[contestant.name].append(time.perf_counter() - start)
    return [Timing(name, tuple(taken), items[name]) for name, taken in seconds.items()]


def timing_table(timings: Sequence[Timing], unit: str) -> list[str]:
    """Markdown; the last column says how many times as long as the first contestant each one took."""
    first = timings[0].median / timings[0].items
    lines = [
        f"| | {unit}s a second | seconds, median (least to most) | times the first |",
        "|---|---:|---:|---:|",
    ]
    for timing in timings:
        spread = f"{timing.median:.2f} ({min(timing.seconds):.2f} to {max(timing.seconds):.2f})"
        ratio = timing.median / timing.items / first
        lines.append(f"| {timing.name} | {timing.items / timing.median:,.0f} | {spread} | {ratio:.2f} |")
    return lines


def keep(name: str, title: str, lines: Sequence[str]) -> None:
    """Print the lines, and keep them as `benchmarks/<name>.md` with the command, the day and the machine."""
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
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
