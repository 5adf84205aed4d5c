"""Degrade views for training and validation, as if the camera were farther away or the frame had fewer pixels.

One factor scales the whole frame, so the views of an ROI are left with different numbers of pixels: few for a small
box, many for the frame around it. A view loses detail only if it has fewer pixels left than the model's input.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fathomline.model.device import full_precision
from fathomline.model.transforms import to_device
from fathomline.rois.crops import Crops, batches

OPERATOR_BYTES = 64 * 2**20
"""Most bytes for the operators of one batched product on a GPU, and for the cached operators of each side."""


def view_spans(crops: Crops) -> np.ndarray:
    """The longer side of each view, in pixels of the frame.

    Returns: (rois, views) float64.
    """
    table = crops.annotations
    frame = np.maximum(table["frame_w"], table["frame_h"]).to_numpy(dtype=np.float64)
    box = np.maximum(table["w"], table["h"]).to_numpy(dtype=np.float64)
    return np.stack([frame if view == "frame" else float(view) * box for view in crops.views], axis=1)


def degraded_scale(crops: Crops, median_size: float) -> float:
    """The scale of all frames, at most 1, at which the ROIs' median √(width · height) is `median_size` pixels."""
    table = crops.annotations
    return min(1.0, median_size / float(np.median(np.sqrt(table["w"] * table["h"]))))


def degraded(images: Tensor, remaining: np.ndarray) -> Tensor:
    """Scale each view down to its remaining pixels, and up again.

    A view with at least `side` remaining pixels is not changed.

    Args:
        images: (rois, views, 3, side, side), 0 to 255; not modified.
        remaining: (rois, views), the longer side of each view in pixels of the scaled frame; rounded to a whole number
            of at least 1.
    Returns: float32, with the shape and device of `images`.
    """
    side = images.shape[-1]
    pictures = images.flatten(0, 1).to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    sizes = np.clip(np.rint(remaining), 1, side).astype(np.int64).reshape(-1)
    smaller = np.flatnonzero(sizes < side)
    groups = _of_one_size(smaller, sizes) if images.device.type == "cpu" else _of_limited_memory(smaller, side)
    rescale = resized_to if images.device.type == "cpu" else multiplied_to
    for chosen in groups:
        places = to_device(torch.from_numpy(chosen), images.device)
        pictures[places] = rescale(pictures[places], sizes[chosen])
    return pictures.view_as(images)


def _of_one_size(chosen: np.ndarray, sizes: np.ndarray) -> Iterator[np.ndarray]:
    for size in np.unique(sizes[chosen]):
        yield chosen[sizes[chosen] == size]


def _of_limited_memory(chosen: np.ndarray, side: int) -> Iterator[np.ndarray]:
    # Half for the operator of each picture, half for the distinct operators that these are copied from.
    return batches(chosen, max(1, OPERATOR_BYTES // 2 // (4 * side**2)))


def resized_to(pictures: Tensor, sizes: np.ndarray) -> Tensor:
    """(pictures, 3, side, side) float32, scaled down to one size and up again; all of `sizes` are equal."""
    size = int(sizes[0])
    return _scaled(pictures, size, size)


def multiplied_to(pictures: Tensor, sizes: np.ndarray) -> Tensor:
    """(pictures, 3, side, side) float32, each scaled down to its own size in `sizes` and up again.

    Scaling is linear along rows and columns, so a picture X becomes A X Aᵀ: two batched products for all sizes. On a
    GPU, `resized_to` would need separate kernels for each size; on a CPU, `resized_to` is faster.
    """
    device, side = pictures.device, pictures.shape[-1]
    distinct, index = np.unique(sizes, return_inverse=True)
    operator = _operators(side, device)
    operators = torch.stack([operator(size) for size in distinct.tolist()])
    operators = operators[to_device(torch.from_numpy(index), device)]
    with full_precision(device):
        rows = operators @ pictures.permute(0, 2, 3, 1).reshape(-1, side, 3 * side)
        columns = operators @ rows.unflatten(2, (side, 3)).transpose(1, 2).reshape(-1, side, 3 * side)
    return columns.unflatten(2, (side, 3)).permute(0, 3, 2, 1)


@lru_cache(maxsize=2)
def _operators(side: int, device: torch.device) -> Callable[[int], Tensor]:
    """A function from a size to its operator on pictures of `side`; it caches as many as fit in OPERATOR_BYTES."""
    return lru_cache(maxsize=max(1, OPERATOR_BYTES // (4 * side**2)))(partial(_operator, side, device))


def _operator(side: int, device: torch.device, size: int) -> Tensor:
    """(side, side) float32, the matrix that scales a column of pixels down to `size` and up again."""
    identity = torch.eye(side)[None, None]  # scaled along its columns only
    return to_device(_scaled(identity, size, side)[0, 0], device)


def _scaled(pictures: Tensor, height: int, width: int) -> Tensor:
    """Scaled down to (height, width) with antialiasing and up again, both with bilinear interpolation."""
    down = functional.interpolate(pictures, (height, width), mode="bilinear", align_corners=False, antialias=True)
    return functional.interpolate(down, pictures.shape[-2:], mode="bilinear", align_corners=False)
