"""Limits on what clients may send."""

from dataclasses import dataclass

from fathomline.dataset.image_file import MAX_PIXELS
from fathomline.errors import InputError

FORM_OVERHEAD = 512 * 2**10
"""Bytes of a form in addition to the picture: boxes, other fields, and separators."""

OPTIONS = {
    "picture_bytes": "--max-mib",
    "pixels": "--max-megapixels",
    "boxes": "--max-boxes",
    "waiting": "--max-waiting",
}
"""The options of `fathomline serve` that set limits."""


@dataclass(frozen=True)
class Limits:
    """Limits of the server. InputError if one of them is not positive, or if pictures could not be decoded."""

    picture_bytes: int = 20 * 2**20
    """Size of a picture's file."""
    pixels: int = 50_000_000
    """Width times height of a picture."""
    boxes: int = 500
    """Boxes per request."""
    waiting: int = 64
    """Requests that are received completely and not answered yet."""
    received_bytes: int = 512 * 2**20
    """Size of all requests in memory, whether complete or not."""
    receive_seconds: float = 60.0
    """Time in which a request must arrive completely."""
    send_seconds: float = 60.0
    """Time that a client may pause before it continues to read its response."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise InputError(f"serve: the limit {_named(name)} is {value}, expected a positive number")
        if self.pixels > MAX_PIXELS:
            raise InputError(f"serve: the limit {_named('pixels')} is {self.pixels}, expected at most {MAX_PIXELS}")
        if self.received_bytes < self.picture_bytes + FORM_OVERHEAD:
            raise InputError(
                f"serve: all requests in memory may have {self.received_bytes} bytes, which is too few for a single "
                f"picture of {self.picture_bytes}; allow smaller pictures"
            )


def _named(limit: str) -> str:
    return f"`{limit}` ({OPTIONS[limit]})" if limit in OPTIONS else f"`{limit}`"
