"""Mollusca: octopuses."""

import numpy as np
from numpy.random import Generator

from reef.anatomy import (
    SIDES,
    UP,
    Colour,
    Part,
    blob,
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


def octopus(random: Generator, colour: Colour, warts: float, web: float) -> list[Part]:
    """An octopus at rest: a sack-like mantle, two eyes, eight arms.

    `warts`, 0 to 1, is their density on the skin; `web`, 0 to 1, how far the web reaches along the arms.
    """
    skin = varied(random, colour)
    parts: list[Part] = []
    headings = np.linspace(-0.25, np.pi + 0.25, 8) + random.normal(0, 0.1, 8)
    arms = []
    for heading in random.permutation(headings):
        curl = np.sign(np.cos(heading) + 1e-6) * random.normal(-0.6, 1.0)
        arms.append(
            path((0.1 * np.cos(heading), 0.02), heading, random.uniform(0.48, 0.66), curl, random.normal(0, 0.6), 18)
        )
    if web:
        joints = np.array([arm[int(4 + 9 * web)] for arm in sorted(arms, key=lambda arm: -arm[5, 0])])
        parts.append(sheet(np.concatenate([[[0.0, -0.12]], joints]), shaded(skin, 0.85), roundness=0.6))
    for arm in arms:
        shade = varied(random, skin, 0.05)
        parts.append(limb(arm, taper(0.125, 0.02, 18), shade))
        suckers = np.add(arm[3:], (0.0, 0.022))
        parts += [
            dot(suckers[place], 0.017 - 0.001 * place, tinted(shade, 0.55), alpha=0.85) for place in range(0, 13, 2)
        ]
    sack = path((0, 0.02), UP + random.normal(0, 0.3), 0.42, random.normal(0, 0.5), count=14)
    parts.append(limb(sack, profile([(0, 0.24), (0.3, 0.22), (0.72, 0.4), (1, 0.24)], 14), skin))
    for _ in range(int(60 * warts)):
        place = sack[random.integers(1, 14)] + random.normal(0, 0.07, 2)
        parts.append(
            dot(place, random.uniform(0.008, 0.02), tinted(skin, random.uniform(0.2, 0.7)), alpha=0.8, mark=True)
        )
    for x in (-0.1, 0.1):
        eye = sack[3] + (x, 0.0)
        parts.append(dot(eye, 0.052, tinted(skin, 0.12)))
        parts.append(dot(eye, 0.03, (236, 214, 160)))
        parts.append(blob(eye, (0.024, 0.009), (18, 14, 16), roundness=0.1))
    return parts


def umbrella_octopus(random: Generator, colour: Colour) -> list[Part]:
    """A finned deep-sea octopus: arms joined to their tips by a bell of skin, an ear-like fin on each side."""
    skin = varied(random, colour)
    parts: list[Part] = []
    open_to = random.uniform(0.34, 0.5)
    tips = np.stack([np.linspace(-open_to, open_to, 8), 0.42 + random.normal(0, 0.025, 8)], axis=1)
    hem = np.concatenate([[[-0.17, -0.05]], np.repeat(tips, 2, axis=0), [[0.17, -0.05]]])
    hem[2:-2:2, 1] -= 0.05
    parts.append(sheet(hem, shaded(skin, 0.75), roundness=0.7))
    for tip in tips:
        heading = float(np.arctan2(tip[1], tip[0]))
        arm = path((tip[0] * 0.25, -0.02), heading, float(np.hypot(*tip)) * 0.98, random.normal(0, 0.2), count=10)
        parts.append(limb(arm, taper(0.09, 0.03, 10), skin))
    for side in SIDES:
        fin = path((side * 0.12, -0.2), UP + side * 1.0, 0.24, side * 0.5, count=8)
        parts.append(limb(fin, profile([(0, 0.06), (0.6, 0.14), (1, 0.05)], 8), tinted(skin, 0.12), roundness=0.5))
    parts.append(
        limb(path((0, 0.06), UP, 0.36, random.normal(0, 0.15), count=10), profile([(0, 0.36), (1, 0.28)], 10), skin)
    )
    for x in (-0.11, 0.11):
        parts.append(dot((x, -0.06), 0.045, tinted(skin, 0.35)))
        parts.append(dot((x, -0.06), 0.03, (24, 22, 34), roundness=0.6))
    return parts
