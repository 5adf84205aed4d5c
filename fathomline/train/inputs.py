"""What the classifier is trained on: augmented views, or the features that a frozen backbone computed from them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from fathomline.model.classifier import Classifier
from fathomline.model.device import arithmetic
from fathomline.model.inference import predict_logits
from fathomline.rois.crops import batches
from fathomline.taxonomy.tree import Taxonomy
from fathomline.train.augment import augmented
from fathomline.train.config import TrainConfig

FEATURES_PER_BATCH = 4096
"""ROIs per batch when a head predicts from features."""


class Inputs(Protocol):
    """Batches to train on, and predictions for held-out ROIs."""

    def batch(self, rows: np.ndarray, generator: torch.Generator) -> Tensor:
        """The classifier's input for `rows`, augmented at random."""

    def logits(self, classifier: Classifier, rows: np.ndarray, *, degraded: bool) -> np.ndarray:
        """(rois, classes) float32, predictions for `rows` without augmentation, or for their degraded view."""


@dataclass(frozen=True)
class Task:
    """What to learn."""

    inputs: Inputs
    labels: np.ndarray
    """(all rois,) int64, class indices"""
    training_rows: np.ndarray
    held_out_rows: np.ndarray
    taxonomy: Taxonomy
    class_nodes: np.ndarray
    """(classes,) int64, indices into the taxonomy's nodes"""


@dataclass(frozen=True)
class PixelInputs:
    """Views, augmented as `config` describes."""

    pixels: np.ndarray
    """(all rois, views, side, side, 3) uint8"""
    spans: np.ndarray
    """(all rois, views) float64, pixels of the frame along the longer side of each view"""
    degraded_scale: float | None
    """Scale of the frames in the degraded view; None: no degraded view."""
    config: TrainConfig
    device: torch.device
    largest_batch: int | None = None
    """Maximum ROIs per forward pass in validation: as many as in training, so that validation needs no more memory."""

    def batch(self, rows: np.ndarray, generator: torch.Generator) -> Tensor:
        return augmented(self.pixels, rows, self.spans, self.config, generator, self.device)

    def logits(self, classifier: Classifier, rows: np.ndarray, *, degraded: bool) -> np.ndarray:
        remaining = None
        if degraded:
            if self.degraded_scale is None:
                raise ValueError("there is no scale for a degraded view")
            remaining = self.spans * self.degraded_scale
        (logits,) = predict_logits(
            classifier,
            self.pixels,
            rows,
            self.config.image_size,
            remaining=remaining,
            precision=self.config.precision,
            largest_batch=self.largest_batch,
        )
        return logits


@dataclass(frozen=True)
class FeatureInputs:
    """Features of a frozen backbone."""

    plain: Tensor
    """(all rois, views, features) float32"""
    degraded: Tensor | None
    """The same for the degraded view; None without one."""
    copies: Tensor
    """(all rois, copies, views, features) float32, features of augmented views; `train.frozen_copies` of them"""
    precision: str = "fp32"
    """As `train.precision`."""

    def batch(self, rows: np.ndarray, generator: torch.Generator) -> Tensor:
        chosen = torch.from_numpy(rows)
        if self.copies.shape[1] == 0:
            return self.plain[chosen]
        copy = torch.randint(self.copies.shape[1], (len(rows),), generator=generator)
        return self.copies[chosen.to(self.copies.device), copy.to(self.copies.device)]

    @torch.inference_mode()
    def logits(self, classifier: Classifier, rows: np.ndarray, *, degraded: bool) -> np.ndarray:
        classifier.eval()
        features = self.degraded if degraded else self.plain
        if features is None:
            raise ValueError("there are no features of a degraded view")
        with arithmetic(features.device, self.precision):
            chosen = (features[torch.from_numpy(batch)] for batch in batches(rows, FEATURES_PER_BATCH))
            parts = [classifier(batch).float().cpu() for batch in chosen]
        return torch.cat([torch.zeros(0, classifier.head.out_features), *parts]).numpy()  # a process may have no rows
