"""Chordata: fish and giant larvaceans."""

from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from reef.anatomy import (
    SIDES,
    UP,
    Colour,
    Part,
    Points,
    blob,
    direction,
    dot,
    feather,
    limb,
    path,
    profile,
    shaded,
    sheet,
    tinted,
    varied,
)

Widths = NDArray[np.float64]
"""(points,) diameters along a spine."""

Mark = Literal["bands", "blotches", "belly"]


def rockfish(random: Generator, colour: Colour, mark: Mark, eye: float) -> list[Part]:
    """A rockfish from the side: deep body, big mouth, a spiny dorsal fin; `eye` is the radius of its eye."""
    skin = varied(random, colour)
    spine = path((-0.36, 0), 0.0, 0.8, random.normal(0, 0.12), random.normal(0, 0.1), 24)
    widths = profile([(0, 0.09), (0.2, 0.13), (0.6, 0.35), (0.82, 0.3), (1, 0.08)])
    fin = shaded(skin, 0.8)
    half = np.stack([0 * widths, widths * 0.46], axis=1)
    back, belly = spine - half, spine + half
    parts = [_tail(spine[0], direction(spine[::-1]), 0.17, fin)]
    parts.append(_dorsal_fin(back, fin))
    parts.append(limb(spine, widths, skin))
    parts += _pattern(random, skin, mark, spine, widths)
    parts.append(limb(spine[4:21], widths[4:21] * 0.5, tinted(skin, 0.12), alpha=0.2, mark=True))
    parts.append(sheet(np.array([belly[8], belly[5], belly[5] + (-0.07, 0.05), belly[7] + (-0.03, 0.12)]), fin))
    parts.append(sheet(np.array([belly[15], belly[13], belly[12] + (-0.05, 0.09), belly[13] + (0, 0.11)]), fin))
    head = spine[20]
    gill = path(np.add(head, (-0.045, -0.1)), -UP + 0.5, 0.21, -1.1, count=8)
    parts.append(limb(gill, 0.016, shaded(skin, 0.6), alpha=0.7, mark=True))
    mouth = np.array([spine[-1] + (0.03, 0.02), np.add(head, (0.03, 0.07))])
    parts.append(limb(mouth, 0.013, shaded(skin, 0.35), mark=True))
    pectoral = path(spine[16] + (0.02, 0.05), np.pi - 0.35 - random.uniform(0, 0.6), 0.2, count=6)
    parts.append(limb(pectoral, profile([(0, 0.05), (0.7, 0.13), (1, 0.06)], 6), shaded(skin, 0.92), roundness=0.45))
    parts += _eye(np.add(head, (0.035, -0.045)), eye)
    return parts


def _dorsal_fin(back: Points, colour: Colour) -> Part:
    """The spiny fin along the back (24, 2) of a rockfish."""
    spines = np.linspace(18, 5, 23)
    height = np.where(np.arange(23) % 2, 0.075, 0.11) * np.interp(spines, (5, 8, 10, 14, 18), (0.7, 1.1, 0.6, 1.1, 0.8))
    crest = np.array([back[int(spine)] for spine in spines]) - np.stack([height * 0.35, height], axis=1)
    return sheet(np.concatenate([crest, back[5:19]]), colour, roundness=0.4)


def _tail(root: Points, heading: float, size: float, colour: Colour) -> Part:
    """A tail fin of length `size` that points to `heading`."""
    angles = heading + np.array([-0.62, -0.3, 0.0, 0.3, 0.62])
    reach = size * np.array([1.0, 0.92, 0.82, 0.92, 1.0])
    edge = root + np.stack([np.cos(angles), np.sin(angles)], axis=1) * reach[:, None]
    stem = root - np.array([np.cos(heading), np.sin(heading)]) * size * 0.35
    return sheet(np.concatenate([[stem], edge]), colour, roundness=0.35)


def _eye(centre: ArrayLike, radius: float) -> list[Part]:
    return [
        dot(centre, radius, (228, 196, 110)),
        dot(centre, radius * 0.68, (12, 12, 18), roundness=0.5),
        dot(np.add(centre, (radius * 0.25, -radius * 0.3)), radius * 0.22, (255, 255, 255), mark=True),
    ]


def _pattern(random: Generator, skin: Colour, mark: Mark, spine: Points, widths: Widths) -> list[Part]:
    """A pale belly, and the bands, blotches or white belly of a species."""
    below = spine + np.stack([0 * widths, widths * 0.36], axis=1)
    parts = [limb(below[3:22], widths[3:22] * 0.42, tinted(skin, 0.45), alpha=0.55, mark=True)]
    if mark == "belly":
        parts.append(limb(below[5:21], widths[5:21] * 0.5, (240, 232, 228), alpha=0.8, mark=True))
        parts += [dot(spine[place] + (0, -0.07), 0.05, tinted(skin, 0.5), alpha=0.55, mark=True) for place in (7, 12)]
    elif mark == "bands":
        for place in (5, 10, 15, 20):
            band = np.array([spine[place] + (0.03, -widths[place] * 0.5), spine[place] + (-0.02, widths[place] * 0.45)])
            parts.append(limb(band, 0.07, shaded(skin, 0.45), alpha=0.75, mark=True))
    else:
        for place in random.integers(4, 21, 12):
            spot = spine[place] + (0, random.uniform(-0.45, 0.15) * widths[place])
            parts.append(blob(spot, random.uniform(0.02, 0.06, 2), shaded(skin, 0.6), alpha=0.5, mark=True))
    return parts


def long_fish(random: Generator, colour: Colour, depth: float) -> list[Part]:
    """A slender fish such as a hake or grenadier: a long body tapering to a whip, low fins, a big eye."""
    skin = varied(random, colour)
    spine = path((-0.5, 0), 0.0, 1.0, random.normal(0, 0.35), random.normal(0, 0.35), 26)
    widths = profile([(0, 0.1), (0.45, 0.55), (0.75, 1.0), (0.9, 0.9), (1, 0.4)], 26) * depth
    fin = shaded(skin, 0.75)
    up = np.stack([0 * widths, widths], axis=1)
    low = np.stack([np.zeros(16), 0.035 * np.sin(np.linspace(0.4, np.pi, 16)) + 0.01], axis=1)
    parts = [_tail(spine[0], direction(spine[::-1]), 0.1, fin)]
    edges = [spine[:16] + side * (up[:16] * 0.4 + low) for side in SIDES]
    parts += [sheet(np.concatenate([edge, spine[15::-1]]), fin, alpha=0.85) for edge in edges]
    crest = np.array([spine[20] - up[20] * 0.4, spine[16] - up[16] * 0.4, spine[17] - up[17] * 0.5 - (0.03, 0.06)])
    parts.append(sheet(crest, fin))
    parts.append(limb(spine, widths, skin))
    parts.append(limb(spine[4:24] + up[4:24] * 0.32, widths[4:24] * 0.4, tinted(skin, 0.5), alpha=0.6, mark=True))
    parts.append(limb(spine[2:20], 0.009, shaded(skin, 0.6), alpha=0.7, mark=True))
    pectoral = path(spine[19] + (0, 0.02), np.pi - 0.5, 0.12, count=6)
    parts.append(limb(pectoral, profile([(0, 0.02), (1, 0.05)], 6), fin, roundness=0.4))
    parts += _eye(spine[23] - (0, depth * 0.16), depth * 0.2)
    return parts


def flatfish(random: Generator, colour: Colour) -> list[Part]:
    """A flatfish from above: an oval fringed by a fin, blotched like the sand."""
    skin = varied(random, colour)
    spine = path((-0.38, 0), 0.0, 0.82, random.normal(0, 0.2), random.normal(0, 0.12), 22)
    widths = profile([(0, 0.09), (0.15, 0.16), (0.6, 0.4), (0.85, 0.28), (1, 0.1)], 22)
    parts = [_tail(spine[0], np.pi, 0.16, shaded(skin, 0.8))]
    parts.append(feather(spine[1:20], widths[1:20] * 1.42, 34, shaded(skin, 0.78), lean=-0.4, alpha=0.9))
    parts.append(limb(spine, widths, skin, roundness=0.8))
    for place in random.integers(2, 20, 22):
        spot = spine[place] + (0, random.uniform(-0.42, 0.42) * widths[place])
        tone = shaded(skin, 0.6) if random.random() < 0.6 else tinted(skin, 0.35)
        parts.append(blob(spot, random.uniform(0.012, 0.04, 2), tone, alpha=0.6, mark=True))
    parts.append(limb(spine[2:18], 0.01, shaded(skin, 0.6), alpha=0.7, mark=True))
    return [*parts, *_eye(spine[19] + (0, -0.05), 0.026), *_eye(spine[18] + (0.0, 0.035), 0.026)]


def larvacean(random: Generator, colour: Colour) -> list[Part]:
    """A giant larvacean in its house: a cloud of mucus, two ribbed filters, a tadpole with a blue-edged tail."""
    mucus = varied(random, colour, 0.06)
    around = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    lumps = 1 + 0.09 * np.sin(3 * around + random.uniform(0, 6)) + 0.06 * np.sin(5 * around + random.uniform(0, 6))
    cloud = np.stack([0.5 * np.cos(around), 0.4 * np.sin(around)], axis=1) * lumps[:, None]
    parts = [sheet(cloud, shaded(mucus, 0.8), alpha=0.2, roundness=0.9)]
    for side in SIDES:
        ribs = random.uniform(0.85, 1.1)
        for order in np.linspace(0.0, 1.0, 11):
            heading = UP + side * (0.35 + 1.45 * order)
            rib = path((side * 0.05, 0.03), heading, 0.36 * ribs * (1 - 0.35 * order), side * 0.5, count=7)
            parts.append(limb(rib, profile([(0, 0.02), (0.6, 0.055), (1, 0.03)], 7), tinted(mucus, 0.3), alpha=0.62))
    tail = path((0, 0.02), -UP + random.normal(0, 0.3), 0.4, random.normal(0, 0.5), random.choice(SIDES) * 0.9, 18)
    parts.append(
        limb(tail, profile([(0, 0.05), (0.3, 0.12), (1, 0.06)], 18), (96, 170, 235), alpha=0.75, roundness=0.4)
    )
    parts.append(limb(tail, 0.036, (238, 244, 250), roundness=0.8))
    parts.append(blob((0, -0.01), (0.075, 0.055), (244, 226, 205)))
    parts.append(dot((0.02, -0.02), 0.024, (226, 140, 90)))
    return parts
