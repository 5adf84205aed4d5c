"""Whole frames for the cards of mistakes, scaled down and embedded in the page, each once."""

import base64
import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from PIL import Image

from fathomline.dataset.image_file import decode_image, in_box_coordinates
from fathomline.errors import Unusable
from fathomline.machine import cores
from fathomline.progress import progress, warning
from fathomline.report.raw_subset import RawSubset

FRAME_SIDE = 640
"""Pixels of the longer side; a larger frame is scaled down."""

QUALITY = 60
"""Of WebP. A photograph takes about 40 kB."""

BUDGET = 8_000_000
"""Maximum number of characters of all embedded frames together, so that the report can still be sent by email."""

Box = tuple[float, float, float, float]
"""Left, top, width and height as shares of the frame's width and height, 0 to 1."""


@dataclass(frozen=True)
class EmbeddedFrame:
    picture: str
    """A data URI. The picture is upright."""

    size: tuple[int, int]
    """Width and height of the picture in pixels."""

    turned: Image.Transpose | None
    """The transpose from the coordinates of the boxes to the picture; None if they are the same."""

    def box(self, box: Box) -> Box:
        """A box of the frame in the coordinates of the picture."""
        return turned_box(box, self.turned)


@dataclass(frozen=True)
class EmbeddedFrames:
    embedded: dict[int, EmbeddedFrame]
    """By image id."""

    unreadable: frozenset[int]
    """Ids of images whose file is missing or damaged."""

    left_out: frozenset[int]
    """Ids of images for which there was no room."""


def embed_frames(image_ids: Iterable[int], raw: RawSubset) -> EmbeddedFrames:
    """Embed the frames of `image_ids`, which may repeat, until `BUDGET` is used up: put the most important ones first.

    Prints a warning if any frame cannot be read.
    """
    embedded: dict[int, EmbeddedFrame] = {}
    faults: dict[int, str] = {}
    left_out: set[int] = set()
    room = BUDGET
    # Pillow releases the interpreter lock while it decodes, scales and compresses.
    with ThreadPoolExecutor(cores()) as pool:
        pending = {image_id: pool.submit(_embedded, image_id, raw) for image_id in dict.fromkeys(image_ids)}
        for image_id, future in progress(pending.items(), label="frames for the report", unit="frame"):
            if left_out:
                future.cancel()
                left_out.add(image_id)
                continue
            try:
                frame = future.result()
            except (KeyError, OSError, Unusable) as error:
                faults[image_id] = _reason(error)
                continue
            if len(frame.picture) > room:
                left_out.add(image_id)
            else:
                embedded[image_id] = frame
                room -= len(frame.picture)
    if faults:
        first, reason = next(iter(faults.items()))
        warning(
            f"{raw.folder}: {len(faults)} frame(s) cannot be read, the first of image {first} ({reason}); their cards "
            "in the report do not show the frame. `dvc repro --force download` fetches missing frames again"
        )
    return EmbeddedFrames(embedded, frozenset(faults), frozenset(left_out))


def _embedded(image_id: int, raw: RawSubset) -> EmbeddedFrame:
    frame = decode_image(raw.frame_path(image_id).read_bytes())
    picture, to_upright = in_box_coordinates(frame, raw.stated_size(image_id))
    picture.thumbnail((FRAME_SIDE, FRAME_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    if to_upright is not None:
        picture = picture.transpose(to_upright)
    return EmbeddedFrame(webp_uri(picture, QUALITY), picture.size, to_upright)


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return "not in manifest.csv"
    return getattr(error, "strerror", None) or str(error)


def webp_uri(picture: Image.Image, quality: int) -> str:
    """The picture as a data URI, compressed with losses."""
    stream = io.BytesIO()
    picture.save(stream, "WEBP", quality=quality, method=4)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


def turned_box(box: Box, turn: Image.Transpose | None) -> Box:
    """The box in the transposed picture."""
    left, top, width, height = box
    right, bottom = 1 - left - width, 1 - top - height  # margins to the right and below
    boxes = {
        None: box,
        Image.Transpose.FLIP_LEFT_RIGHT: (right, top, width, height),
        Image.Transpose.FLIP_TOP_BOTTOM: (left, bottom, width, height),
        Image.Transpose.ROTATE_180: (right, bottom, width, height),
        Image.Transpose.TRANSPOSE: (top, left, height, width),
        Image.Transpose.ROTATE_90: (top, right, height, width),
        Image.Transpose.ROTATE_270: (bottom, left, height, width),
        Image.Transpose.TRANSVERSE: (bottom, right, height, width),
    }
    return boxes[turn]
