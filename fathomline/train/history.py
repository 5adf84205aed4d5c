"""Figures of a training: of each epoch, and of the whole."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pandas as pd

from fathomline.model.checkpoint import Model

BYTES_A_WEIGHT = 4
"""Weights are float32."""


@dataclass(frozen=True)
class Epoch:
    """One row of history.csv: means over the epoch's training ROIs, and the held-out ROIs after it.

    Cross-entropy and entropy are in nats, distances in steps on the tree.
    """

    epoch: int
    """Counted from 1."""
    lr: float
    """Learning rate of the epoch's first step."""
    gradient_norm: float
    """Mean L2 norm of the gradient, before it is clipped."""
    train_loss: float
    train_cross_entropy: float
    train_expected_distance: float
    train_rank_cross_entropy: float
    train_entropy: float
    """Of the probabilities: how unsure the model is."""
    validation_cross_entropy: float
    validation_expected_distance: float
    validation_entropy: float
    validation_mhd: float
    """Of the arg-max."""
    validation_accuracy: float
    validation_mhd_degraded: float | None
    """Of the arg-max on the degraded view; None where there is none."""
    lora_gradient_norm: float | None
    """Mean L2 norm of the gradient of all adapters, before it is clipped; None without adapters."""
    lora_gradient_max: float | None
    """Largest element of an adapter's gradient, before it is clipped."""

    def selected_mhd(self, select_on: str) -> float:
        """The MHD that chooses the epoch, by the value of `train.validation.select_on`."""
        return self.validation_mhd_degraded if select_on == "degraded" else self.validation_mhd


@dataclass(frozen=True)
class Pace:
    """What differs between runs of the same training, and so is logged but not kept in history.csv."""

    images_per_second: float
    """ROIs trained on per second of the epoch, without validation."""
    data_share: float
    """Share of that time in which the process made batches. A GPU computes meanwhile, so it waits less than that."""
    lora_gradients: tuple[float, ...]
    """The mean L2 norm of each adapter matrix's gradient in this epoch; empty without adapters."""


@dataclass(frozen=True)
class Trained:
    """The best epoch's model, and how training went."""

    model: Model
    history: Sequence[Epoch]
    best: Epoch
    images_per_second: float
    trainable: int
    """Weights that learned."""
    weights: int
    """All of them, adapters included."""

    @property
    def learning_share(self) -> str:
        """A note on how many weights were trained, empty when all were."""
        if self.trainable == self.weights:
            return ""
        megabytes = self.trainable * BYTES_A_WEIGHT / 1e6
        return (
            f"; {self.trainable:,} of {self.weights:,} weights learned ({self.trainable / self.weights:.2%}, "
            f"{megabytes:.1f} MB)"
        )

    def history_table(self) -> pd.DataFrame:
        return pd.DataFrame([asdict(epoch) for epoch in self.history])
