"""Annelida: tube worms."""

import numpy as np
from numpy.random import Generator

from reef.anatomy import (
    UP,
    Colour,
    Part,
    blob,
    direction,
    feather,
    limb,
    path,
    shaded,
    taper,
    tinted,
    varied,
)


def tube_worms(random: Generator, crown: Colour) -> list[Part]:
    """Serpulids: one to three winding chalky tubes, each with a feathery crown and an operculum."""
    parts: list[Part] = []
    number = int(random.integers(1, 4))
    for worm in range(number):
        plume = varied(random, crown)
        chalk = varied(random, (232, 226, 212), 0.05)
        start = (0.2 * (worm - (number - 1) / 2), random.normal(0, 0.03))
        lean = UP + 0.35 * (worm - (number - 1) / 2) + random.normal(0, 0.2)
        tube = path(start, lean, random.uniform(0.55, 0.75), random.normal(0, 0.5), random.normal(0, 0.8), 18)
        parts.append(limb(tube, taper(0.075, 0.11, 18), chalk))
        rings = [tube[place : place + 2] for place in range(2, 17, 3)]
        parts += [limb(ring, 0.13, shaded(chalk, 0.72), alpha=0.35, mark=True) for ring in rings]
        mouth = tube[-1]
        heading = direction(tube)
        for spread in random.permutation(np.linspace(-1.25, 1.25, 11)):
            radiole = path(mouth, heading + spread, random.uniform(0.2, 0.27), -spread * 0.5, count=8)
            parts.append(feather(radiole, taper(0.035, 0.06, 8), 9, shaded(plume, random.uniform(0.8, 1.1)), lean=0.7))
            parts.append(limb(radiole, 0.012, tinted(plume, 0.45)))
        parts.append(blob(mouth, (0.06, 0.045), shaded(chalk, 0.6)))
        operculum = path(mouth, heading + 0.9, 0.13, count=4)
        parts.append(limb(operculum, taper(0.02, 0.07, 4), tinted(plume, 0.3)))
    return parts
