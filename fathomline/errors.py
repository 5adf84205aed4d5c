"""The two exceptions of the library, and how their messages show values."""


class InputError(ValueError):
    """Bad input: the message names the file, row or key, what was found, what was expected, and what to do."""


class Unusable(Exception):
    """One image or box cannot be used, and the others can: the reason in one line, the same on every run."""


def visible(text: str) -> str:
    """`text` with every character that does not print, line breaks included, written as an escape."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def shown(value: object, limit: int = 60) -> str:
    """A value as messages show it: on one line, and cut after `limit` characters."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= limit else f"{text[:limit]}…"


def listing(names, limit: int = 10) -> str:
    """Join the first `limit` of `names`, made visible, with commas, and count the rest."""
    names = [visible(str(name)) for name in names]
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
