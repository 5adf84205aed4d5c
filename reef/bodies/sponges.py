"""Porifera: twigs, goblets and crusts."""

import numpy as np
from numpy.random import Generator

from reef.anatomy import (
    UP,
    Colour,
    Part,
    blob,
    burst,
    direction,
    dot,
    feather,
    limb,
    path,
    profile,
    shaded,
    taper,
    tinted,
    varied,
)


def twig(random: Generator, colour: Colour, branches: int, bottlebrush: bool) -> list[Part]:
    """A carnivorous sponge: a stiff axis with filaments on both sides, and `branches` side branches.

    `bottlebrush` makes the filaments long and dense.
    """
    pale, stem = varied(random, colour), varied(random, shaded(colour, 0.62))
    axis = path((0, 0), UP, 1.0, random.normal(0, 0.15), random.normal(0, 0.12))
    brush = taper(0.24, 0.16) if bottlebrush else taper(0.10, 0.07)
    parts = [feather(axis[2:], brush[2:], 26, pale, lean=0.35, alpha=0.85)]
    for number in range(branches):
        root = axis[int(np.interp(number, (0, max(branches - 1, 1)), (3, 9)))]
        side = 1 if number % 2 else -1
        length = random.uniform(0.34, 0.52) * (1 - 0.05 * number)
        branch = path(root, UP + side * random.uniform(0.75, 1.1), length, -side * random.uniform(0.3, 0.7))
        parts.append(feather(branch, taper(0.09, 0.07), 14, pale, lean=0.35, alpha=0.85))
        parts.append(limb(branch, taper(0.028, 0.014), tinted(pale, 0.35)))
        parts.append(dot(branch[-1], 0.026, tinted(pale, 0.5)))
    parts.append(limb(axis, taper(0.045, 0.02), stem))
    parts.append(limb(axis[2:], taper(0.026, 0.012, 10), tinted(pale, 0.4)))
    parts.append(blob((0, 0.01), (0.09, 0.035), shaded(stem, 0.8)))
    return parts


def goblet(random: Generator, colour: Colour) -> list[Part]:
    """A glass sponge: a vase with a dark opening and a fringe of spicules."""
    wall = varied(random, colour)
    belly, mouth = random.uniform(0.6, 0.82), random.uniform(0.46, 0.6)
    axis = path((0, 0), UP, 1.0, random.normal(0, 0.15))
    widths = profile([(0, 0.16), (0.25, belly * 0.8), (0.6, belly), (1, mouth)], 12)
    lean = axis[-1] - axis[-2]
    turn = direction(axis) - UP
    parts = [feather(axis, widths * 1.18, 30, tinted(wall, 0.2), lean=0.12, alpha=0.45)]
    parts.append(limb(axis, widths, wall))
    for offset in np.linspace(-0.36, 0.36, 7):
        seam = axis + np.stack([widths * offset, np.zeros(12)], axis=1)
        parts.append(limb(seam[1:], taper(0.02, 0.03, 11), shaded(wall, 0.78), alpha=0.5, mark=True))
    rim = axis[-1] + lean * 0.2
    parts.append(burst(rim, mouth * 0.42, mouth * 0.6, 34, tinted(wall, 0.25), alpha=0.4))
    parts.append(blob(rim, (mouth * 0.52, mouth * 0.25), tinted(wall, 0.25), turn))
    parts.append(blob(rim, (mouth * 0.43, mouth * 0.19), shaded(wall, 0.28), turn, roundness=0.1))
    return parts


def crust(random: Generator, colour: Colour) -> list[Part]:
    """A lobed sponge: fused mounds with round vents."""
    flesh = varied(random, colour)
    parts: list[Part] = []
    for place in random.permutation(np.linspace(-0.4, 0.4, int(random.integers(5, 8)))):
        height = random.uniform(0.2, 0.42) * (1 - 0.8 * abs(place))
        shade = varied(random, flesh, 0.06)
        mound = path((place, 0.02), UP + 0.5 * place, height, random.normal(0, 0.3), count=8)
        parts.append(limb(mound, profile([(0, 0.36), (0.5, 0.3), (1, 0.2)], 8), shade))
        pores = mound[random.integers(0, 8, 9)] + random.normal(0, 0.05, (9, 2))
        parts += [dot(pore, random.uniform(0.007, 0.014), shaded(shade, 0.6), mark=True) for pore in pores]
        vent = mound[-1] + (0.0, -0.03)
        parts.append(blob(vent, (0.05, 0.032), tinted(shade, 0.25)))
        parts.append(blob(vent, (0.036, 0.021), shaded(shade, 0.3), roundness=0.1))
    return parts
