"""Random augmentation: from stored views to the model's input in training."""

import numpy as np
import torch
from torch import Tensor

from fathomline.model.degrade import degraded
from fathomline.model.orientations import ORIENTATION_SETS, ORIENTATIONS, Orientation
from fathomline.model.transforms import oriented, resized
from fathomline.train.augment_ops import blurred, erased, recoloured, rotated
from fathomline.train.config import AugmentConfig, TrainConfig

SUB_BATCHES = 8
"""Number of sub-batches in a batch. All ROIs of a sub-batch share one crop size and one orientation, so that they are
resized and turned together: about ten times as fast as one by one. Batches are shuffled, so each ROI is equally likely
to be in any sub-batch."""

STRONGEST_BLUR = 2.0
"""Largest standard deviation of `blur`, in pixels of the model's input."""

COARSEST = 0.01
"""Smallest scale of the frame in `degradation`. The competition's winners drew it from U(0.01, 1)."""


def augmented(
    pixels: np.ndarray,
    rows: np.ndarray,
    spans: np.ndarray,
    config: TrainConfig,
    generator: torch.Generator,
    device: torch.device,
) -> Tensor:
    """Views of `rows`, changed at random as `config` describes; all views of an ROI change alike.

    Args: pixels and rows as for `full_views`; spans (all rois, views) float64, from `view_spans`; a CPU generator, so
        that the draws do not depend on the device.
    Returns: (rois, views, 3, image_size, image_size), 0 to 255; float32, or the type that `full_views` returns if
        `config` asks only for crops, flips and quarter turns.
    """
    augment, orientations = config.augment, _orientations(config.augment)
    # Each batch starts with a random orientation. Otherwise a batch with fewer ROIs than there are orientations would
    # never use the last ones.
    first = int(torch.randint(len(orientations), (), generator=generator))
    parts, crop_shares = [], []
    for number, part in enumerate(np.array_split(rows, min(SUB_BATCHES, len(rows)))):
        orientation = orientations[(first + number) % len(orientations)]
        images, share = _sub_batch(pixels, part, orientation, config, generator, device)
        parts.append(images)
        crop_shares.append(np.full(len(part), share))
    images = torch.cat(parts)
    if augment.degradation:
        scales = drawn_scales(len(rows), augment.degradation, generator)
        images = degraded(images, spans[rows] * (scales * np.concatenate(crop_shares))[:, None])
    if augment.rotation:
        images = rotated(images.float(), augment.rotation, generator)
    if augment.color_jitter:
        images = recoloured(images.float(), augment.color_jitter, generator)
    if augment.erasing:
        images = erased(images.float(), augment.erasing, generator)
    return images


def drawn_scales(rois: int, share: float, generator: torch.Generator) -> np.ndarray:
    """(rois,) float64, scales of the frames: for about `share` of the ROIs; the others get infinity, for no change."""
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
    """Views of `rows`, with one crop size, one orientation and one blur; and the crop's share of the side."""

    def draw() -> float:
        return torch.rand((), generator=generator).item()

    side = pixels.shape[2]
    augment = config.augment
    window = max(1, round((augment.min_crop + (1 - augment.min_crop) * draw()) * side))
    corners = torch.randint(side - window + 1, (len(rows), 2), generator=generator).tolist()
    images = resized(_windows(pixels, rows, corners, window), config.image_size, device)
    images = oriented(images, orientation)
    if augment.blur:
        images = images.float()  # even if it is not blurred: all sub-batches are joined into one tensor
        if draw() < augment.blur:
            images = blurred(images, 0.1 + (STRONGEST_BLUR - 0.1) * draw())
    return images, window / side


def _orientations(config: AugmentConfig) -> list[Orientation]:
    """The orientations that the sub-batches cycle through."""
    mirrored = config.vertical_flip or config.horizontal_flip
    if config.quarter_turns:  # with quarter turns, either flip gives the other one too
        names = list(ORIENTATION_SETS["turns" if mirrored else "rotations"])
    else:
        names = ["identity"]
        names += ["flip_left_right"] * config.horizontal_flip + ["flip_top_bottom"] * config.vertical_flip
        names += ["rotate_180"] * (config.horizontal_flip and config.vertical_flip)
    return [ORIENTATIONS[name] for name in names]


def _windows(pixels: np.ndarray, rows: np.ndarray, corners: list[list[int]], side: int) -> np.ndarray:
    """(rois, views, side, side, 3) uint8, a square of each row; `corners` has the row and column of its top left."""
    windows = np.empty((len(rows), pixels.shape[1], side, side, 3), dtype=np.uint8)
    pixels = np.asarray(pixels)  # each slice of a memory map creates an object, which costs more than the copy
    for window, row, (top, left) in zip(windows, rows.tolist(), corners, strict=True):
        window[:] = pixels[row, :, top : top + side, left : left + side]
    return windows
