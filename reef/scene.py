"""Plan a frame before anything is drawn: its concepts, and the pose, place and size of each individual."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, default_rng

from reef.anatomy import Part, bounds, moved, rotation
from reef.bodies.stones import stone
from reef.forms import Form, forms_of
from reef.taxa import CONCEPT_WEIGHTS, CONCEPTS

WIDTH, HEIGHT = 640, 360
"""Size of every frame in pixels."""

SUBSETS = ("train", "test")

MEDIAN_AREA = {"train": 4950.0, "test": 2500.0}
"""Median area of a box in square pixels, as in FathomNet 2025, where test animals are smaller."""

SOFTNESS = {"train": 0.45, "test": 0.75}
"""Typical blur of an individual in pixels."""

TYPICAL_BULK = 1.17
"""Median bulk of placed individuals after rounding to whole pixels; dividing by it gives the medians above."""

AREA_SPREAD = 0.85
"""Standard deviation of the logarithm of a box's area."""

HALVES = ((6, 5, 4, 3, 3, 2, 2, 1), (6, 5, 4, 4, 3, 3, 2, 1))
"""Individuals per frame in the two halves of a block of frames. The first half shows each concept once, so eight
frames are enough to see them all; the second half draws concepts by weight."""

BLOCK_FRAMES = sum(len(half) for half in HALVES)
BLOCK_INDIVIDUALS = sum(sum(half) for half in HALVES)

Box = tuple[float, float, float, float]
"""Left, top, width and height in pixels."""


@dataclass(frozen=True)
class Body:
    """An organism or a stone, posed and placed."""

    parts: list[Part]
    """In pixels of the frame."""

    grounded: bool
    """On the seabed, so it casts a shadow."""

    distance: float
    """Distance from the camera, 0 (near) to 1 (far)."""

    blur: float
    """Standard deviation of its blur in pixels."""

    box: tuple[int, int, int, int]
    """Left, top, width and height in pixels of the smallest box around its visible part."""


@dataclass(frozen=True)
class Individual:
    """An organism with its label."""

    annotation_id: int
    concept: str
    body: Body


@dataclass(frozen=True)
class Scene:
    """The plan of a frame."""

    individuals: tuple[Individual, ...]
    """In order of annotation id."""

    stones: tuple[Body, ...]
    """From back to front."""

    horizon: float
    """Row where the seabed ends: above the frame if the camera looks down, below it in open water."""


def stream(seed: int, subset: str, *key: int) -> Generator:
    """The random numbers for a subset and a key, independent of what was drawn before."""
    return default_rng([seed, SUBSETS.index(subset), *key])


def compose(seed: int, subset: str, image_id: int) -> Scene:
    """Plan the frame `image_id`; ids count from 1."""
    random = stream(seed, subset, image_id, 1)
    annotation_id, concepts = labels_in_frame(seed, subset, image_id)
    horizon = float(random.uniform(-260, -40) if random.random() < 0.45 else random.uniform(30, 190))
    placed: list[Individual] = []
    for number, concept in enumerate(concepts):
        area = MEDIAN_AREA[subset] * float(np.exp(random.normal(0, AREA_SPREAD)))
        blur = SOFTNESS[subset] * float(np.exp(random.normal(0, 0.5)))
        options = forms_of(concept)
        form = options[int(random.integers(len(options)))]
        pose = _pose(random, form, horizon)
        parts = _place(random, form, pose, area, horizon, [individual.body.box for individual in placed])
        distance = float(np.clip(0.62 - 0.16 * np.log(area / 2500) + random.normal(0, 0.12), 0.05, 0.95))
        body = Body(parts, not form.swims, distance, blur, _box(parts))
        placed.append(Individual(annotation_id + number, concept, body))
    return Scene(tuple(placed), _stones(stream(seed, subset, image_id, 3), horizon), horizon)


def _stones(random: Generator, horizon: float) -> tuple[Body, ...]:
    """No stones in half of the frames, one to four in the others, from back to front."""
    stones = []
    for foot in sorted(random.uniform(max(horizon + 30, 40), HEIGHT, max(int(random.integers(-4, 5)), 0))):
        nearness = (foot - horizon) / (HEIGHT - horizon)
        scale = 8 + float(np.exp(random.normal(3.4, 0.6)) * nearness)
        centre = (random.uniform(0, WIDTH), foot - 0.3 * scale)
        parts = moved(stone(random, (124, 122, 112)), np.eye(2) * scale, centre)
        stones.append(Body(parts, grounded=True, distance=1 - 0.7 * nearness, blur=0.6, box=_box(parts)))
    return tuple(stones)


def labels_in_frame(seed: int, subset: str, image_id: int) -> tuple[int, list[str]]:
    """The first annotation id of a frame, and the concept of each annotation from there on."""
    block, position = divmod(image_id - 1, BLOCK_FRAMES)
    random = stream(seed, subset, block + 1, 0)
    weights = np.array([CONCEPT_WEIGHTS[concept] for concept in CONCEPTS])
    counts = np.concatenate([random.permutation(half) for half in HALVES])
    each_once = random.permutation(len(CONCEPTS))
    by_weight = random.choice(len(CONCEPTS), size=sum(HALVES[1]), p=weights / weights.sum())
    indices = np.concatenate([each_once, by_weight])
    first = int(counts[:position].sum())
    in_frame = indices[first : first + int(counts[position])]
    return block * BLOCK_INDIVIDUALS + first + 1, [CONCEPTS[index] for index in in_frame]


def _pose(random: Generator, form: Form, horizon: float) -> list[Part]:
    """Pose one individual of a form, in body lengths: turned, perhaps mirrored, and foreshortened if it lies flat."""
    parts = form.plan(random)
    turn = random.uniform(-np.pi, np.pi) if form.tilt >= np.pi else random.normal(0, form.tilt)
    matrix = rotation(turn) @ np.diag([random.choice([-1.0, 1.0]), 1.0])
    if form.flat:
        # A high horizon means that the camera looks down, which shortens flat bodies less.
        slant = np.interp(horizon, (-260, 190), (0.95, 0.6))
        matrix = matrix @ np.diag([1.0, float(slant * random.uniform(0.92, 1.05))])
    return moved(parts, matrix)


def _place(
    random: Generator, form: Form, pose: list[Part], area: float, horizon: float, taken: Sequence[Box]
) -> list[Part]:
    """Scale a pose to a box of `area` times its form's bulk and place it where it overlaps `taken` least."""
    left, top, right, bottom = bounds(pose)
    scale = np.sqrt(area * form.bulk / TYPICAL_BULK / ((right - left) * (bottom - top)))
    scale = min(scale, 0.8 * WIDTH / (right - left), 0.8 * HEIGHT / (bottom - top))
    best, best_scale, least = (0.0, 0.0), scale, np.inf
    for attempt in range(40):
        if attempt and attempt % 8 == 0:
            scale *= 0.88
        width, height = (right - left) * scale, (bottom - top) * scale
        edge = -0.25 if random.random() < 0.12 else 0.02
        x = random.uniform(edge * width, WIDTH - (1 + edge) * width)
        lowest = HEIGHT - (1 + edge) * height
        highest = edge * height if form.swims else max(horizon + 24 - height, edge * height)
        y = random.uniform(min(highest, lowest), lowest)
        covered = max((_overlap((x, y, width, height), other) for other in taken), default=0.0)
        if covered < least:
            best, best_scale, least = (x - left * scale, y - top * scale), scale, covered
        if least < 0.06:
            break
    return moved(pose, np.eye(2) * best_scale, best)


def _overlap(one: Box, other: Box) -> float:
    """The fraction of the smaller of two boxes that the other covers."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min(one[2] * one[3], other[2] * other[3])


def _box(parts: list[Part]) -> tuple[int, int, int, int]:
    """Left, top, width and height in whole pixels of what lies inside the frame."""
    points = np.concatenate([part.outline for part in parts if not part.mark])
    inside = points[(points >= 0).all(axis=1) & (points[:, 0] <= WIDTH) & (points[:, 1] <= HEIGHT)]
    low, high = np.floor(inside.min(axis=0)), np.ceil(inside.max(axis=0))
    # A body that leaves the frame extends to its edge, beyond the last point inside.
    low[points.min(axis=0) < 0] = 0
    high = np.where(points.max(axis=0) > (WIDTH, HEIGHT), (WIDTH, HEIGHT), high)
    left, top, right, bottom = (int(value) for value in (*low, *high))
    return left, top, max(right - left, 1), max(bottom - top, 1)
