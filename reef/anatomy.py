"""The parts of an organism as data: outlines with a ridge, before anything is drawn.

Coordinates are in body lengths, x to the right and y down; a heading of -pi/2 points up.
"""

from dataclasses import dataclass
from functools import cache
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]
"""(points, 2) float64, x and y."""

Colour = tuple[float, float, float]
"""Red, green and blue, 0 to 255."""

UP = -np.pi / 2
SIDES = (-1.0, 1.0)

SQUARE = np.array([-1.0, 1.0])
"""Multiplied by a direction with x and y swapped, it gives the direction to the right."""

CAP = np.array([[0.5, 0.87], [0.87, 0.5], [1.0, 0.0], [0.87, -0.5], [0.5, -0.87]])
"""The points of a round end, as fractions of the half width along and across the spine."""


@dataclass(frozen=True)
class Part:
    """A filled outline whose surface rises from its rim to its ridge."""

    outline: Points
    ridge: Points
    """The point on the ridge that each point of the outline rises to; as long as `outline`."""

    colour: Colour
    alpha: float = 1.0
    """0 is transparent, 1 is opaque."""

    roundness: float = 1.0
    """0 is flat, 1 is as round as a tube."""

    mark: bool = False
    """Painted on the parts beneath it and clipped to their outlines; has no relief of its own."""


class Look(TypedDict, total=False):
    """The fields of a `Part` that say how its surface looks."""

    alpha: float
    roundness: float
    mark: bool


def path(
    start: ArrayLike, angle: float, length: float, bend: float = 0.0, sway: float = 0.0, count: int = 12
) -> Points:
    """A curve that leaves `start` at `angle`, turns by `bend` radians in total and sways by `sway`; (count, 2)."""
    along, wave = _along(count)
    headings = angle + bend * along + sway * wave
    curve = np.empty((count, 2))
    curve[0] = start
    curve[1:, 0], curve[1:, 1] = np.cos(headings[:-1]), np.sin(headings[:-1])
    curve[1:] *= length / (count - 1)
    return curve.cumsum(axis=0)


@cache
def _along(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    along = np.linspace(0.0, 1.0, count)
    return along, np.sin(2 * np.pi * along)


def direction(curve: Points, index: int = -1) -> float:
    """The direction in which a curve reaches the point at `index`, in radians."""
    step = curve[index] - curve[index - 1]
    return float(np.arctan2(step[1], step[0]))


def taper(start: float, end: float, count: int = 12) -> NDArray[np.float64]:
    """Widths that change linearly from `start` to `end`; (count,)."""
    return np.linspace(start, end, count)


def profile(stations: list[tuple[float, float]], count: int = 24) -> NDArray[np.float64]:
    """Widths along a body, smoothed between `stations`, pairs of position (0 to 1) and width; (count,)."""
    positions, widths = zip(*stations, strict=True)
    coarse = np.interp(np.linspace(-0.1, 1.1, count + 4), positions, widths)
    return np.convolve(coarse, [0.1, 0.2, 0.4, 0.2, 0.1], mode="valid")


def limb(spine: Points, widths: ArrayLike, colour: Colour, **look: Unpack[Look]) -> Part:
    """A tube with round ends along `spine` (n, 2); `widths`, a number or (n,), are diameters."""
    tangent = _tangents(spine)
    half = np.broadcast_to(np.asarray(widths) / 2, len(spine))[:, None]
    across = tangent[:, ::-1] * SQUARE * half
    tip = spine[-1] + CAP @ (tangent[-1] * half[-1], across[-1])
    tail = spine[0] - CAP @ (tangent[0] * half[0], across[0])
    outline = np.concatenate([spine + across, tip, (spine - across)[::-1], tail])
    ridge = np.concatenate([spine, spine[[-1] * len(CAP)], spine[::-1], spine[[0] * len(CAP)]])
    return Part(outline, ridge, colour, **look)


def _tangents(spine: Points) -> Points:
    """The unit directions along a curve, (n, 2)."""
    tangent = np.empty_like(spine, dtype=float)
    tangent[1:-1] = spine[2:] - spine[:-2]
    tangent[0], tangent[-1] = spine[1] - spine[0], spine[-1] - spine[-2]
    return tangent / np.maximum(np.sqrt((tangent * tangent).sum(axis=1)), 1e-9)[:, None]


def blob(
    centre: ArrayLike, radii: ArrayLike, colour: Colour, turn: float = 0.0, count: int = 24, **look: Unpack[Look]
) -> Part:
    """An ellipse with `radii` (x, y), turned by `turn` radians."""
    outline = _circle(count) * np.asarray(radii)
    if turn:
        outline = outline @ rotation(turn)
    return _around(centre, outline + np.asarray(centre), colour, look)


@cache
def _circle(count: int) -> Points:
    around = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([np.cos(around), np.sin(around)], axis=1)


def _around(centre: ArrayLike, outline: Points, colour: Colour, look: Look) -> Part:
    """A part that rises to a single point, its centre."""
    ridge = np.empty_like(outline)
    ridge[:] = centre
    return Part(outline, ridge, colour, **look)


def dot(centre: ArrayLike, radius: float, colour: Colour, **look: Unpack[Look]) -> Part:
    """A small ball, or a small spot if it is a mark."""
    return blob(centre, (radius, radius), colour, count=10, **look)


def sheet(outline: Points, colour: Colour, **look: Unpack[Look]) -> Part:
    """A thin membrane: a fin, a leaf, a veil."""
    return _around(outline.mean(axis=0), outline, colour, Look(roundness=0.25) | look)


def feather(
    spine: Points, widths: ArrayLike, teeth: int, colour: Colour, lean: float = 0.6, **look: Unpack[Look]
) -> Part:
    """A plume along `spine` (n, 2) with `teeth` barbs on each side that lean forward by `lean` times their length.

    `widths`, a number or (n,), are measured from tip to tip.
    """
    along = np.linspace(0, 1, 2 * teeth + 1)
    positions = np.linspace(0, 1, len(spine))
    centre = np.stack([np.interp(along, positions, spine[:, axis]) for axis in (0, 1)], axis=1)
    tangent = _tangents(centre)
    half = np.interp(along, positions, np.broadcast_to(widths, len(spine)))[:, None] / 2
    reach = np.where(np.arange(len(along)) % 2 == 1, 1.0, 0.22)[:, None] * half
    across = tangent[:, ::-1] * SQUARE * reach
    forward = tangent * reach * lean
    outline = np.concatenate([centre + across + forward, (centre - across + forward)[::-1]])
    return Part(outline, np.concatenate([centre, centre[::-1]]), colour, **(Look(roundness=0.5) | look))


def burst(
    centre: ArrayLike,
    inner: float,
    outer: ArrayLike,
    spikes: int,
    colour: Colour,
    turn: float = 0.0,
    **look: Unpack[Look],
) -> Part:
    """A ball of spikes from radius `inner` to radius `outer`, a number or (spikes,)."""
    around = turn + np.linspace(0, 2 * np.pi, 2 * spikes, endpoint=False)
    radius = np.full(2 * spikes, inner, dtype=float)
    radius[1::2] = outer
    outline = np.stack([np.cos(around), np.sin(around)], axis=1) * radius[:, None] + np.asarray(centre)
    return _around(centre, outline, colour, look)


def rotation(angle: float) -> NDArray[np.float64]:
    """The matrix that turns row vectors by `angle` radians, clockwise on screen; (2, 2)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, sine], [-sine, cosine]])


def moved(parts: list[Part], matrix: NDArray[np.float64], offset: tuple[float, float] = (0.0, 0.0)) -> list[Part]:
    """The same parts, with `matrix` (2, 2) applied to their row vectors and `offset` added."""
    # One product for all points is faster, as the parts are many and small.
    points = np.concatenate([points for part in parts for points in (part.outline, part.ridge)]) @ matrix + offset
    result, start = [], 0
    for part in parts:
        middle = start + len(part.outline)
        end = middle + len(part.ridge)
        result.append(
            Part(points[start:middle], points[middle:end], part.colour, part.alpha, part.roundness, part.mark)
        )
        start = end
    return result


def bounds(parts: list[Part]) -> tuple[float, float, float, float]:
    """Minimum x, minimum y, maximum x and maximum y of all parts except marks."""
    points = np.concatenate([part.outline for part in parts if not part.mark])
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return left, top, right, bottom


def tinted(colour: Colour, factor: float, towards: Colour = (255.0, 255.0, 255.0)) -> Colour:
    """`colour` mixed with `towards`; `factor` 0 leaves it as it is, 1 replaces it."""
    red, green, blue = (channel + (other - channel) * factor for channel, other in zip(colour, towards, strict=True))
    return red, green, blue


def shaded(colour: Colour, factor: float) -> Colour:
    """`colour` with its channels multiplied by `factor` and capped at 255."""
    red, green, blue = (min(255.0, channel * factor) for channel in colour)
    return red, green, blue


def varied(random: np.random.Generator, colour: Colour, amount: float = 0.12) -> Colour:
    """The colour of one individual: lightness varies with standard deviation `amount`, each channel a third as much."""
    lightness = 1 + random.normal(0, amount)
    factors = 1 + random.normal(0, amount / 3, 3)
    red, green, blue = (
        float(np.clip(channel * lightness * factor, 0, 255)) for channel, factor in zip(colour, factors, strict=True)
    )
    return red, green, blue
