"""Stored views -> the model's input in training: cropped, flipped, turned and changed at random."""

import numpy as np
import torch
from torch import Tensor

from fathomline.model.degrade import degraded
from fathomline.model.orientations import ORIENTATION_SETS, ORIENTATIONS, Orientation
from fathomline.model.transforms import oriented, resized
from fathomline.train.augment_ops import blurred, erased, recoloured, rotated
from fathomline.train.config import AugmentConfig, TrainConfig

SUB_BATCHES = 8
"""A batch is split into this many sub-batches. The ROIs of one are cropped to one size and have one orientation, so
that it is resized and turned at once: some ten times as fast as a transform for each ROI. As batches are shuffled, each
ROI comes to each sub-batch equally often."""

STRONGEST_BLUR = 2.0
"""Standard deviation in pixels of the input."""

COARSEST = 0.01
"""Least scale of the frame in `degradation`: the competition's winners drew from U(0.01, 1)."""


def augmented(
    pixels: np.ndarray,
    rows: np.ndarray,
    spans: np.ndarray,
    config: TrainConfig,
    generator: torch.Generator,
    device: torch.device,
) -> Tensor:
    """Views of `rows`, changed at random as `config` asks, in the same manner for all views of an ROI.

    Args: pixels and rows as for `whole`; spans (all rois, views) float64, as `view_spans` gives them; a CPU generator,
        so that every device sees the same draws.
    Returns: (rois, views, 3, image_size, image_size), 0 to 255; float32, or as `whole` gives them where only crops,
        flips and quarter turns are asked for.
    """
    augment, orientations = config.augment, _orientations(config.augment)
    # Another first orientation each batch: one with fewer ROIs than orientations would never see the last ones.
    first = torch.randint(len(orientations), (), generator=generator).item()
    parts, kept = [], []
    for number, part in enumerate(np.array_split(rows, min(SUB_BATCHES, len(rows)))):
        orientation = orientations[(first + number) % len(orientations)]
        images, share = _sub_batch(pixels, part, orientation, config, generator, device)
        parts.append(images)
        kept.append(np.full(len(part), share))
    images = torch.cat(parts)
    if augment.degradation:
        scales = drawn_scales(len(rows), augment.degradation, generator)
        images = degraded(images, spans[rows] * (scales * np.concatenate(kept))[:, None])
    if augment.rotation:
        images = rotated(images.float(), augment.rotation, generator)
    if augment.color_jitter:
        images = recoloured(images.float(), augment.color_jitter, generator)
    if augment.erasing:
        images = erased(images.float(), augment.erasing, generator)
    return images


def drawn_scales(rois: int, share: float, generator: torch.Generator) -> np.ndarray:
    """(rois,) float64: for about `share` of the ROIs a scale of their frame; infinity, no change, for the others."""
    chosen, scales = torch.rand(2, rois, dtype=torch.float64, generator=generator).numpy()
    return np.where(chosen < share, COARSEST + (1 - COARSEST) * scales, np.inf)


def _sub_batch(
    pixels: np.ndarray,
    rows: np.ndarray,
    orientation: Orientation,
    config: TrainConfig,
    generator: torch.Generator,
    device: torch.device,
) -> tuple[Tensor, float]:
    """Views of `rows` cropped to one size, in one orientation, equally blurred; and the share of their side that is
    left."""

    def draw() -> float:
        return torch.rand((), generator=generator).item()

    side = pixels.shape[2]
    augment = config.augment
    window = max(1, round((augment.min_crop + (1 - augment.min_crop) * draw()) * side))
    corners = torch.randint(side - window + 1, (len(rows), 2), generator=generator).tolist()
    images = resized(_windows(pixels, rows, corners, window), config.image_size, device)
    images = oriented(images, orientation)
    if augment.blur:
        images = images.float()  # blurred or not, for all sub-batches become one tensor
        if draw() < augment.blur:
            images = blurred(images, 0.1 + (STRONGEST_BLUR - 0.1) * draw())
    return images, window / side


def _orientations(config: AugmentConfig) -> list[Orientation]:
    """The orientations that sub-batches take in turn."""
    mirrored = config.vertical_flip or config.horizontal_flip
    if config.quarter_turns:  # quarter turns and one mirror image make the other
        names = ORIENTATION_SETS["turns" if mirrored else "rotations"]
    else:
        names = ["identity"]
        names += ["flip_left_right"] * config.horizontal_flip + ["flip_top_bottom"] * config.vertical_flip
        names += ["rotate_180"] * (config.horizontal_flip and config.vertical_flip)
    return [ORIENTATIONS[name] for name in names]


def _windows(pixels: np.ndarray, rows: np.ndarray, corners: list[list[int]], side: int) -> np.ndarray:
    """(rois, views, side, side, 3) uint8, the square of each row whose top left corner is at (row, column)."""
    windows = np.empty((len(rows), pixels.shape[1], side, side, 3), dtype=np.uint8)
    pixels = np.asarray(pixels)  # slicing a memory map makes an object each time that costs more than the copying
    for window, row, (top, left) in zip(windows, rows.tolist(), corners, strict=True):
        window[:] = pixels[row, :, top : top + side, left : left + side]
    return windows
