"""Figures of each epoch, and the result of training."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pandas as pd

from fathomline.model.checkpoint import Model

BYTES_PER_WEIGHT = 4
"""Weights are float32."""


@dataclass(frozen=True)
class Epoch:
    """One row of history.csv: means over the training ROIs during the epoch, and over the held-out ROIs after it.

    Cross-entropy and entropy are in nats, distances in steps on the tree.
    """

    epoch: int
    """Counted from 1."""
    lr: float
    """Learning rate of the epoch's first step."""
    gradient_norm: float
    """Mean L2 norm of the gradient before clipping."""
    train_loss: float
    train_cross_entropy: float
    train_expected_distance: float
    train_rank_cross_entropy: float
    train_entropy: float
    """Entropy of the predicted probabilities: how uncertain the model is."""
    validation_cross_entropy: float
    validation_expected_distance: float
    validation_entropy: float
    validation_mhd: float
    """MHD of the arg-max."""
    validation_accuracy: float
    """Accuracy of the arg-max, 0 to 1."""
    validation_mhd_degraded: float | None
    """MHD of the arg-max on the degraded view; None without a degraded view."""
    lora_gradient_norm: float | None
    """Mean L2 norm of the gradient of all adapters before clipping; None without adapters."""
    lora_gradient_max: float | None
    """Largest element of the adapters' gradients before clipping; None without adapters."""

    def selected_mhd(self, select_on: str) -> float:
        """The MHD that chooses the epoch, by the value of `train.validation.select_on`.

        Raises ValueError when that is `degraded` and there is no degraded view.
        """
        if select_on != "degraded":
            return self.validation_mhd
        if self.validation_mhd_degraded is None:
            raise ValueError(f"epoch {self.epoch} has no MHD on a degraded view to select on")
        return self.validation_mhd_degraded


@dataclass(frozen=True)
class Diagnostics:
    """Figures of an epoch that are logged but not stored in history.csv."""

    images_per_second: float
    """Training throughput in ROIs per second, without validation."""
    data_share: float
    """Share of the training time that this process spent preparing batches. A GPU computes meanwhile, so it idles for
    less than that."""
    lora_gradients: tuple[float, ...]
    """Mean L2 norm of each adapter matrix's gradient; empty without adapters."""


@dataclass(frozen=True)
class Trained:
    """The best epoch's model, and the history of its training."""

    model: Model
    history: Sequence[Epoch]
    best: Epoch
    images_per_second: float
    """Mean throughput of training in ROIs per second, without validation."""
    trainable: int
    """Number of trainable weights."""
    weights: int
    """Number of all weights, adapters included."""

    @property
    def trainable_share(self) -> str:
        """A note on how many weights were trained; empty if all were."""
        if self.trainable == self.weights:
            return ""
        megabytes = self.trainable * BYTES_PER_WEIGHT / 1e6
        return (
            f"; {self.trainable:,} of {self.weights:,} weights trained ({self.trainable / self.weights:.2%}, "
            f"{megabytes:.1f} MB)"
        )

    def history_table(self) -> pd.DataFrame:
        """One row per epoch, with the fields of `Epoch` as columns."""
        return pd.DataFrame([asdict(epoch) for epoch in self.history])
