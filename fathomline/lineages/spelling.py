"""How names are written in datasets, and how an authority writes them."""

import difflib
import re
from collections.abc import Iterable

_GENUS = r"[^\W\d_][\w-]*(?: \([^\W\d_][\w-]+\)(?= [a-z]))?"
"""A genus or a higher taxon; a subgenus in brackets belongs to it when an epithet follows."""
_EPITHET = r" (?!(?:and|et|de|der|den|van|von|in) )[a-z][\w.-]*"
_AUTHORSHIP = re.compile(
    rf"^(?P<dated>{_GENUS}(?:{_EPITHET})*) (?:\([^()]*\d{{4}}[^()]*\)|[^()\d]*,? \d{{4}})$"  # (Gilbert, 1890)
    # Without a year only a species' author is told from a part of the name: "Marine Snow" has none.
    rf"|^(?P<undated>{_GENUS}(?:{_EPITHET})+) (?:\([^()]+\) ?)?(?:[^\W\d_a-z][\w.'& -]*)?$"
)


def tidy(name: str) -> str:
    """The name with single spaces, none around it, and no underscores."""
    return " ".join(name.replace("_", " ").split())


def key(name: str) -> str:
    """What two spellings of one name have in common, when only case, spaces or underscores tell them apart."""
    return tidy(name).casefold()


def spellings(name: str) -> list[str]:
    """What to look a name up by, most literal first: tidied, without its authorship, in the usual case."""
    tidied = tidy(name)
    usual = tidied[:1].upper() + tidied[1:].lower()
    # Where all is in capitals, they do not tell an author from an epithet.
    named = tidied if tidied.isupper() else _without_authorship(tidied)
    candidates = (tidied, named, usual, _without_authorship(usual))
    return list(dict.fromkeys(candidate for candidate in candidates if candidate))


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The names most like `name`, best first; none when nothing is alike."""
    by_key = {key(candidate): candidate for candidate in sorted(known)}
    return [by_key[match] for match in difflib.get_close_matches(key(name), by_key, n=count, cutoff=0.6)]


def _without_authorship(name: str) -> str:
    match = _AUTHORSHIP.match(name)
    return match["dated"] or match["undated"] if match else name
