"""Look up many names in WoRMS concurrently, and report each lineage as soon as it is known."""

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from fathomline.errors import InputError
from fathomline.lineages.lookup import LookedUp, look_up
from fathomline.lineages.spelling import nearest, tidy
from fathomline.lineages.worms import Unreachable, WormsClient, connected
from fathomline.machine import MachineConfig
from fathomline.progress import progress
from fathomline.taxonomy.lineage import Lineage

_SUGGESTIONS_LIMIT = 25
"""WoRMS is asked for suggestions for this many unknown names; a longer list is not due to typing errors."""
_FRAGMENT = 4
"""Suggestions share this many characters at the start of the name, or one more at the end of its last word."""


class WormsUnreachable(InputError):
    """WoRMS gave no usable answer: `url` and `cause` say where and why."""

    def __init__(self, message: str, url: str, cause: str) -> None:
        super().__init__(message)
        self.url, self.cause = url, cause


@dataclass(frozen=True)
class Answers:
    """The result of looking up some names."""

    findings: dict[str, LookedUp] = field(default_factory=dict)
    """By concept."""
    suggestions: dict[str, list[str]] = field(default_factory=dict)
    """Every name that WoRMS does not know, with names that it may be a misspelling of, best first."""


def ask_worms(
    concepts: Sequence[str],
    url: str | None,
    machine: MachineConfig,
    *,
    known: Collection[str],
    keep: Callable[[Lineage], object],
) -> Answers:
    """Look up every concept.

    Args:
        url: the service; None for the default one.
        machine: the number of connections, the timeout and the retries.
        known: further names that an unknown one may be a misspelling of.
        keep: called with each lineage as soon as it is known, from the thread that called this function.

    Raises WormsUnreachable if the service gives no usable answer, InputError if it gives ancestors that do not form a
    lineage.
    """
    findings: dict[str, LookedUp] = {}

    def take(concept: str, finding: LookedUp) -> None:
        findings[concept] = finding
        keep(finding.lineage)

    with connected(url, machine) as worms:
        try:
            _look_up_all(concepts, worms, machine.connections, take)
        except Unreachable as error:
            raise WormsUnreachable(
                f"WoRMS at {error.url} gave no usable answer: {error.cause}. {len(findings)} of {len(concepts)} names "
                "are looked up and saved: run again to resume. Without a network connection, set taxonomy.offline: "
                "true and give the lineages in the CSV of taxonomy.lineages; `fathomline lineages` writes one to fill "
                "in",
                error.url,
                error.cause,
            ) from None
        unknown = [concept for concept in concepts if concept not in findings]
        suggestions = {name: _suggestions(name, worms, known) for name in unknown[:_SUGGESTIONS_LIMIT]}
    return Answers(findings, {name: suggestions.get(name, []) for name in unknown})


def _look_up_all(
    concepts: Sequence[str], worms: WormsClient, threads: int, take: Callable[[str, LookedUp], None]
) -> None:
    with ThreadPoolExecutor(threads, thread_name_prefix="worms") as pool:
        pending = {pool.submit(look_up, concept, worms): concept for concept in concepts}
        try:
            for future in progress(as_completed(pending), label="WoRMS", unit="name", total=len(pending)):
                finding = future.result()
                if finding is not None:
                    take(pending[future], finding)
        except BaseException:
            # Includes Ctrl-C: no further request is sent, and no thread waits for its next retry.
            worms.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _suggestions(name: str, worms: WormsClient, known: Iterable[str]) -> list[str]:
    """Names that `name` may be a misspelling of, from WoRMS and from `known`; best first."""
    tidied = tidy(name)
    start, end = tidied[:_FRAGMENT], tidied.split()[-1][-_FRAGMENT - 1 :]
    try:
        candidates = [*worms.names_starting_with(start), *worms.names_containing(end)]
    except Unreachable:
        # The unknown names must be reported even if suggestions cannot be had.
        candidates = []
    return nearest(name, {*candidates, *known})
