"""What a training feeds its classifier: augmented views, or the features that a frozen backbone gave of them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from fathomline.model.classifier import Classifier
from fathomline.model.device import arithmetic
from fathomline.model.inference import predict_logits
from fathomline.rois.crops import batches
from fathomline.train.augment import augmented
from fathomline.train.config import TrainConfig


class Inputs(Protocol):
    """Batches to learn from, and predictions for held-out ROIs."""

    def batch(self, rows: np.ndarray, generator: torch.Generator) -> Tensor:
        """What the classifier takes for `rows`, changed at random."""

    def logits(self, classifier: Classifier, rows: np.ndarray, *, degraded: bool) -> np.ndarray:
        """(rois, classes) float32 for `rows` as they are, or for their degraded view."""


@dataclass(frozen=True)
class PixelInputs:
    """Views, augmented as `config` asks."""

    pixels: np.ndarray
    """(all rois, views, side, side, 3) uint8"""
    spans: np.ndarray
    """(all rois, views) float64, pixels of the frame along the longer side of each view"""
    degraded_scale: float | None
    """Of the frames in the degraded view; None where there is none."""
    config: TrainConfig
    device: torch.device
    largest_batch: int | None = None
    """Most ROIs at once in validation: those of one forward pass in training, whose memory it then never exceeds.
    """

    def batch(self, rows: np.ndarray, generator: torch.Generator) -> Tensor:
        return augmented(self.pixels, rows, self.spans, self.config, generator, self.device)

    def logits(self, classifier: Classifier, rows: np.ndarray, *, degraded: bool) -> np.ndarray:
        (logits,) = predict_logits(
            classifier,
            self.pixels,
            rows,
            self.config.image_size,
            remaining=self.spans * self.degraded_scale if degraded else None,
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
    copies: Tensor
    """(all rois, copies, views, features), of augmented views; as many as `train.frozen_copies`."""
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
        with arithmetic(features.device, self.precision):
            parts = [classifier(features[torch.from_numpy(batch)]).float().cpu() for batch in batches(rows, 4096)]
        return torch.cat([torch.zeros(0, classifier.head.out_features), *parts]).numpy()
