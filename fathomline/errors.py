"""The two exceptions of the library, and the formatting of values in their messages."""

from collections.abc import Iterable


class InputError(ValueError):
    """Bad input: the message names the file, row or key, what was found, what was expected, and what to do."""


class Unusable(Exception):
    """One image or box cannot be used, but the others can. The message is one line, the same on every run."""


def visible(text: str) -> str:
    """Return `text` with every non-printing character, including line breaks, replaced by an escape."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def shown(value: object, limit: int = 60) -> str:
    """Format a value for a message: on one line, cut after `limit` characters."""
    text = "null" if value is None else visible(repr(value))
    return text if len(text) <= limit else f"{text[:limit]}…"


def listing(names: Iterable[object], limit: int = 10) -> str:
    """Join the first `limit` of `names` with commas, non-printing characters escaped, and count the rest."""
    escaped = [visible(str(name)) for name in names]
    first = ", ".join(escaped[:limit])
    return first if len(escaped) <= limit else f"{first} and {len(escaped) - limit} more"
