"""Arthropoda: crabs and shrimps."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from reef.anatomy import (
    SIDES,
    UP,
    Colour,
    Part,
    Points,
    blob,
    direction,
    dot,
    limb,
    path,
    profile,
    shaded,
    sheet,
    taper,
    tinted,
    varied,
)


def _leg(root: tuple[float, float], angles: list[float], lengths: list[float]) -> Points:
    """The joints of a leg, (segments + 1, 2), given the angle and length of each segment."""
    steps = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.asarray(lengths)[:, None]
    return np.concatenate([[root], np.asarray(root) + np.cumsum(steps, axis=0)])


def crab(random: Generator, colour: Colour) -> list[Part]:
    """A tanner crab from above: a heart-shaped carapace, four pairs of long legs with pale joints, two claws."""
    shell = varied(random, colour)
    parts: list[Part] = []
    for side in SIDES:
        for number, base in enumerate((-0.55, -0.12, 0.3, 0.75)):
            out = base + random.normal(0, 0.12)
            fold = random.uniform(0.35, 0.8)
            angles = [out - 0.5 * fold, out + 0.5 * fold, out + 1.1 * fold]
            reach = (0.26, 0.3, 0.28, 0.22)[number]
            leg = _leg((0.13, 0.01 + 0.055 * number), angles, [reach, reach * 0.75, reach * 0.6]) * (side, 1)
            for joint, width in enumerate((0.058, 0.046, 0.03)):
                segment = np.linspace(leg[joint], leg[joint + 1], 4)
                parts.append(limb(segment, taper(width, width * 0.75, 4), shaded(shell, 1 - 0.1 * joint)))
            parts += [dot(knee, 0.026, tinted(shell, 0.45)) for knee in leg[1:3]]
        claw = _leg((0.12, -0.08), [-0.6, -1.5 + random.normal(0, 0.2)], [0.16, 0.13]) * (side, 1)
        parts += [limb(np.linspace(claw[joint], claw[joint + 1], 4), 0.055, shaded(shell, 0.9)) for joint in (0, 1)]
        for spread in (-0.3, 0.25):
            finger = path(claw[-1], UP + side * spread, 0.13, -side * spread * 1.5, count=5)
            parts.append(limb(finger, taper(0.05, 0.015, 5), tinted(shell, 0.2)))
    body = path((0, -0.17), -UP, 0.33, count=12)
    parts.append(limb(body, profile([(0, 0.12), (0.35, 0.3), (0.75, 0.38), (1, 0.24)], 12), shell))
    for x, y in ((0.0, -0.05), (-0.08, 0.05), (0.08, 0.05), (0.0, 0.09), (-0.11, -0.03), (0.11, -0.03)):
        parts.append(dot((x, y), 0.024, tinted(shell, 0.22)))
    for side in SIDES:
        parts.append(dot((side * 0.05, -0.2), 0.02, (30, 26, 24)))
        parts.append(limb(path((side * 0.02, -0.2), UP + side * 0.15, 0.06, count=4), taper(0.02, 0.006, 4), shell))
    return parts


def shrimp(random: Generator, colour: Colour, spots: bool, glass: float) -> list[Part]:
    """A shrimp from the side: a carapace with a rostrum, a bent ringed tail, white `spots` or none.

    `glass` is 0 for an opaque shrimp, 1 for the most transparent one.
    """
    shell = varied(random, colour)
    back = path((-0.1, 0), np.pi + 0.05, 0.52, -random.uniform(0.7, 1.7), count=14)
    widths = profile([(0, 0.2), (0.4, 0.17), (0.8, 0.09), (1, 0.06)], 14)
    opacity = 1 - 0.45 * glass
    parts = _appendages(random, shell, back, widths)
    parts.append(limb(back, widths, shell, alpha=opacity))
    for place in range(2, 13, 2):
        ring = np.array([back[place] + (0, -widths[place] * 0.5), back[place] + (0.01, widths[place] * 0.5)])
        parts.append(limb(ring, 0.014, shaded(shell, 0.55), alpha=0.6, mark=True))
    carapace = path((-0.16, 0), -0.06, 0.46, 0.0, count=14)
    parts.append(limb(carapace, profile([(0, 0.2), (0.4, 0.23), (0.8, 0.13), (1, 0.04)], 14), shell, alpha=opacity))
    parts.append(sheet(np.array([[0.12, -0.11], [0.3, -0.1], [0.46, -0.14], [0.3, -0.05]]), shaded(shell, 0.9)))
    for x, size in ((-0.1, 0.028), (0.02, 0.02)) if glass else ():
        parts.append(blob((x, -0.02), (size * 2, size), (190, 60, 40), alpha=0.7, mark=True))
    if spots:
        for centre in (back[3], back[10]):
            for shift in (-0.05, 0.05):
                parts.append(dot(np.add(centre, (0.0, shift)), 0.03, (252, 246, 238), mark=True))
        parts.append(limb(np.array([[-0.08, -0.05], [0.16, -0.045]]), 0.022, (250, 238, 226), alpha=0.85, mark=True))
    parts.append(dot((0.27, -0.055), 0.034, (20, 16, 18), roundness=0.7))
    parts.append(dot((0.278, -0.065), 0.01, (240, 236, 226), mark=True))
    return parts


def _appendages(random: Generator, shell: Colour, back: Points, widths: NDArray[np.float64]) -> list[Part]:
    """Two antennae, five legs, five swimmerets and a tail fan."""
    parts: list[Part] = []
    for bend in (-0.5, 0.35):
        antenna = path((0.3, -0.03), random.normal(-0.35, 0.25), random.uniform(0.3, 0.5), bend)
        parts.append(limb(antenna, taper(0.012, 0.005), tinted(shell, 0.25), alpha=0.8))
    for x in np.linspace(0.0, 0.26, 5):
        knee = random.uniform(0.11, 0.16)
        leg = _leg((x, 0.06), [-UP - 0.35 + x, -UP + 0.5 + random.normal(0, 0.15)], [knee, knee * 1.2])
        parts.append(limb(leg, 0.018, shaded(shell, 0.85)))
    for place in range(2, 11, 2):
        paddle = path(back[place] + (0, widths[place] * 0.35), -UP + 0.5, 0.11, 0.5, count=5)
        parts.append(limb(paddle, taper(0.042, 0.02, 5), shaded(shell, 0.8), roundness=0.5))
    for spread in (-0.55, -0.2, 0.2, 0.55):
        blade = path(back[-1], direction(back) + spread, 0.15, count=5)
        parts.append(limb(blade, profile([(0, 0.03), (0.7, 0.06), (1, 0.03)], 5), tinted(shell, 0.1), roundness=0.4))
    return parts
