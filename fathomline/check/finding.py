"""One thing to know before a run, and how a list of them is printed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from fathomline.errors import InputError

Kind = Literal["stop", "surprise", "note", "expected"]
"""stop: a stage will stop. surprise: the result may differ from what the user expects. note: a surprise that the
download prints as well. expected: what the run will take."""

HEADINGS: dict[str, tuple[Kind, ...]] = {
    "will stop": ("stop",),
    "may surprise": ("surprise", "note"),
    "expected": ("expected",),
}


@dataclass(frozen=True)
class Finding:
    kind: Kind
    text: str
    """What was found and what to do about it. Further lines are details."""


def stops(attempt: Callable[[], object]) -> Iterator[Finding]:
    """Run a check that a stage makes, too: a finding for each line of the InputError that it raises."""
    try:
        attempt()
    except InputError as error:
        yield from stopped(error)


def stopped(error: InputError) -> Iterator[Finding]:
    """A finding for each problem in a message: for each line, but a line that is indented belongs to the one before."""
    problems: list[str] = []
    for line in str(error).splitlines():
        if line.startswith(" ") and problems:
            problems[-1] += f"\n{line}"
        else:
            problems.append(line)
    yield from (Finding("stop", problem) for problem in problems)


def grouped_lines(findings: Iterable[Finding]) -> list[str]:
    """The findings below their headings, as lines; a heading without findings is left out."""
    found, lines = list(findings), []
    for heading, kinds in HEADINGS.items():
        texts = list(dict.fromkeys(finding.text for finding in found if finding.kind in kinds))
        if texts:
            lines += ["", heading, *(line for text in texts for line in _item(text))]
    return lines[1:]


def _item(text: str) -> list[str]:
    first, *more = text.split("\n")
    return [f"  - {first}", *(f"    {line}" for line in more)]
