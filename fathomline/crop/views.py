"""Boxes and the views cut around them: geometry in frame pixels, floats, origin at the frame's top left corner."""

import math
from typing import Literal

import numpy as np
from PIL import Image

from fathomline.errors import Unusable

Rectangle = tuple[float, float, float, float]
"""left, top, right, bottom."""

SHARPNESS = 3.0
"""Pillow averages whole pixels first when shrinking more than this; at 3 the eye sees no difference from none."""


def parse_box(bbox: object) -> Rectangle:
    """A COCO box (x, y, width, height) as a rectangle; Unusable says what is wrong with it."""
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise Unusable(f"bbox is {_shown(bbox)}, expected [x, y, width, height]")
    for number in bbox:
        if isinstance(number, bool) or not isinstance(number, int | float) or not _is_finite(number):
            raise Unusable(f"bbox has {_shown(number)}, expected four finite numbers")
    x, y, width, height = map(float, bbox)
    if width <= 0 or height <= 0:
        raise Unusable(f"bbox has width {width:g} and height {height:g}, expected both above 0")
    return x, y, x + width, y + height


def clip(rectangle: Rectangle, frame: tuple[int, int]) -> Rectangle:
    """The part of a rectangle inside a frame of (width, height) pixels, at least one pixel wide and high.

    Raises Unusable when no part of it is inside.
    """
    left, top, right, bottom = rectangle
    width, height = frame
    if left >= width or top >= height or right <= 0 or bottom <= 0:
        raise Unusable(f"bbox lies outside the frame of {width}x{height} pixels")
    left, right = _at_least_a_pixel(max(left, 0.0), min(right, float(width)), width)
    top, bottom = _at_least_a_pixel(max(top, 0.0), min(bottom, float(height)), height)
    return left, top, right, bottom


def whole_pixels(rectangle: Rectangle) -> tuple[int, int, int, int]:
    """The clipped rectangle rounded to whole pixels, as Pillow's `crop` rounds, at least one pixel wide and high."""
    left, right = _whole(rectangle[0], rectangle[2])
    top, bottom = _whole(rectangle[1], rectangle[3])
    return left, top, right, bottom


def view_rectangle(box: Rectangle, view: float | Literal["frame"], frame: tuple[int, int], square: bool) -> Rectangle:
    """What a view shows: `view` times the box around its centre, or the whole frame; may reach beyond the frame.

    With `square`, the shorter side is extended to the longer one.
    """
    left, top, right, bottom = (0.0, 0.0, float(frame[0]), float(frame[1])) if view == "frame" else box
    scale = 1.0 if view == "frame" else view
    half_width, half_height = (right - left) * scale / 2, (bottom - top) * scale / 2
    if square:
        half_width = half_height = max(half_width, half_height)
    x, y = (left + right) / 2, (top + bottom) / 2
    return x - half_width, y - half_height, x + half_width, y + half_height


def mean_colour(image: Image.Image) -> tuple[int, int, int]:
    return image.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))


def render(
    image: Image.Image, rectangle: Rectangle, size: int, beyond: tuple[int, int, int] | None = None
) -> np.ndarray:
    """Scale a rectangle of an RGB image, which may reach beyond it, to (size, size, 3) uint8.

    What lies beyond the image is of the colour `beyond`, or its nearest pixel when that is None.
    """
    left, top, right, bottom = rectangle
    inside = (max(left, 0.0), max(top, 0.0), min(right, float(image.width)), min(bottom, float(image.height)))
    first_column, last_column = _target(inside[0] - left, inside[2] - left, right - left, size)
    first_row, last_row = _target(inside[1] - top, inside[3] - top, bottom - top, size)
    visible_size = (last_column - first_column, last_row - first_row)
    visible = image.resize(visible_size, Image.Resampling.BICUBIC, box=inside, reducing_gap=SHARPNESS)
    if visible_size == (size, size):
        return np.asarray(visible)
    if beyond is None:
        margins = ((first_row, size - last_row), (first_column, size - last_column), (0, 0))
        return np.pad(np.asarray(visible), margins, mode="edge")
    canvas = Image.new("RGB", (size, size), beyond)
    canvas.paste(visible, (first_column, first_row))
    return np.asarray(canvas)


def _target(start: float, stop: float, length: float, size: int) -> tuple[int, int]:
    """Which of `size` pixels the stretch from start to stop of a side of `length` fills; never none."""
    first, last = round(start / length * size), round(stop / length * size)
    first = min(max(first, 0), size - 1)
    return first, min(max(last, first + 1), size)


def _at_least_a_pixel(start: float, stop: float, limit: int) -> tuple[float, float]:
    if stop - start >= 1:
        return start, stop
    start = min(max((start + stop - 1) / 2, 0.0), limit - 1.0)
    return start, start + 1.0


def _whole(start: float, stop: float) -> tuple[int, int]:
    first, last = round(start), round(stop)
    return (first, last) if last > first else (math.floor(start), math.floor(start) + 1)


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer beyond the largest float
        return False


def _shown(value: object) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
