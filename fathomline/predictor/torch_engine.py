"""Run the models of a bundle with PyTorch."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np
import torch

from fathomline.bundle.bundle import REMEDY, BundleContent
from fathomline.errors import InputError
from fathomline.model.checkpoint import load_weights, rebuilt
from fathomline.model.classifier import Classifier
from fathomline.model.device import best_device, prepare_arithmetic
from fathomline.model.inference import predict_logits


class TorchEngine:
    """The models on one device, as the pipeline runs them."""

    def __init__(self, models: dict[str, Classifier], bundle: BundleContent) -> None:
        """Args: models by the name of their weights file, on the device that runs them."""
        self.models = models
        self.bundle = bundle
        device = next(next(iter(models.values())).parameters()).device
        self.name = f"torch {torch.__version__} {device.type}"
        self._lock = Lock()
        """Batches of several threads would compete for the same memory."""

    def prepared(self, views: np.ndarray) -> np.ndarray:
        return views

    def logits(self, rois: np.ndarray, orientations: Sequence[str]) -> dict[str, np.ndarray]:
        with self._lock:
            return {
                file: predict_logits(
                    classifier,
                    rois,
                    np.arange(len(rois)),
                    self.bundle.architecture.image_size,
                    orientations=orientations,
                    precision=self.bundle.precision,
                )
                for file, classifier in self.models.items()
            }


def load_torch_engine(folder: Path, bundle: BundleContent, device: torch.device | None = None) -> TorchEngine:
    """Load the weights of the bundle in `folder` onto `device`, or onto the best one.

    Raises InputError if they are missing or damaged.
    """
    device = device or best_device()
    prepare_arithmetic(device)
    models = {}
    for file, sha256 in sorted(bundle.weights.items()):
        if Path(file).name != file:
            raise InputError(f"{folder}/bundle.json: `weights` names {file!r}, expected a file in its folder; {REMEDY}")
        classifier = rebuilt(bundle.architecture, folder / "bundle.json", REMEDY)
        load_weights(classifier, folder / file, sha256, REMEDY)
        models[file] = classifier.to(device).to(memory_format=torch.channels_last).eval()
    return TorchEngine(models, bundle)
