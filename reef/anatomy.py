"""The parts that organisms are made of: outlines with a ridge, as data, before anything is drawn.

Coordinates are in body lengths, x to the right and y down, so that a heading of -pi/2 points up.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""(points, 2), x and y."""

Colour = tuple[float, float, float]
"""Red, green and blue, 0 to 255."""

UP = -np.pi / 2
SIDES = (-1.0, 1.0)

SQUARE = np.array([-1.0, 1.0])
"""Times a direction with x and y swapped: the direction to its right."""

CAP = np.array([[0.5, 0.87], [0.87, 0.5], [1.0, 0.0], [0.87, -0.5], [0.5, -0.87]])
"""The points of a round end: shares of the half width along the spine and across it."""


@dataclass(frozen=True)
class Part:
    """A filled outline whose surface rises from its rim to its ridge."""

    outline: Points
    ridge: Points
    """Where each point of the outline meets the top of the part; as long as `outline`."""

    colour: Colour
    alpha: float = 1.0
    """0 is glass, 1 is opaque."""

    roundness: float = 1.0
    """0 is flat, 1 as round as a tube."""

    mark: bool = False
    """Painted on what lies beneath, without a surface of its own, and cut off at its rim."""


def path(start, angle: float, length: float, bend: float = 0.0, sway: float = 0.0, count: int = 12) -> Points:
    """A curve from `start` at that `angle`, turning by `bend` radians on its way and swaying by `sway`; (count, 2)."""
    along, wave = _along(count)
    turned = angle + bend * along + sway * wave
    curve = np.empty((count, 2))
    curve[0] = start
    curve[1:, 0], curve[1:, 1] = np.cos(turned[:-1]), np.sin(turned[:-1])
    curve[1:] *= length / (count - 1)
    return curve.cumsum(axis=0)


@cache
def _along(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    along = np.linspace(0.0, 1.0, count)
    return along, np.sin(2 * np.pi * along)


def direction(curve: Points, place: int = -1) -> float:
    """The direction in which a curve arrives at a point, in radians."""
    step = curve[place] - curve[place - 1]
    return float(np.arctan2(step[1], step[0]))


def taper(start: float, end: float, count: int = 12) -> NDArray[np.float64]:
    """Widths that go evenly from `start` to `end`; (count,)."""
    return np.linspace(start, end, count)


def profile(stations: list[tuple[float, float]], count: int = 24) -> NDArray[np.float64]:
    """Widths along a body, smooth between the given (place 0 to 1, width); (count,)."""
    places, widths = zip(*stations, strict=True)
    coarse = np.interp(np.linspace(-0.1, 1.1, count + 4), places, widths)
    return np.convolve(coarse, [0.1, 0.2, 0.4, 0.2, 0.1], mode="valid")


def limb(spine: Points, widths, colour: Colour, **look) -> Part:
    """A tube along `spine` (n, 2) with full `widths` (n,) and round ends."""
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


def blob(centre, radii, colour: Colour, turn: float = 0.0, count: int = 24, **look) -> Part:
    """An ellipse with the two `radii`, turned by `turn` radians."""
    outline = _circle(count) * radii
    if turn:
        outline = outline @ rotation(turn)
    return _around(centre, outline + centre, colour, look)


@cache
def _circle(count: int) -> Points:
    around = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([np.cos(around), np.sin(around)], axis=1)


def _around(centre, outline: Points, colour: Colour, look: dict) -> Part:
    ridge = np.empty_like(outline)
    ridge[:] = centre
    return Part(outline, ridge, colour, **look)


def dot(centre, radius: float, colour: Colour, **look) -> Part:
    """A small ball, or as a mark a small spot."""
    return blob(centre, (radius, radius), colour, count=10, **look)


def sheet(outline: Points, colour: Colour, **look) -> Part:
    """A thin membrane: a fin, a leaf, a veil."""
    return _around(outline.mean(axis=0), outline, colour, {"roundness": 0.25} | look)


def feather(spine: Points, widths, teeth: int, colour: Colour, lean: float = 0.6, **look) -> Part:
    """A plume: `teeth` barbs a side along `spine`, `widths` (n,) across from tip to tip, leaning forward."""
    along = np.linspace(0, 1, 2 * teeth + 1)
    places = np.linspace(0, 1, len(spine))
    centre = np.stack([np.interp(along, places, spine[:, axis]) for axis in (0, 1)], axis=1)
    tangent = _tangents(centre)
    half = np.interp(along, places, np.broadcast_to(widths, len(spine)))[:, None] / 2
    reach = np.where(np.arange(len(along)) % 2 == 1, 1.0, 0.22)[:, None] * half
    across = tangent[:, ::-1] * SQUARE * reach
    forward = tangent * reach * lean
    outline = np.concatenate([centre + across + forward, (centre - across + forward)[::-1]])
    return Part(outline, np.concatenate([centre, centre[::-1]]), colour, **({"roundness": 0.5} | look))


def burst(centre, inner: float, outer, spikes: int, colour: Colour, turn: float = 0.0, **look) -> Part:
    """A ball of spikes from radius `inner` to `outer`, a number or (spikes,)."""
    around = turn + np.linspace(0, 2 * np.pi, 2 * spikes, endpoint=False)
    radius = np.full(2 * spikes, inner, dtype=float)
    radius[1::2] = outer
    outline = np.stack([np.cos(around), np.sin(around)], axis=1) * radius[:, None] + np.asarray(centre)
    return _around(centre, outline, colour, look)


def rotation(angle: float) -> NDArray[np.float64]:
    """The matrix that turns row vectors by `angle` radians, clockwise on screen; (2, 2)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, sine], [-sine, cosine]])


def moved(parts: list[Part], matrix: NDArray[np.float64], offset=(0.0, 0.0)) -> list[Part]:
    """The same parts after a linear map of row vectors and a shift."""
    # One product for all the points: parts are many and small.
    points = np.concatenate([points for part in parts for points in (part.outline, part.ridge)]) @ matrix + offset
    result, first = [], 0
    for part in parts:
        middle = first + len(part.outline)
        last = middle + len(part.ridge)
        result.append(
            Part(points[first:middle], points[middle:last], part.colour, part.alpha, part.roundness, part.mark)
        )
        first = last
    return result


def bounds(parts: list[Part]) -> tuple[float, float, float, float]:
    """The least x and y and the greatest x and y of all parts that are not marks."""
    points = np.concatenate([part.outline for part in parts if not part.mark])
    return (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())


def tinted(colour: Colour, factor: float, towards: Colour = (255.0, 255.0, 255.0)) -> Colour:
    """`colour` moved by the share `factor` towards another, white unless given."""
    return tuple(channel + (other - channel) * factor for channel, other in zip(colour, towards, strict=True))


def shaded(colour: Colour, factor: float) -> Colour:
    """`colour` made darker or lighter by a factor."""
    return tuple(min(255.0, channel * factor) for channel in colour)


def varied(random: np.random.Generator, colour: Colour, amount: float = 0.12) -> Colour:
    """`colour` as one individual has it: lightness by up to about `amount`, each channel by a third of that."""
    lightness = 1 + random.normal(0, amount)
    channels = 1 + random.normal(0, amount / 3, 3)
    return tuple(float(np.clip(value * lightness * one, 0, 255)) for value, one in zip(colour, channels, strict=True))
