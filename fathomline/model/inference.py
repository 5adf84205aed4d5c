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
    """Logits for `rows` of `pixels` in their order, computed on the classifier's device in evaluation mode.

    The caller has prepared the device, by `prepare_device` or `prepare_arithmetic`.

    Args:
        pixels: (all rois, views, side, side, 3) uint8.
        rows: (chosen,) int64.
        image_size: side of the classifier's input, in pixels.
        orientations: names of `ORIENTATIONS`; the logits of each are given, not their mean.
        remaining: (all rois, views), pixels of the frame that are left of each view, as `degraded` takes them; None for
            the views as they are stored.
        precision: as `train.precision`.
        largest_batch: most ROIs at once; None for as many as the device holds.
    Returns: (orientations, chosen, classes) float32.
    Raises torch.OutOfMemoryError when not even one ROI fits the device.
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
    nothing = np.zeros((len(orientations), 0, classifier.head.out_features), dtype=np.float32)
    return np.concatenate([nothing, *in_batches(compute, rows, count)], axis=1)
