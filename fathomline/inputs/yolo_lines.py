"""Lines of YOLO label files: `class cx cy w h`, as fractions of the picture, and what programs add to it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LabelLine:
    """One line of a label file."""

    box: list[float] | None
    """x, y, width and height as fractions of the picture; None if the line is not a label."""

    extra: tuple[float, ...] = ()
    """What follows the box: a confidence, a track, or both."""


def parse_line(text: str) -> LabelLine:
    """Read a line: a box, or a polygon, whose bounding box is taken.

    A line of 5 to 7 numbers is a class and a box, then a confidence, a track, or both. A longer one is a class and a
    polygon, whose points have two numbers each, then the same. A triangle differs from a box with a confidence and a
    track in its last number, which is not whole.
    """
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        return LabelLine(None)
    if len(numbers) < 5:
        return LabelLine(None)
    rest = numbers[1:]
    if len(rest) < 6 or (len(rest) == 6 and _is_track(rest[5])):
        x, y, width, height = rest[:4]
        return LabelLine([x - width / 2, y - height / 2, width, height], tuple(rest[4:]))
    extra = len(rest) % 2
    if extra == 0 and _is_track(rest[-1]) and rest[-1] > 1:  # no coordinate
        extra = 2
    points = rest[: len(rest) - extra]
    left, top = min(points[::2]), min(points[1::2])
    return LabelLine([left, top, max(points[::2]) - left, max(points[1::2]) - top], tuple(rest[len(points) :]))


def tracks(lines: Sequence[LabelLine]) -> list[str | None]:
    """The track of each line, None if it has none.

    A second number after the box is a track. A single one is a track if it is a whole number on all lines that have
    it, and above 1 on any: programs write the confidence, the track, or both there.
    """
    single = [line.extra[0] for line in lines if len(line.extra) == 1]
    single_is_track = all(map(_is_track, single)) and any(number > 1 for number in single)
    having = [len(line.extra) == 2 or (len(line.extra) == 1 and single_is_track) for line in lines]
    return [str(int(line.extra[-1])) if has_track else None for line, has_track in zip(lines, having, strict=True)]


def _is_track(number: float) -> bool:
    return number >= 0 and number.is_integer()
