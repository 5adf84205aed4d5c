"""Logits of a classifier for rows of crops, in each of several orientations."""

from collections.abc import Sequence

import numpy as np
import torch

from fathomline.model.batching import batch_size, in_batches
from fathomline.model.classifier import Classifier
from fathomline.model.degrade import degraded
from fathomline.model.device import arithmetic
from fathomline.model.orientations import ORIENTATIONS
from fathomline.model.transforms import full_views, oriented


def predict_logits(
    classifier: Classifier,
    pixels: np.ndarray,
    rows: np.ndarray,
    image_size: int,
    *,
    orientations: Sequence[str] = ("identity",),
    remaining: np.ndarray | None = None,
    precision: str = "fp32",
    largest_batch: int | None = None,
) -> np.ndarray:
    """Logits for `rows` of `pixels`, in that order, computed on the classifier's device in evaluation mode.

    Call `prepare_device` or `prepare_arithmetic` first.

    Args:
        pixels: (all rois, views, side, side, 3) uint8.
        rows: (rows,) int64, indices into `pixels`.
        image_size: side of the classifier's input, in pixels.
        orientations: keys of `ORIENTATIONS`.
        remaining: (all rois, views), the remaining pixels of each view, as for `degraded`; None leaves the views as
            they are stored.
        precision: as `train.precision`.
        largest_batch: the largest number of ROIs per batch; None for LARGEST_BATCH.
    Returns: (orientations, rows, classes) float32; orientations are not averaged.
    Raises torch.OutOfMemoryError if a single ROI does not fit the device.
    """
    device = next(classifier.parameters()).device
    classifier.eval()

    @torch.inference_mode()
    def compute(batch: np.ndarray) -> np.ndarray:
        views = full_views(pixels, batch, image_size, device)
        if remaining is not None:
            views = degraded(views, remaining[batch])
        with arithmetic(device, precision):
            logits = [classifier(oriented(views, ORIENTATIONS[name])) for name in orientations]
        return torch.stack(logits).float().cpu().numpy()

    count = batch_size(compute, rows, device, pixels.shape[1] * image_size**2, largest_batch)
    empty = np.zeros((len(orientations), 0, classifier.head.out_features), dtype=np.float32)
    return np.concatenate([empty, *in_batches(compute, rows, count)], axis=1)
