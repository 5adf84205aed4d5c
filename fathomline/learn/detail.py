"""The degraded validation view: held-out ROIs made as coarse as those of a camera further away."""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fathomline.learn.appearance import rescaled
from fathomline.learn.dataset import Crops


def remaining_detail(crops: Crops, median_size: float) -> np.ndarray:
    """How many pixels of its frame each view still spans when every frame is scaled down alike, until the ROIs'
    median √(width · height) is `median_size`. Where it is so already, or smaller, frames stay as they are.

    Returns: (rois, views) int64, pixels along the longer side of a view, at least 1.
    """
    table = crops.annotations
    scale = min(1.0, median_size / float(np.median(np.sqrt(table["w"] * table["h"]))))
    spans = [_span(table, view) for view in crops.views]
    return np.maximum(1, np.rint(scale * np.stack(spans, axis=1))).astype(np.int64)


def _span(table: pd.DataFrame, view: float | str) -> np.ndarray:
    """(rois,) pixels of the frame along the longer side of one view."""
    if view == "frame":
        return np.maximum(table["frame_w"], table["frame_h"]).to_numpy(dtype=np.float64)
    return float(view) * np.maximum(table["w"], table["h"]).to_numpy(dtype=np.float64)


def coarsened(images: Tensor, detail: np.ndarray) -> Tensor:
    """Scale each picture down to its `detail` and up again; one that has no more pixels than that stays as it is.

    Args: images (rois, views, 3, side, side), 0 to 255; detail (rois, views) int64, in pixels.
    Returns: float, shape as `images`.
    """
    side = images.shape[-1]
    flat = images.flatten(0, 1).to(torch.float32, copy=True)
    sizes = np.minimum(detail, side).reshape(-1)
    for size in np.unique(sizes[sizes < side]).tolist():
        chosen = torch.from_numpy(np.flatnonzero(sizes == size)).to(flat.device)
        flat[chosen] = rescaled(flat[chosen], size)
    return flat.view_as(images)
