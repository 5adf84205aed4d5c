"""The formats in which programs write boxes, and how to tell that boxes are in another one."""

import math
from collections.abc import Callable, Sequence
from typing import Literal

from fathomline.dataset.coco import WHOLE_FRAME
from fathomline.errors import InputError

BoxFormat = Literal["xywh", "xyxy", "xywh_normalized", "cxcywh_normalized"]
"""xywh: left, top, width, height in pixels, as in COCO. xyxy: left, top, right, bottom in pixels. xywh_normalized: xywh
as fractions of the frame's width and height. cxcywh_normalized: centre, width and height as such fractions, as in
YOLO."""

Looks = BoxFormat | Literal["xyxy_normalized"]
"""What boxes may look like. Corners as fractions are recognised, but not read."""

FrameSize = tuple[int, int]
"""Width and height of a frame, in pixels."""

SUSPICIOUS = 1 / 3
"""Stop if more than this share of the boxes makes no sense in the given format, but nearly all do in another one."""

ROUNDING = 1.02
"""A box may exceed its frame by 2 % before it counts as outside: annotation tools let boxes cross the edge a little."""

FLAWED = 0.05
"""At most this share of the boxes may make no sense in the other format: every data set has a few flawed boxes."""

FEWEST_BOXES = 3
"""With fewer boxes, corners cannot be told from a width and a height."""

FEWEST_FRACTIONS = 10
"""With fewer boxes, kinds of fractions cannot be told from each other: a few boxes may all cross the frame's edge."""


def in_pixels(box: object, box_format: BoxFormat, size: FrameSize | None) -> object:
    """Convert a box to [x, y, width, height] in pixels; anything but four finite numbers is returned as it is.

    None if a number of the result would be too large for a float.

    Args: size, of the frame; only the normalized formats need it.
    Raises ValueError if a normalized format has no size.
    """
    numbers = _numbers(box)
    if numbers is None or box_format == "xywh":
        return box
    x, y, w, h = numbers
    if box_format == "xyxy":
        converted = [x, y, w - x, h - y]
    elif size is None:
        raise ValueError("a normalized box needs the size of its frame")
    else:
        width, height = size
        if box_format == "cxcywh_normalized":
            x, y = x - w / 2, y - h / 2
        converted = [x * width, y * height, w * width, h * height]
    return converted if all(map(math.isfinite, converted)) else None


def refuse_other_format(
    boxes: Sequence[object],
    sizes: Sequence[FrameSize | None],
    box_format: BoxFormat,
    where: str,
    *,
    prescribed: bool = False,
) -> None:
    """Raise InputError if the boxes are evidently not in the format that the user gave.

    Args:
        boxes: as in the user's file; those that are not four finite numbers do not count.
        sizes: of the frame of each box; None if unknown.
        where: the file, for the message.
        prescribed: whether the format is that of the file, and no choice of the user's.
    """
    known = [(numbers, size) for box, size in zip(boxes, sizes, strict=True) if (numbers := _numbers(box)) is not None]
    suspected = _suspected([numbers for numbers, _ in known], known, box_format)
    if suspected is None:
        return
    found, other = suspected
    example = ", ".join(f"{number:g}" for number in known[0][0])
    if prescribed:
        remedy = f"The header of the file says `{box_format}`; correct the numbers or the names of the columns"
    elif other == "xyxy_normalized":
        remedy = "They look like corners as fractions of the frame, which no `source.box_format` reads; convert them"
    else:
        remedy = (
            f"Set `source.box_format: {other}` (for the test subset alone, `source.test_box_format`) if that is how "
            "they were written"
        )
    raise InputError(
        f"{where}: the boxes do not look like `{box_format}`: {found}, such as [{example}]. {remedy} (`xywh`: left, "
        "top, width, height in pixels; `xyxy`: left, top, right, bottom; `_normalized`: fractions of the frame; "
        "`cxcywh`: x and y are the centre)"
    )


def _suspected(
    boxes: Sequence[tuple[float, ...]],
    known: Sequence[tuple[tuple[float, ...], FrameSize | None]],
    box_format: BoxFormat,
) -> tuple[str, Looks] | None:
    """What is odd about the boxes, and the format that they seem to have; None if nothing is odd."""
    if not boxes:
        return None
    if box_format.endswith("_normalized"):
        return _suspected_fractions(boxes, box_format)
    fractions = [box for box in boxes if all(1 - ROUNDING <= number <= ROUNDING for number in box)]
    if len(fractions) >= (1 - FLAWED) * len(boxes) and any(box[2] * box[3] > 0 for box in fractions):
        found = f"the numbers of {len(fractions)} of {len(boxes)} box(es) are between 0 and 1"
        return found, min(_MISFITS, key=lambda name: _misfits(fractions, name))
    sized = [(box, size) for box, size in known if size is not None]
    if box_format == "xyxy":
        reversed_ = sum(right <= left or bottom <= top for left, top, right, bottom in boxes)
        if reversed_ > SUSPICIOUS * len(boxes):
            return f"{reversed_} of {len(boxes)} boxes would end before they begin", "xywh"
        return None
    unordered = sum(right <= left or bottom <= top for (left, top, right, bottom), _ in sized)
    if len(sized) < FEWEST_BOXES or unordered > FLAWED * len(sized):
        return None
    beyond = sum(_ends_beyond(left + w, top + h, size) for (left, top, w, h), size in sized)
    as_corners = sum(_ends_beyond(box[2], box[3], size) for box, size in sized)
    if beyond > SUSPICIOUS * len(sized) and as_corners <= FLAWED * len(sized):
        return f"{beyond} of {len(sized)} boxes would end beyond their frame, and {as_corners} would as corners", "xyxy"
    return None


def _suspected_fractions(boxes: Sequence[tuple[float, ...]], box_format: BoxFormat) -> tuple[str, Looks] | None:
    """As `_suspected`, if the user says that the boxes are fractions."""
    pixels = sum(max(box) > 2 for box in boxes)
    if pixels > SUSPICIOUS * len(boxes):
        return f"{pixels} of {len(boxes)} boxes have numbers above 2, and fractions are at most 1", "xywh"
    beyond = _misfits(boxes, box_format)
    other = min(_MISFITS, key=lambda name: _misfits(boxes, name))
    fits = _misfits(boxes, other) <= FLAWED * len(boxes)
    if len(boxes) >= FEWEST_FRACTIONS and beyond > SUSPICIOUS * len(boxes) and fits:
        return f"{beyond} of {len(boxes)} boxes would extend beyond their frame", other
    return None


_MISFITS: dict[Looks, Callable[[float, float, float, float], bool]] = {
    "xywh_normalized": lambda x, y, w, h: min(x, y) < 1 - ROUNDING or max(x + w, y + h) > ROUNDING,
    "cxcywh_normalized": lambda x, y, w, h: (
        min(x - w / 2, y - h / 2) < 1 - ROUNDING or max(x + w / 2, y + h / 2) > ROUNDING
    ),
    "xyxy_normalized": lambda left, top, right, bottom: right <= left or bottom <= top or max(right, bottom) > ROUNDING,
}
"""For each kind of fractions, whether a box of it extends beyond its frame or ends before it begins."""


def _misfits(boxes: Sequence[tuple[float, ...]], looks: Looks) -> int:
    return sum(_MISFITS[looks](*box) for box in boxes)


def _ends_beyond(right: float, bottom: float, size: FrameSize) -> bool:
    return right > size[0] * ROUNDING or bottom > size[1] * ROUNDING


def _numbers(box: object) -> tuple[float, ...] | None:
    """The four numbers of a box; None for anything else, such as the whole frame."""
    if box == WHOLE_FRAME or not isinstance(box, list | tuple) or len(box) != 4:
        return None
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in box):
        return None
    try:
        numbers = tuple(float(number) for number in box)
    except OverflowError:  # an integer beyond the largest float
        return None
    return numbers if all(math.isfinite(number) for number in numbers) else None
