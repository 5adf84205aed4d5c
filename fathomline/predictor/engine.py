"""What runs the models of a bundle."""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np

EngineName = Literal["auto", "onnx", "torch"]

TORCH_PACKAGES = ("torch", "torchvision", "timm", "safetensors")
"""What the torch engine needs."""

EXPORT_PACKAGES = (*TORCH_PACKAGES, "onnx", "onnxscript", "onnxruntime")
"""What `fathomline export` needs."""


class Engine(Protocol):
    """Runs the models of a bundle. Safe to use from several threads."""

    name: str
    """`torch` or `onnxruntime`, with the version, the device and whatever else can change the logits."""

    def prepared(self, views: np.ndarray) -> np.ndarray:
        """Prepare an ROI for `logits`; called by the threads that cut ROIs.

        Args: (views, size, size, 3) uint8 RGB, cut as the bundle's `preprocessing` specifies.
        Returns: uint8, of a shape that is the same for all ROIs.
        """

    def logits(self, rois: np.ndarray, orientations: Sequence[str]) -> dict[str, np.ndarray]:
        """Logits by model.

        Args: (rois, …) what `prepared` returned for each ROI; orientations, keys of `ORIENTATIONS`.
        Returns: by model, (orientations, rois, classes) float32.
        """
