"""The one exception for what a user can cause and can mend."""


class InputError(ValueError):
    """Bad input: the message names the file, row or key, what was found, what was expected, and what to do."""


def listing(names, limit: int = 10) -> str:
    """Join the first `limit` of `names` with commas, and count the rest."""
    names = [str(name) for name in names]
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
