"""Requests that are refused."""

from dataclasses import dataclass


@dataclass
class Refused(Exception):
    """A request that is not answered. `sentence` says what is wrong and what to do, without details of the server."""

    status: int
    """Status code of HTTP."""
    sentence: str
    retry_after: int | None = None
    """Seconds after which the same request may succeed; None if it never will."""
