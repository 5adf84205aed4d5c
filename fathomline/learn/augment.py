"""Stored views -> the model's input: cropped and flipped for training, whole for everything else."""

from itertools import product

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fathomline.learn.appearance import blurred, degraded, erased, recoloured, rotated
from fathomline.learn.config import TrainConfig

HANDS = 8
"""A batch is dealt into this many hands. The ROIs of a hand are cropped to one size and turned one way, so that a hand
is resized and turned at once: some ten times as fast as a transform for each ROI. As batches are shuffled, each ROI
comes to each hand equally often."""

STRONGEST_BLUR = 2.0
"""Standard deviation in pixels of the input."""

COARSEST = 0.01
"""Least scale of `degradation`: the competition's winners drew from U(0.01, 1)."""


Way = tuple[bool, bool, bool]
"""One of the eight ways to lay a picture: whether it is transposed, then flipped top to bottom and left to right."""


def whole(pixels: np.ndarray, rows: np.ndarray, size: int, device: torch.device) -> Tensor:
    """Whole views of `rows`, resized.

    Args: pixels (all rois, views, side, side, 3) uint8; rows (rois,) int64.
    Returns: (rois, views, 3, size, size), 0 to 255, uint8 on the CPU and float32 elsewhere.
    """
    return _resized(pixels[rows], size, device)


def augmented(
    pixels: np.ndarray, rows: np.ndarray, config: TrainConfig, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Views of `rows`, changed at random as `config` asks, in the same way for all views of an ROI.

    Args: as for `whole`; a CPU generator, so that every device sees the same draws.
    Returns: (rois, views, 3, image_size, image_size), 0 to 255; float32, or as `whole` gives them where only crops,
        flips and quarter turns are asked for.
    """
    ways = _ways(config)
    # Another first way each batch: one of fewer ROIs than ways would never see the last ones.
    first = torch.randint(len(ways), (), generator=generator).item()
    hands = [
        _hand(pixels, hand, ways[(first + number) % len(ways)], config, generator, device)
        for number, hand in enumerate(np.array_split(rows, min(HANDS, len(rows))))
    ]
    images = torch.cat(hands)
    if config.rotation:
        images = rotated(images.float(), config.rotation, generator)
    if config.color_jitter:
        images = recoloured(images.float(), config.color_jitter, generator)
    if config.erasing:
        images = erased(images.float(), config.erasing, generator)
    return images


def _hand(
    pixels: np.ndarray,
    rows: np.ndarray,
    way: Way,
    config: TrainConfig,
    generator: torch.Generator,
    device: torch.device,
) -> Tensor:
    """One hand of a batch: a crop of one size, flipped, turned, blurred and coarsened in one way."""

    def draw() -> float:
        return torch.rand((), generator=generator).item()

    side = pixels.shape[2]
    window = max(1, round((config.min_crop + (1 - config.min_crop) * draw()) * side))
    corners = torch.randint(side - window + 1, (len(rows), 2), generator=generator).tolist()
    images = _resized(_windows(pixels, rows, corners, window), config.image_size, device)
    images = turned(images, way)
    if config.blur and draw() < config.blur:
        images = blurred(images.float(), 0.1 + (STRONGEST_BLUR - 0.1) * draw())
    if config.degradation and draw() < config.degradation:
        images = degraded(images.float(), COARSEST + (1 - COARSEST) * draw())
    return images.float() if config.blur or config.degradation else images


def turned(images: Tensor, way: Way) -> Tensor:
    """(…, side, side) laid in one of the eight ways."""
    transposed, *flipped = way
    if transposed:
        images = images.transpose(-2, -1)
    axes = [axis for axis, flip in zip((-2, -1), flipped, strict=True) if flip]
    return images.flip(axes) if axes else images


def _ways(config: TrainConfig) -> list[Way]:
    """The ways to turn a hand."""
    mirrored = config.vertical_flip or config.horizontal_flip
    if config.quarter_turns and not mirrored:
        # A quarter turn is a transposition and one flip; without the flip it would be a mirror image.
        return [(False, False, False), (True, True, False), (False, True, True), (True, False, True)]
    if config.quarter_turns:
        return list(product([False, True], repeat=3))  # quarter turns and one mirror image make the other
    down, across = ([False, True] if allowed else [False] for allowed in (config.vertical_flip, config.horizontal_flip))
    return list(product([False], down, across))


def _windows(pixels: np.ndarray, rows: np.ndarray, corners: list[list[int]], side: int) -> np.ndarray:
    """(rois, views, side, side, 3) uint8, the square of each row whose top left corner is at (row, column)."""
    windows = np.empty((len(rows), pixels.shape[1], side, side, 3), dtype=np.uint8)
    pixels = np.asarray(pixels)  # slicing a memory map makes an object each time that costs more than the copying
    for window, row, (top, left) in zip(windows, rows.tolist(), corners, strict=True):
        window[:] = pixels[row, :, top : top + side, left : left + side]
    return windows


def _resized(views: np.ndarray, size: int, device: torch.device) -> Tensor:
    """(rois, views, side, side, 3) uint8 -> (rois, views, 3, size, size), channels last in memory."""
    rois, count, side = views.shape[:3]
    images = torch.from_numpy(views)
    if device.type == "cuda":
        images = images.pin_memory()  # from other memory, the copy would wait for all that the GPU has yet to do
    images = images.to(device, non_blocking=True).flatten(0, 1).permute(0, 3, 1, 2)
    if device.type != "cpu":
        images = images.float()  # only the CPU resizes bytes as they are
    if side != size:
        images = functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return images.unflatten(0, (rois, count))
