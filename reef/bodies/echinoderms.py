"""Echinodermata: sea stars, brittle stars, feather stars, urchins and sea cucumbers."""

import numpy as np
from numpy.random import Generator

from reef.anatomy import (
    UP,
    Colour,
    Part,
    blob,
    burst,
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


def star(random: Generator, colour: Colour, waist: float, knobs: float) -> list[Part]:
    """A cushion star from above: five short arms, covered with knobs of radius `knobs`.

    `waist` is the radius between the arms, relative to that at their tips.
    """
    flesh = varied(random, colour)
    half = np.pi / 5
    around = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    arm = np.round(around / (2 * half)).astype(int) % 5
    off = np.abs((around + half) % (2 * half) - half)
    radius = waist * np.sin(half) / (np.sin(off) + waist * np.sin(half - off))
    window = np.ones(7) / 7
    radius = np.convolve(np.concatenate([radius[-3:], radius, radius[:3]]), window, mode="valid")
    radius *= (1 + random.normal(0, 0.04, 5))[arm]
    swirl = random.normal(0, 0.12)
    around = around + swirl * radius
    axis = arm * 2 * half + swirl * 0.6
    outline = np.stack([np.cos(around), np.sin(around)], axis=1) * radius[:, None] * 0.5
    ridge = np.stack([np.cos(axis), np.sin(axis)], axis=1) * (radius * np.cos(off) * 0.42 - 0.03)[:, None]
    parts = [Part(outline * 1.02, ridge, tinted(flesh, 0.25)), Part(outline * 0.93, ridge, flesh, roundness=0.9)]
    for place in range(5):
        for step in np.linspace(0.06, 0.4, 6):
            for bow in (-0.36, 0.0, 0.36) if step < 0.27 else (0.0,):
                angle = place * 2 * half + bow + swirl * step * 2 + random.normal(0, 0.03)
                centre = np.array([np.cos(angle), np.sin(angle)]) * step * (1.0 if bow == 0 else 0.85)
                parts.append(dot(centre, knobs * random.uniform(0.8, 1.2), tinted(flesh, 0.3)))
    parts.append(dot((random.normal(0, 0.03), 0.05), 0.022, tinted(flesh, 0.75)))
    return parts


def sun_star(random: Generator, colour: Colour, arms: int) -> list[Part]:
    """A star with many slender arms and a bristly outline."""
    flesh = varied(random, colour)
    parts: list[Part] = []
    start = random.uniform(0, 1)
    for number in random.permutation(arms):
        angle = start + 2 * np.pi * number / arms + random.normal(0, 0.05)
        arm = path((0, 0), angle, 0.5 * random.uniform(0.86, 1.06), random.normal(0, 0.35), random.normal(0, 0.15))
        shade = varied(random, flesh, 0.04)
        parts.append(feather(arm, taper(0.15, 0.07), 15, tinted(shade, 0.35), lean=0.1, alpha=0.7))
        parts.append(limb(arm, taper(0.085, 0.028), shade))
        parts.append(limb(arm[2:], 0.01, tinted(shade, 0.5), alpha=0.5, mark=True))
    parts.append(blob((0, 0), (0.13, 0.13), flesh, roundness=0.7))
    parts += [dot(random.normal(0, 0.05, 2), 0.012, tinted(flesh, 0.45)) for _ in range(14)]
    return parts


def brittle_star(random: Generator, colour: Colour, banded: bool) -> list[Part]:
    """A small round disc with five whip-like arms."""
    flesh, disc = varied(random, colour), random.uniform(0.085, 0.12)
    start, parts = random.uniform(0, 2), []
    for number in range(5):
        angle = start + 2 * np.pi * number / 5 + random.normal(0, 0.12)
        arm = path((0, 0), angle, 0.62, random.normal(0, 0.9), random.normal(0, 0.75), 26)
        widths = taper(0.062, 0.014, 26)
        parts.append(feather(arm, widths * 2.1, 34, shaded(flesh, 0.85), lean=0.5, alpha=0.6))
        parts.append(limb(arm, widths, flesh))
        if banded:
            parts += [
                limb(arm[place : place + 2], 0.07, shaded(flesh, 0.5), alpha=0.75, mark=True)
                for place in range(4, 24, 4)
            ]
    parts.append(blob((0, 0), (disc, disc), shaded(flesh, 0.92)))
    for number in range(5):
        angle = start + 2 * np.pi * number / 5 + 0.2
        petal = (disc * 0.62 * np.cos(angle), disc * 0.62 * np.sin(angle))
        parts.append(dot(petal, disc * 0.2, tinted(flesh, 0.45), alpha=0.8, mark=True))
    return parts


def feather_star(random: Generator, colour: Colour) -> list[Part]:
    """A feather star: ten plumed arms raised from a small cup, gripping with curled cirri."""
    flesh = varied(random, colour)
    parts = [
        limb(path((0, 0), -UP + angle, 0.24, -1.6 * angle, count=8), taper(0.024, 0.012, 8), shaded(flesh, 0.62))
        for angle in np.linspace(-1.25, 1.25, 9) + random.normal(0, 0.08, 9)
    ]
    spread = random.uniform(1.15, 1.75)
    fan = np.linspace(-spread, spread, 10) + random.normal(0, 0.07, 10)
    for angle in sorted(fan, key=lambda angle: -abs(angle)):
        curl = -np.sign(angle) * random.uniform(0.25, 1.1) * (0.4 + abs(angle) / spread)
        arm = path((0, 0), UP + angle, random.uniform(0.58, 0.7), curl, random.normal(0, 0.12), 16)
        shade = varied(random, flesh, 0.05)
        widths = profile([(0, 0.05), (0.25, 0.17), (0.7, 0.14), (1, 0.03)], 16)
        parts.append(feather(arm, widths, 24, shade, lean=0.9, alpha=0.85))
        parts.append(limb(arm, taper(0.026, 0.012, 16), tinted(shade, 0.35)))
    parts.append(blob((0, 0), (0.05, 0.045), shaded(flesh, 0.7)))
    return parts


def urchin(random: Generator, colour: Colour) -> list[Part]:
    """A fragile pink urchin: a low test covered with spines."""
    flesh = varied(random, colour)
    turn = random.uniform(0, 1, 5)
    spines = [
        burst((0, 0), 0.28, random.uniform(0.43, 0.52, 46), 46, shaded(flesh, 0.62), turn[0], alpha=0.9),
        burst((0, 0), 0.26, random.uniform(0.37, 0.46, 38), 38, shaded(flesh, 0.85), turn[1], alpha=0.95),
        blob((0, 0), (0.32, 0.3), shaded(flesh, 0.72)),
        burst((0, 0), 0.17, random.uniform(0.26, 0.36, 30), 30, flesh, turn[2]),
        burst((0, -0.01), 0.09, random.uniform(0.17, 0.25, 20), 20, tinted(flesh, 0.2), turn[3]),
        burst((0, -0.02), 0.04, random.uniform(0.09, 0.14, 12), 12, tinted(flesh, 0.42), turn[4]),
    ]
    feet = random.uniform(0, 2 * np.pi, 12)
    tips = [(np.cos(angle), np.sin(angle)) for angle in feet]
    return [
        *(
            limb(
                path((0.3 * x, 0.3 * y), np.arctan2(y, x), 0.26, random.normal(0, 0.8), count=6),
                0.009,
                tinted(flesh, 0.6),
                alpha=0.5,
            )
            for x, y in tips
        ),
        *spines,
    ]


def sea_pig(random: Generator, colour: Colour, plumpness: float, whips: int) -> list[Part]:
    """A sea pig from the side: a plump, glassy body on tube feet, with `whips` long papillae on its back."""
    flesh = varied(random, colour, 0.08)
    spine = path((-0.4, 0.02), 0.0, 0.8, random.normal(0, 0.18), random.normal(0, 0.1), 16)
    parts: list[Part] = []
    for number in range(whips):
        root = spine[int(np.interp(number, (0, whips - 1), (3, 12)))] + (0, -plumpness * 0.3)
        heading = UP + random.normal(-0.25, 0.3)
        whip = path(root, heading, random.uniform(0.34, 0.5), random.normal(0.5, 0.4), count=10)
        parts.append(limb(whip, taper(0.042, 0.014, 10), tinted(flesh, 0.1), alpha=0.9))
    for shade, shift in ((0.68, 0.04), (1.0, 0.0)):
        for place in np.linspace(2, 13, 6) + random.normal(0, 0.3, 6):
            root = spine[int(place)] + (shift, plumpness * 0.3)
            foot = path(root, -UP + random.normal(0, 0.3), random.uniform(0.2, 0.27), random.normal(0, 0.5), count=8)
            parts.append(limb(foot, taper(0.075, 0.045, 8), shaded(flesh, shade)))
        if shade < 1:
            widths = profile([(0, 0.62), (0.12, 0.9), (0.5, 1.0), (0.88, 0.92), (1, 0.66)], 16) * plumpness
            parts.append(limb(spine, widths, flesh, alpha=0.96))
            gut = path(spine[4], 0.1, 0.42, 0.3, 0.8, 12)
            parts.append(limb(gut, 0.07 * plumpness / 0.36, shaded(flesh, 0.72), alpha=0.45, mark=True))
    for angle in np.linspace(-0.9, 1.1, 7):
        tentacle = path(spine[-1] + (0.02, 0.05), angle + 0.5, 0.13, 0.6, count=6)
        parts.append(limb(tentacle, taper(0.034, 0.03, 6), tinted(flesh, 0.2)))
        parts.append(dot(tentacle[-1], 0.026, tinted(flesh, 0.3)))
    return parts


def sea_cucumber(random: Generator, colour: Colour, slimness: float, papillae: int) -> list[Part]:
    """A crawling sea cucumber from above: a flattened, fringed body with rows of papillae."""
    flesh = varied(random, colour)
    spine = path((-0.5, 0), 0.0, 1.0, random.normal(0, 0.5), random.normal(0, 0.25), 20)
    widths = profile([(0, 0.55), (0.2, 0.95), (0.75, 1.0), (1, 0.6)], 20) * slimness
    parts = [feather(spine, widths * 1.32, 26, tinted(flesh, 0.15), lean=0.0, alpha=0.7)]
    parts.append(limb(spine, widths, flesh))
    for place in random.permutation(np.linspace(1, 18, papillae)):
        across = random.choice([-0.3, -0.12, 0.12, 0.3]) * widths[int(place)]
        root = spine[int(place)] + (0.0, across)
        cone = path(root, UP + random.normal(0, 0.5), 0.07, count=4)
        parts.append(limb(cone, taper(0.034, 0.012, 4), tinted(flesh, 0.3)))
    for angle in np.linspace(-1.2, 1.2, 8):
        tentacle = path(spine[-1], angle + random.normal(0, 0.1), 0.11, count=4)
        parts.append(feather(tentacle, taper(0.02, 0.06, 4), 5, tinted(flesh, 0.25)))
    return parts
