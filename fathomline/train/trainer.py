"""The training loop: the state of one training, its steps and its epochs."""

import math
import time
from copy import deepcopy
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import torch
from timm.data import Mixup
from torch import Tensor

from fathomline.model.backbone import set_training
from fathomline.model.classifier import Classifier
from fathomline.model.device import arithmetic, seed_everything, seed_of
from fathomline.model.transforms import to_device
from fathomline.rois.crops import batches
from fathomline.train.adapters import AdapterGradients
from fathomline.train.config import TrainConfig
from fathomline.train.distributed import Processes, without_all_reduce
from fathomline.train.history import Diagnostics, Epoch
from fathomline.train.inputs import Task
from fathomline.train.loss import HierarchicalLoss, LossParts
from fathomline.train.optimize import Optimization
from fathomline.train.validate import validate


class DivergedError(Exception):
    """The loss or the gradient is no longer finite; `remedy` says what to try."""

    def __init__(self, figure: str, value: float, number: int, config: TrainConfig) -> None:
        super().__init__(f"the {figure} is {value} in epoch {number}, expected a finite number")
        self.remedy = (
            f"try a lower train.lr (it is {config.lr}), train.schedule.warmup_epochs or train.optimizer.clip_norm "
            "above 0, or train.precision: fp32"
        )


class Best(NamedTuple):
    """The epoch with the lowest MHD so far."""

    epoch: Epoch
    weights: dict[str, Tensor]


class TrainingMeans(NamedTuple):
    """Means over the steps of an epoch; see the fields of `Epoch` of the same names."""

    gradient_norm: float
    loss: float
    cross_entropy: float
    expected_distance: float
    rank_cross_entropy: float
    entropy: float


class Trainer:
    """Trains a classifier epoch by epoch, in one of the processes that train together, and keeps the best weights."""

    def __init__(self, classifier: Classifier, task: Task, config: TrainConfig, processes: Processes) -> None:
        self.classifier, self.task, self.config, self.processes = classifier, task, config, processes
        self.device = next(classifier.parameters()).device
        counts = np.bincount(task.labels[task.training_rows], minlength=len(task.class_nodes))
        self.loss = HierarchicalLoss(task.taxonomy, task.class_nodes, counts, config).to(self.device)
        # A shorter last batch is left out, because batch norm fails on a batch of one. Each epoch is shuffled anew, so
        # every ROI takes part in some epochs.
        self.batch_size = min(config.batch_size, len(task.training_rows))
        self.mix = _mixer(config, len(task.class_nodes))
        if self.mix:
            # timm mixes pairs of ROIs, in each process.
            self.batch_size -= self.batch_size % (2 * processes.world_size)
        self.steps = len(task.training_rows) // self.batch_size
        self.optimization = Optimization(classifier, config, self.steps)
        self.adapters = AdapterGradients(classifier)
        self.data_parallel = processes.data_parallel(classifier)
        compiled = config.compile and self.device.type == "cuda"
        self.forward = torch.compile(self.data_parallel) if compiled else self.data_parallel
        self.history: list[Epoch] = []
        self.seconds = 0.0
        self.epochs_without_improvement = 0
        """Epochs since the MHD last fell by more than `validation.min_delta`."""
        self._mhd_to_improve = math.inf
        """The MHD at that time."""
        self._best: Best | None = None

    @property
    def best(self) -> Best:
        """Raises ValueError before the first epoch."""
        if self._best is None:
            raise ValueError("no epoch has been trained yet")
        return self._best

    @property
    def images_per_second(self) -> float:
        """Mean throughput of training in ROIs per second, without validation."""
        return len(self.history) * self.steps * self.batch_size / self.seconds

    def epoch(self, number: int) -> tuple[Epoch, Diagnostics]:
        """Train and validate for one epoch. Raises DivergedError when the loss or the gradient is not finite."""
        start = time.perf_counter()
        lr = self.optimization.lr
        means, data_seconds = self._train(number)
        seconds = time.perf_counter() - start
        _check_finite(means, number, self.config)
        self.processes.broadcast(self.optimization.averaged)
        has_degraded = self.config.validation.degraded_size is not None
        validation = validate(self.optimization.averaged, self.task, self.processes, degraded=has_degraded)
        gradient_norm, gradient_max = self.adapters.summary()
        epoch = Epoch(
            epoch=number,
            lr=lr,
            gradient_norm=means.gradient_norm,
            train_loss=means.loss,
            train_cross_entropy=means.cross_entropy,
            train_expected_distance=means.expected_distance,
            train_rank_cross_entropy=means.rank_cross_entropy,
            train_entropy=means.entropy,
            validation_cross_entropy=validation.cross_entropy,
            validation_expected_distance=validation.expected_distance,
            validation_entropy=validation.entropy,
            validation_mhd=validation.mhd,
            validation_accuracy=validation.accuracy,
            validation_mhd_degraded=validation.mhd_degraded,
            lora_gradient_norm=gradient_norm,
            lora_gradient_max=gradient_max,
        )
        self.seconds += seconds
        self.history.append(epoch)
        self._compare(epoch)
        throughput = self.steps * self.batch_size / seconds
        return epoch, Diagnostics(throughput, data_seconds / seconds, tuple(self.adapters.mean_norms().tolist()))

    def state(self) -> dict[str, Any]:
        """What the next epochs depend on. Random draws are not part of it: they follow from the seed and the epoch."""
        return {
            "optimization": self.optimization.state(),
            "history": [asdict(epoch) for epoch in self.history],
            "seconds": self.seconds,
            "best": self.best.epoch.epoch,
            "best_weights": self.best.weights,
            "to_beat": self._mhd_to_improve,
            "waited": self.epochs_without_improvement,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from what `state` returned."""
        self.optimization.restore(state["optimization"])
        self.history = [Epoch(**epoch) for epoch in state["history"]]
        self.seconds = state["seconds"]
        self._best = Best(self.history[state["best"] - 1], state["best_weights"])
        self._mhd_to_improve, self.epochs_without_improvement = state["to_beat"], state["waited"]

    def _compare(self, epoch: Epoch) -> None:
        """Keep the weights if `epoch` is the best so far, and count epochs without improvement."""
        validation = self.config.validation
        mhd = epoch.selected_mhd(validation.select_on)
        if self._best is None or mhd < self._best.epoch.selected_mhd(validation.select_on):
            self._best = Best(epoch, deepcopy(self.optimization.averaged.state_dict()))
        if mhd < self._mhd_to_improve - validation.min_delta:
            self._mhd_to_improve, self.epochs_without_improvement = mhd, 0
        else:
            self.epochs_without_improvement += 1

    def _train(self, number: int) -> tuple[TrainingMeans, float]:
        """Train on all training rows once. Returns the means, and the seconds spent on preparing batches."""
        set_training(self.classifier)
        self.adapters.reset()
        # All processes shuffle alike; each then augments its share of each batch with draws of its own.
        shuffle = np.random.default_rng(seed_of(self.config.seed, number))
        seed = seed_of(self.config.seed, number, self.processes.rank)
        seed_everything(seed)
        generator = torch.Generator().manual_seed(seed)
        rows = shuffle.permutation(self.task.training_rows)[: self.steps * self.batch_size]
        # Summed on the device: reading a number at each step would make the host wait for it.
        norms = torch.zeros(1, device=self.device)
        parts = torch.zeros(len(LossParts._fields), device=self.device)
        seconds = 0.0
        for batch in batches(rows, self.batch_size):
            share = self.processes.share(batch)
            start = time.perf_counter()
            inputs, labels = self._batch(share, generator)
            seconds += time.perf_counter() - start
            parts += self._add_gradients(inputs, labels, len(share) / len(batch))
            self.adapters.record()
            norms += self.optimization.step().detach()
        means = torch.cat([norms, self.processes.all_reduce(parts)]) / self.steps
        return TrainingMeans(*means.tolist()), seconds

    def _batch(self, rows: np.ndarray, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        inputs = self.task.inputs.batch(rows, generator)
        labels = to_device(torch.from_numpy(self.task.labels[rows]), self.device)
        if self.mix:
            # timm mixes tensors of (batch, channels, height, width), whether they are pictures or features.
            mixed, labels = self.mix(inputs.flatten(1, -3).float() if inputs.dim() > 3 else inputs[:, None], labels)
            inputs = mixed.view(inputs.shape)
        return inputs, labels

    def _add_gradients(self, inputs: Tensor, labels: Tensor, share: float) -> Tensor:
        """Add the gradients of this process's share of a batch, computed in `train.accumulation` parts.

        Returns the parts of the loss times `share`, this process's share of the batch.
        """
        sums = torch.zeros(len(LossParts._fields), device=self.device)
        count = self.config.accumulation
        pieces = list(zip(inputs.tensor_split(count), labels.tensor_split(count), strict=True))
        for some_inputs, some_labels in pieces[:-1]:
            with without_all_reduce(self.data_parallel):
                sums += self._backward(some_inputs, some_labels, share * len(some_labels) / len(labels))
        some_inputs, some_labels = pieces[-1]
        return sums + self._backward(some_inputs, some_labels, share * len(some_labels) / len(labels))

    def _backward(self, inputs: Tensor, labels: Tensor, weight: float) -> Tensor:
        """Add gradients times `weight`; returns the parts of the loss times `weight`."""
        with arithmetic(self.device, self.config.precision):
            logits = self.forward(inputs)
        parts: LossParts = self.loss(logits, labels)
        # The all-reduce averages over the processes, but the gradient of the whole batch is the sum of their shares.
        (parts.total * weight * self.processes.world_size).backward()
        return torch.stack(parts).detach() * weight


def _check_finite(means: TrainingMeans, number: int, config: TrainConfig) -> None:
    """Raises DivergedError for the first that is not finite: the loss, the gradient, a part of the loss."""
    figures = {"loss": means.loss, "gradient's norm": means.gradient_norm} | means._asdict()
    for figure, value in figures.items():
        if not math.isfinite(value):
            raise DivergedError(figure.replace("_", " "), value, number, config)


def _mixer(config: TrainConfig, classes: int) -> Mixup | None:
    if not (config.augment.mixup or config.augment.cutmix):
        return None
    return Mixup(config.augment.mixup, config.augment.cutmix, label_smoothing=0.0, num_classes=classes)
