"""Stones on the seabed, which carry no labels."""

import numpy as np
from numpy.random import Generator

from reef.anatomy import Colour, Part, shaded, varied


def stone(random: Generator, colour: Colour) -> list[Part]:
    """A boulder, rounded or angular, with its foot in the sand."""
    grey = varied(random, colour)
    around = np.linspace(0, 2 * np.pi, 22, endpoint=False)
    rough = 1 + random.normal(0, 0.06, 22) + random.uniform(0, 0.16) * np.cos(3 * around + random.uniform(0, 6))
    outline = np.stack([np.cos(around) * 0.5, np.sin(around) * random.uniform(0.26, 0.42)], axis=1) * rough[:, None]
    ridge = outline * random.uniform(0.05, 0.4) - (random.normal(0, 0.06), 0.08)
    parts = [Part(outline, ridge, grey)]
    for _ in range(6):
        # A facet is a small copy of the outline, tilted by a ridge of its own.
        middle = outline[random.integers(0, 22)] * random.uniform(0.2, 0.7)
        facet = outline * random.uniform(0.2, 0.42) + middle
        parts.append(Part(facet, ridge * 0.2 + middle, shaded(grey, random.uniform(0.72, 1.2)), 0.5, mark=True))
    return parts
