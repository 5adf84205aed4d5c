"""Stored views -> the model's input: cropped and flipped for training, whole for everything else."""

from itertools import product

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fathomline.learn.config import TrainConfig

HANDS = 4
"""A batch is dealt into this many hands. The ROIs of a hand are cropped to one size and flipped one way, so that a hand
is resized and turned at once: some ten times as fast as a transform for each ROI. As batches are shuffled, each ROI
comes to each hand equally often."""


def whole(pixels: np.ndarray, rows: np.ndarray, size: int, device: torch.device) -> Tensor:
    """Whole views of `rows`, resized.

    Args: pixels (all rois, views, side, side, 3) uint8; rows (rois,) int64.
    Returns: (rois, views, 3, size, size), 0 to 255, uint8 on the CPU and float32 elsewhere.
    """
    return _resized(pixels[rows], size, device)


def augmented(
    pixels: np.ndarray, rows: np.ndarray, config: TrainConfig, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Views of `rows` with a random crop and random flips, the same for all views of an ROI.

    Args: as for `whole`; a CPU generator, so that every device sees the same draws.
    Returns: (rois, views, 3, image_size, image_size) as `whole` gives them.
    """
    side = pixels.shape[2]
    down, across = ([False, True] if allowed else [False] for allowed in (config.vertical_flip, config.horizontal_flip))
    ways = list(product(down, across))
    hands = []
    for number, hand in enumerate(np.array_split(rows, min(HANDS, len(rows)))):
        share = config.min_crop + (1 - config.min_crop) * torch.rand((), generator=generator).item()
        window = max(1, round(share * side))
        corners = torch.randint(side - window + 1, (len(hand), 2), generator=generator).tolist()
        views = _resized(_windows(pixels, hand, corners, window), config.image_size, device)
        axes = [axis for axis, flipped in zip((-2, -1), ways[number % len(ways)], strict=True) if flipped]
        hands.append(views.flip(axes) if axes else views)
    return torch.cat(hands)


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
    images = torch.from_numpy(views).to(device).flatten(0, 1).permute(0, 3, 1, 2)
    if device.type != "cpu":
        images = images.float()  # only the CPU resizes bytes as they are
    if side != size:
        images = functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return images.unflatten(0, (rois, count))
