"""Cnidaria: jellyfish, anemones, sea fans and sea pens."""

import numpy as np
from numpy.random import Generator

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
    taper,
    tinted,
    varied,
)


def medusa(random: Generator, colour: Colour) -> list[Part]:
    """A moon jelly: a shallow transparent bell, four horseshoe-shaped gonads, frilled arms and a fringe."""
    jelly, gonad = varied(random, colour, 0.06), varied(random, (226, 150, 205), 0.1)
    height, tip = random.uniform(0.26, 0.42), random.uniform(0.12, 0.34)
    around = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    dome = np.where(np.sin(around) < 0, height, tip * 0.55)
    scallop = 1 + 0.03 * np.cos(16 * around)
    rim = np.stack([0.5 * np.cos(around), dome * np.sin(around)], axis=1) * scallop[:, None]
    parts = [
        limb(
            path((x, tip * 0.4 * np.sqrt(1 - 3.6 * x * x)), -UP, random.uniform(0.08, 0.17), 0, 0.4, 5),
            0.008,
            jelly,
            alpha=0.4,
        )
        for x in np.linspace(-0.48, 0.48, 30)
    ]
    for x in (-0.17, -0.06, 0.07, 0.18):
        arm = path((x, 0.02), -UP + x, random.uniform(0.34, 0.5), random.normal(0, 0.5), random.normal(0, 0.4))
        parts.append(feather(arm, taper(0.1, 0.03), 12, tinted(jelly, 0.3), alpha=0.6))
    parts.append(sheet(rim, jelly, alpha=0.46, roundness=0.85))
    parts.append(blob((0, tip * 0.12), (0.46, tip * 0.42), shaded(jelly, 0.8), alpha=0.4, mark=True))
    for spoke in np.linspace(-1.15, 1.15, 11):
        ray = np.array([[0, -height * 0.45], [0.47 * np.sin(spoke), tip * 0.45 * np.cos(spoke)]])
        parts.append(limb(ray, 0.008, tinted(jelly, 0.6), alpha=0.35, mark=True))
    for x, y in ((-0.15, -0.02), (0.15, -0.02), (-0.055, -0.1), (0.06, 0.05)):
        hoof = path((x - 0.055, y - height * 0.3 + 0.05), UP, 0.2, np.pi * 1.15, count=10)
        parts.append(limb(hoof, 0.036, gonad, roundness=0.6, alpha=0.9))
    return parts


def pompom(random: Generator, colour: Colour) -> list[Part]:
    """A pom-pom anemone: a low column under a ball of short thick tentacles."""
    flesh = varied(random, colour)
    parts = [blob((0, 0.2), (0.3, 0.22), shaded(flesh, 0.6))]
    rings = ((0.0, 0.3, 26), (0.14, 0.25, 22), (0.1, 0.22, 14), (0.06, 0.16, 8))
    for ring, (root, length, number) in enumerate(rings):
        for angle in np.linspace(0, 2 * np.pi, number, endpoint=False) + random.uniform(0, 1):
            heading = angle + random.normal(0, 0.12)
            start = np.array([np.cos(angle), 0.78 * np.sin(angle)]) * (root if ring else 0.2)
            reach = length * random.uniform(0.8, 1.15)
            tentacle = path(start, heading, reach, random.normal(0, 0.7), count=6)
            shade = shaded(varied(random, flesh, 0.05), 0.72 + 0.1 * ring)
            parts.append(limb(tentacle, taper(0.075, 0.03, 6), shade))
    parts.append(blob((0, 0), (0.05, 0.035), shaded(flesh, 0.5)))
    return parts


def sea_fan(random: Generator, colour: Colour, stoutness: float, tips: float) -> list[Part]:
    """A gorgonian, branching in one plane from a stem of width `stoutness`.

    `tips` is the radius of the swollen tips, relative to the width of their branch.
    """
    flesh = varied(random, colour)
    parts: list[Part] = []

    def grow(start: Points, heading: float, length: float, width: float, order: int) -> None:
        branch = path(start, heading, length, random.normal(0, 0.35), random.normal(0, 0.2), 7)
        shade = shaded(flesh, 0.72 + 0.09 * order)
        if order < 4:
            for spread in SIDES if random.random() < 0.85 else (*SIDES, 0.1):
                turn = spread * random.uniform(0.32, 0.72) - 0.25 * (heading - UP)
                grow(branch[-1], heading + turn, length * random.uniform(0.62, 0.88), width * 0.72, order + 1)
        parts.append(limb(branch, taper(width, width * 0.8, 7), shade))
        if order >= 3:
            parts.append(dot(branch[-1], width * tips, tinted(shade, 0.12)))
            polyps = branch[1::2] + random.normal(0, width * 0.22, (3, 2))
            parts.extend(dot(polyp, width * 0.17, tinted(shade, 0.6), mark=True) for polyp in polyps)

    grow(np.zeros(2), UP + random.normal(0, 0.12), 0.3, stoutness, 0)
    parts.append(blob((0, 0.0), (0.09, 0.04), shaded(flesh, 0.6)))
    return parts


def sea_pen(random: Generator, colour: Colour) -> list[Part]:
    """A sea pen: a fleshy stalk and two rows of leaves with white polyps along their edges."""
    flesh = varied(random, colour)
    axis = path((0, 0), UP, 1.0, random.normal(0, 0.35), random.normal(0, 0.1), 24)
    parts: list[Part] = []
    for number in range(9, 24):
        along = (number - 9) / 14
        length = 0.25 * (np.sin(np.pi * (0.16 + 0.78 * along)) ** 0.8)
        heading = direction(axis, number)
        for side in SIDES:
            leaf = path(axis[number], heading + side * random.uniform(0.85, 1.0), length, -side * 0.75, count=6)
            widths = profile([(0, 0.03), (0.5, 0.06), (1, 0.025)], 6)
            parts.append(limb(leaf, widths, shaded(flesh, 0.85 + 0.3 * along), roundness=0.7))
            parts.append(limb(leaf[2:], 0.012, tinted(flesh, 0.75), alpha=0.8, mark=True))
    parts.append(limb(axis, profile([(0, 0.09), (0.3, 0.062), (1, 0.03)]), tinted(flesh, 0.3)))
    return parts
