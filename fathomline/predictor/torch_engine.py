"""Run the models of a bundle with PyTorch."""

import os
from collections.abc import Sequence
from functools import partial
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
from fathomline.predictor.cpu_batches import CpuBatches


class TorchEngine:
    """The models on one device, as the pipeline runs them."""

    def __init__(self, models: dict[str, Classifier], bundle: BundleContent) -> None:
        """Args: models by the name of their weights file, on the device that runs them."""
        self.models = models
        self.bundle = bundle
        device = next(next(iter(models.values())).parameters()).device
        self.name = f"torch {torch.__version__} {device.type}"
        self._cpu = (os.getpid(), _cpu_batches()) if device.type == "cpu" else None
        self._lock = Lock()
        """Batches of several threads would compete for a GPU's memory."""

    def prepared(self, views: np.ndarray) -> np.ndarray:
        return views

    def logits(self, rois: np.ndarray, orientations: Sequence[str]) -> dict[str, np.ndarray]:
        def compute(batch: np.ndarray, classifier: Classifier) -> np.ndarray:
            return predict_logits(
                classifier,
                batch,
                np.arange(len(batch)),
                self.bundle.architecture.image_size,
                orientations=orientations,
                precision=self.bundle.precision,
            )

        if self._cpu is None or len(rois) == 0:
            with self._lock:
                return {file: compute(rois, classifier) for file, classifier in self.models.items()}
        process, batches = self._cpu
        if process != os.getpid():  # a fork has none of the threads
            batches = _cpu_batches()
            self._cpu = (os.getpid(), batches)
        pixels = rois.shape[1] * self.bundle.architecture.image_size**2
        return {
            file: batches.logits(partial(compute, classifier=classifier), rois, pixels)
            for file, classifier in self.models.items()
        }


def _cpu_batches() -> CpuBatches:
    """As many threads as torch would use for a batch, each of which computes alone."""

    def use_one_thread() -> None:
        torch.get_num_threads()  # otherwise, the first computation of this thread sets its number again
        torch.set_num_threads(1)

    before = torch.get_num_threads()
    try:
        return CpuBatches(before, use_one_thread)
    finally:
        torch.set_num_threads(before)  # for threads to come; those that exist keep their number


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
