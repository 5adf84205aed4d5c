"""The spellings of a name: as a dataset has it, and as an authority may have it."""

import difflib
import re
from collections.abc import Iterable

_GENUS = r"[^\W\d_][\w-]*(?: \([^\W\d_][\w-]+\)(?= [a-z]))?"
"""A genus or a higher taxon; a subgenus in brackets is part of the name if an epithet follows."""
_EPITHET = r" (?!(?:and|et|de|der|den|van|von|in) )[a-z][\w.-]*"
_AUTHORSHIP = re.compile(
    rf"^(?P<dated>{_GENUS}(?:{_EPITHET})*) (?:\([^()]*\d{{4}}[^()]*\)|[^()\d]*,? \d{{4}})$"  # (Gilbert, 1890)
    # Without a year, only after an epithet: the second word of "Marine Snow" is not an author.
    rf"|^(?P<undated>{_GENUS}(?:{_EPITHET})+) (?:\([^()]+\) ?)?(?:[^\W\d_a-z][\w.'& -]*)?$"
)


def tidy(name: str) -> str:
    """The name with underscores replaced by spaces, and without surplus spaces."""
    return " ".join(name.replace("_", " ").split())


def key(name: str) -> str:
    """The form by which to compare names: equal for names that differ only in case, spaces or underscores."""
    return tidy(name).casefold()


def spellings(name: str) -> list[str]:
    """The spellings to look up: the name as it is, without its authorship, in the usual case, and both."""
    tidied = tidy(name)
    usual = tidied[:1].upper() + tidied[1:].lower()
    # In a name written all in capitals, case does not distinguish an author from an epithet.
    named = tidied if tidied.isupper() else _without_authorship(tidied)
    candidates = (tidied, named, usual, _without_authorship(usual))
    return list(dict.fromkeys(candidate for candidate in candidates if candidate))


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Up to `count` names of `known` that are similar to `name`, best first."""
    by_key = {key(candidate): candidate for candidate in sorted(known)}
    return [by_key[match] for match in difflib.get_close_matches(key(name), by_key, n=count, cutoff=0.6)]


def _without_authorship(name: str) -> str:
    match = _AUTHORSHIP.match(name)
    return match["dated"] or match["undated"] if match else name
