"""Open the pictures of the input."""

from os import PathLike
from pathlib import Path

from fathomline.dataset.image_file import Frame, decode_image
from fathomline.errors import Unusable
from fathomline.inputs.requests import FrameRequest


def open_picture(request: FrameRequest) -> Frame:
    """Read and decode a picture; raises Unusable if it cannot."""
    return decode_image(read_picture(request.location))


def read_picture(path: str | PathLike[str]) -> bytes:
    """Read a picture's file; raises Unusable if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL character
        raise Unusable(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
