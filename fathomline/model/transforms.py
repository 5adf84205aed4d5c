"""From stored views to the model's input: copy to a device, resize and orient, for training and prediction."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fathomline.model.orientations import Orientation


def full_views(pixels: np.ndarray, rows: np.ndarray, size: int, device: torch.device) -> Tensor:
    """The full views of `rows`, without cropping, resized to `size` pixels a side.

    Args: pixels (all rois, views, side, side, 3) uint8; rows (rois,) int64, indices into `pixels`.
    Returns: (rois, views, 3, size, size), 0 to 255, uint8 on the CPU and float32 elsewhere.
    """
    return resized(pixels[rows], size, device)


def resized(views: np.ndarray, size: int, device: torch.device) -> Tensor:
    """(rois, views, side, side, 3) uint8 -> (rois, views, 3, size, size) on `device`, channels last in memory."""
    rois, count, side = views.shape[:3]
    images = to_device(torch.from_numpy(views), device).flatten(0, 1).permute(0, 3, 1, 2)
    if device.type != "cpu":
        images = images.float()  # only the CPU can resize uint8
    if side != size:
        images = functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return images.unflatten(0, (rois, count))


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a CPU tensor to `device` without waiting for a GPU's queued work; from unpinned memory, it would wait."""
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def oriented(images: Tensor, orientation: Orientation) -> Tensor:
    """`images`, (…, side, side), in one of the eight orientations."""
    transposed, *flipped = orientation
    if transposed:
        images = images.transpose(-2, -1)
    axes = [axis for axis, flip in zip((-2, -1), flipped, strict=True) if flip]
    return images.flip(axes) if axes else images
