"""Logits of a classifier for rows of crops."""

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
import torch

from fathomline.learn.augment import Way, turned, whole
from fathomline.learn.classifier import Classifier
from fathomline.learn.dataset import batches
from fathomline.learn.detail import coarsened
from fathomline.learn.device import inference_batch

TEST_TIME_WAYS: dict[str, tuple[Way, ...]] = {
    "none": ((False, False, False),),
    "flips": tuple(product([False], [False, True], [False, True])),
    "turns": tuple(product([False, True], repeat=3)),
}
"""By the value of `evaluate.test_time_augmentation`, the ways to lay an ROI that predictions are averaged over."""


@torch.inference_mode()
def predict_logits(
    classifier: Classifier,
    pixels: np.ndarray,
    rows: np.ndarray,
    image_size: int,
    *,
    ways: Sequence[Way] = TEST_TIME_WAYS["none"],
    detail: np.ndarray | None = None,
) -> np.ndarray:
    """Logits for `rows` of `pixels` in their order, computed in fp32 on the classifier's device.

    Args: pixels (rois, views, side, side, 3) uint8; rows (chosen,) int64; ways to lay each ROI; detail (rois, views)
        int64, what is left of each view, as `remaining_detail` gives it; None: all that is stored.
    Returns: (chosen, classes) float32; for several ways the logarithm of the mean probability over them.
    """
    device = next(classifier.parameters()).device
    classifier.eval()
    logits = [torch.zeros(0, classifier.head.out_features)]
    for batch in batches(rows, inference_batch(device, pixels.shape[1], image_size)):
        views = whole(pixels, batch, image_size, device)
        if detail is not None:
            views = coarsened(views, detail[batch])
        of_ways = torch.stack([classifier(turned(views, way)).float() for way in ways])
        averaged = of_ways.log_softmax(dim=-1).logsumexp(dim=0) - math.log(len(ways))
        logits.append((of_ways[0] if len(ways) == 1 else averaged).cpu())
    return torch.cat(logits).numpy()
