"""Logits of a classifier for rows of crops."""

from contextlib import AbstractContextManager

import numpy as np
import torch

from fathomline.learn.augment import whole
from fathomline.learn.backbone import Classifier
from fathomline.learn.dataset import batches


def best_device() -> torch.device:
    """CUDA where there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def arithmetic(device: torch.device, precision: str) -> AbstractContextManager:
    """Autocast to bf16 where that pays: on CUDA, when `precision` asks for it."""
    return torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda" and precision == "bf16")


@torch.inference_mode()
def predict_logits(
    classifier: Classifier, pixels: np.ndarray, rows: np.ndarray, image_size: int, *, batch_size: int = 256
) -> np.ndarray:
    """Logits for `rows` of `pixels` in their order, computed in fp32 on the classifier's device.

    Args: pixels (rois, views, side, side, 3) uint8; rows (chosen,) int64.
    Returns: (chosen, classes) float32.
    """
    device = next(classifier.parameters()).device
    classifier.eval()
    logits = [classifier(whole(pixels, batch, image_size, device)).float().cpu() for batch in batches(rows, batch_size)]
    if not logits:
        return np.zeros((0, classifier.head.out_features), dtype=np.float32)
    return torch.cat(logits).numpy()
