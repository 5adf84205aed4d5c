"""One degradation for training and validation: pictures as a camera farther away, or a smaller frame, would show them.

Scaling a frame by one factor leaves each view of an ROI another number of pixels: a small box keeps few, the frame
around it many. A view loses detail only where fewer pixels remain than the model's input has.
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
"""Most memory for the operators of one batched product on a GPU, and for those that are kept for each side."""


def view_spans(crops: Crops) -> np.ndarray:
    """Pixels of the frame along the longer side of each view.

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
    """Scale each picture down to the pixels that remain of it, and up again.

    A picture of which at least `side` pixels remain is not changed.

    Args: images (rois, views, 3, side, side), 0 to 255, left as they are; remaining (rois, views), pixels of the
        scaled frame along the longer side of each view, rounded here to a whole number from 1.
    Returns: float32, shape and device as `images`.
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
    # Half for the operators of all pictures, half for the distinct ones that they are gathered from.
    return batches(chosen, max(1, OPERATOR_BYTES // 2 // (4 * side**2)))


def resized_to(pictures: Tensor, sizes: np.ndarray) -> Tensor:
    """(pictures, 3, side, side) float32, scaled down to one size, the same in all of `sizes`, and up again."""
    size = int(sizes[0])
    return _scaled(pictures, size, size)


def multiplied_to(pictures: Tensor, sizes: np.ndarray) -> Tensor:
    """(pictures, 3, side, side) float32, each scaled down to its own of `sizes` and up again.

    Scaling is linear, along rows and along columns, so that a picture X becomes A X Aᵀ: two batched products for all
    sizes. On a GPU, resizing would launch its kernels for each size by itself; on a CPU, resizing takes less time.
    """
    device, side = pictures.device, pictures.shape[-1]
    kinds, kind_of = np.unique(sizes, return_inverse=True)
    operator = _operators(side, device)
    operators = torch.stack([operator(size) for size in kinds.tolist()])
    operators = operators[to_device(torch.from_numpy(kind_of), device)]
    with full_precision(device):
        rows = operators @ pictures.permute(0, 2, 3, 1).reshape(-1, side, 3 * side)
        columns = operators @ rows.unflatten(2, (side, 3)).transpose(1, 2).reshape(-1, side, 3 * side)
    return columns.unflatten(2, (side, 3)).permute(0, 3, 2, 1)


@lru_cache(maxsize=2)
def _operators(side: int, device: torch.device) -> Callable[[int], Tensor]:
    """The operators of a side, by the size between; as many are kept as fit in OPERATOR_BYTES."""
    return lru_cache(maxsize=max(1, OPERATOR_BYTES // (4 * side**2)))(partial(_operator, side, device))


def _operator(side: int, device: torch.device, size: int) -> Tensor:
    """(side, side) float32: what scaling a column of pixels down to `size` and up again does to it."""
    identity = torch.eye(side)[None, None]  # its columns are scaled, and its rows are left alone
    return to_device(_scaled(identity, size, side)[0, 0], device)


def _scaled(pictures: Tensor, height: int, width: int) -> Tensor:
    """Scaled down to (height, width) with a filter as wide as the pixels there, and up again between pixel centres."""
    size, options = pictures.shape[-2:], {"mode": "bilinear", "align_corners": False}
    down = functional.interpolate(pictures, size=(height, width), antialias=True, **options)
    return functional.interpolate(down, size=size, **options)
