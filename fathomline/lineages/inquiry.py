"""Many names asked of WoRMS at once, with a limit, each kept as soon as it is known."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from fathomline.errors import InputError
from fathomline.lineages.answers import Answers
from fathomline.lineages.lookup import Finding, look_up, suggest
from fathomline.lineages.worms import Unreachable, Worms, connected
from fathomline.progress import progress
from fathomline.taxonomy.lineage import Lineage

_SUGGESTED_NAMES = 25
"""For how many unknown names the service is asked for suggestions: with more than that, the list is no typo."""


def ask_worms(
    concepts: Sequence[str],
    url: str | None,
    *,
    workers: int,
    timeout: float,
    retries: int,
    known: Collection[str],
    keep: Callable[[Lineage], None],
) -> Answers:
    """Look up every concept.

    Args:
        url: the service; None for the default one.
        known: further names that an unknown one may be a misspelling of.
        keep: called from this thread with each lineage as soon as it is known.

    Raises InputError when the service cannot be reached, or gives ancestors that no tree can hold.
    """
    findings: dict[str, Finding | None] = {}

    def take(concept: str, finding: Finding | None) -> None:
        findings[concept] = finding
        if finding is not None:
            keep(finding.lineage)

    with connected(url, timeout=timeout, retries=retries, connections=workers) as worms:
        try:
            _look_up_all(concepts, worms, workers, take)
        except Unreachable as error:
            count = sum(finding is not None for finding in findings.values())
            raise InputError(
                f"WoRMS at {error.url} cannot be asked: {error.cause}; {count} of {len(concepts)} names are known by "
                "now and kept, so run again to go on. Without a network set taxonomy.offline: true and give the "
                "names in the CSV of taxonomy.lineages"
            ) from None
        unknown = [concept for concept in concepts if findings[concept] is None]
        suggestions = {name: suggest(name, worms, known) for name in unknown[:_SUGGESTED_NAMES]}
    found = {concept: finding for concept, finding in findings.items() if finding is not None}
    return Answers(
        {concept: finding.lineage for concept, finding in found.items()},
        tuple(note for concept in concepts if concept in found for note in found[concept].notes),
        {name: suggestions.get(name, []) for name in unknown},
    )


def _look_up_all(
    concepts: Sequence[str], worms: Worms, workers: int, take: Callable[[str, Finding | None], None]
) -> None:
    with ThreadPoolExecutor(workers, thread_name_prefix="worms") as pool:
        pending = {pool.submit(look_up, concept, worms): concept for concept in concepts}
        try:
            for future in progress(as_completed(pending), label="WoRMS", unit="name", total=len(pending)):
                take(pending[future], future.result())
        except BaseException:
            # Also on Ctrl-C: nothing new is asked, and no thread sits out a pause.
            worms.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
