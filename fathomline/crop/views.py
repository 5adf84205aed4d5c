"""Boxes and the views around them, in pixels of the frame as floats, from the frame's top left corner."""

import math
from typing import Literal

import numpy as np
from PIL import Image

from fathomline.errors import Unusable

Rectangle = tuple[float, float, float, float]
"""(left, top, right, bottom)."""

UNBOUNDED: Rectangle = (-math.inf, -math.inf, math.inf, math.inf)
"""A rectangle around any frame: clipped, it is the whole frame, whatever size that turns out to have."""

SHARPNESS = 3.0
"""Pillow's `reducing_gap`: it averages blocks of pixels before it resizes, but leaves at least this many times the
target size. At 3, the result looks the same as without it."""


def parse_box(bbox: object) -> Rectangle:
    """A COCO box [x, y, width, height] as a rectangle; raises Unusable if it is not valid."""
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise Unusable(f"box is {_quoted(bbox)}, expected [x, y, width, height]")
    for number in bbox:
        if isinstance(number, bool) or not isinstance(number, int | float) or not _is_finite(number):
            raise Unusable(f"box has {_quoted(number)}, expected four finite numbers")
    x, y, width, height = map(float, bbox)
    if width <= 0 or height <= 0:
        raise Unusable(f"box has width {width:g} and height {height:g}, expected both above 0")
    return x, y, x + width, y + height


def clip(rectangle: Rectangle, frame: tuple[int, int]) -> Rectangle:
    """The part of a rectangle inside a frame of (width, height) pixels, at least one pixel wide and high.

    Raises Unusable if no part of it is inside.
    """
    left, top, right, bottom = rectangle
    width, height = frame
    if left >= width or top >= height or right <= 0 or bottom <= 0:
        raise Unusable(f"box lies outside the frame of {width}x{height} pixels")
    left, right = _at_least_a_pixel(max(left, 0.0), min(right, float(width)), width)
    top, bottom = _at_least_a_pixel(max(top, 0.0), min(bottom, float(height)), height)
    return left, top, right, bottom


def whole_pixels(rectangle: Rectangle) -> tuple[int, int, int, int]:
    """A clipped rectangle rounded to integers as Pillow's `crop` does, but at least one pixel wide and high."""
    left, right = _rounded(rectangle[0], rectangle[2])
    top, bottom = _rounded(rectangle[1], rectangle[3])
    return left, top, right, bottom


def view_rectangle(box: Rectangle, view: float | Literal["frame"], frame: tuple[int, int], square: bool) -> Rectangle:
    """What a view shows: the box scaled by `view` around its centre, or the whole frame.

    With `square`, the shorter side is extended to the length of the longer one. The result may extend beyond the frame.
    """
    left, top, right, bottom = (0.0, 0.0, float(frame[0]), float(frame[1])) if view == "frame" else box
    scale = 1.0 if view == "frame" else view
    half_width, half_height = (right - left) * scale / 2, (bottom - top) * scale / 2
    if square:
        half_width = half_height = max(half_width, half_height)
    x, y = (left + right) / 2, (top + bottom) / 2
    return x - half_width, y - half_height, x + half_width, y + half_height


def mean_colour(image: Image.Image) -> tuple[int, int, int]:
    """The mean of an RGB image's pixels, each channel rounded to 0 to 255."""
    red, green, blue = image.resize((1, 1), Image.Resampling.BOX).tobytes()
    return red, green, blue


def render(
    image: Image.Image, rectangle: Rectangle, size: int, padding_colour: tuple[int, int, int] | None = None
) -> np.ndarray:
    """Scale a rectangle of an RGB image, which may extend beyond it, to (size, size, 3) uint8.

    Args: padding_colour, for pixels beyond the image; None repeats the nearest pixel.
    """
    left, top, right, bottom = rectangle
    inside = (max(left, 0.0), max(top, 0.0), min(right, float(image.width)), min(bottom, float(image.height)))
    first_column, last_column = _target(inside[0] - left, inside[2] - left, right - left, size)
    first_row, last_row = _target(inside[1] - top, inside[3] - top, bottom - top, size)
    visible_size = (last_column - first_column, last_row - first_row)
    visible = image.resize(visible_size, Image.Resampling.BICUBIC, box=inside, reducing_gap=SHARPNESS)
    if visible_size == (size, size):
        return np.asarray(visible)
    if padding_colour is None:
        margins = ((first_row, size - last_row), (first_column, size - last_column), (0, 0))
        return np.pad(np.asarray(visible), margins, mode="edge")
    canvas = Image.new("RGB", (size, size), padding_colour)
    canvas.paste(visible, (first_column, first_row))
    return np.asarray(canvas)


def _target(start: float, stop: float, length: float, size: int) -> tuple[int, int]:
    """The range of pixels, of `size`, that start to stop covers on a side of `length`; at least one pixel."""
    first, last = round(start / length * size), round(stop / length * size)
    first = min(max(first, 0), size - 1)
    return first, min(max(last, first + 1), size)


def _at_least_a_pixel(start: float, stop: float, limit: int) -> tuple[float, float]:
    if stop - start >= 1:
        return start, stop
    start = min(max((start + stop - 1) / 2, 0.0), limit - 1.0)
    return start, start + 1.0


def _rounded(start: float, stop: float) -> tuple[int, int]:
    first, last = round(start), round(stop)
    return (first, last) if last > first else (math.floor(start), math.floor(start) + 1)


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer beyond the largest float
        return False


def _quoted(value: object) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
