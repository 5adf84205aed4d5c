"""One training from epoch to epoch: the state it carries, its steps, and its validation."""

import copy
import math
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import log_softmax, softmax
from timm.data import Mixup
from torch import Tensor

from fathomline.model.backbone import set_training
from fathomline.model.classifier import Classifier
from fathomline.model.device import arithmetic, seed_everything, seed_of
from fathomline.model.transforms import to_device
from fathomline.rois.crops import batches
from fathomline.taxonomy.tree import Taxonomy
from fathomline.train.adapters import AdapterGradients
from fathomline.train.config import TrainConfig
from fathomline.train.distributed import Processes, without_exchange
from fathomline.train.history import Epoch, Pace
from fathomline.train.inputs import Inputs
from fathomline.train.loss import HierarchicalLoss, LossParts
from fathomline.train.optimize import Optimization


class DivergedError(Exception):
    """The loss or the gradient is no longer finite."""

    def __init__(self, figure: str, value: float, number: int, config: TrainConfig) -> None:
        super().__init__(f"the {figure} is {value} in epoch {number}, expected a finite number")
        self.remedy = (
            f"try a lower train.lr (it is {config.lr}), train.schedule.warmup_epochs or train.optimizer.clip_norm "
            "above 0, or train.precision: fp32"
        )


@dataclass(frozen=True)
class Task:
    """What is to be learned."""

    inputs: Inputs
    labels: np.ndarray
    """(all rois,) int64, class indices"""
    training_rows: np.ndarray
    held_out_rows: np.ndarray
    taxonomy: Taxonomy
    class_nodes: np.ndarray
    """(classes,) int64, indices into the taxonomy's nodes"""


class Run:
    """The state that one training carries from step to step, in one of the processes that train together."""

    def __init__(self, classifier: Classifier, task: Task, config: TrainConfig, processes: Processes) -> None:
        self.classifier, self.task, self.config, self.processes = classifier, task, config, processes
        self.device = next(classifier.parameters()).device
        counts = np.bincount(task.labels[task.training_rows], minlength=len(task.class_nodes))
        self.loss = HierarchicalLoss(task.taxonomy, task.class_nodes, counts, config).to(self.device)
        # Batch norm fails on a batch of one, which has no variance. A shorter last batch is therefore left out; as each
        # epoch is shuffled anew, no ROI is left out for good.
        self.batch_size = min(config.batch_size, len(task.training_rows))
        self.mix = _mixer(config, len(task.class_nodes))
        if self.mix:
            # timm mixes pairs, in each process.
            self.batch_size -= self.batch_size % (2 * processes.world_size)
        self.steps = len(task.training_rows) // self.batch_size
        self.optimization = Optimization(classifier, config, self.steps)
        self.adapters = AdapterGradients(classifier)
        joint = processes.joint(classifier)
        self.forward = torch.compile(joint) if config.compile and self.device.type == "cuda" else joint
        self.exchanging = joint
        self.history: list[Epoch] = []
        self.pace: Pace | None = None
        self.seconds = 0.0
        self.best: Epoch | None = None
        self.best_weights: dict[str, Tensor] = {}
        self.to_beat = math.inf
        """The MHD that the next epochs must fall below by `min_delta`."""
        self.waited = 0
        """Epochs since that happened last."""

    @property
    def images_per_second(self) -> float:
        return len(self.history) * self.steps * self.batch_size / self.seconds

    def epoch(self, number: int) -> Epoch:
        """Raises DivergedError when the loss or the gradient is not finite."""
        start = time.perf_counter()
        lr = self.optimization.lr
        means, seconds_for_data = self._pass_over_training_rows(number)
        seconds = time.perf_counter() - start
        _check_finite(means, number, self.config)
        epoch = Epoch(number, lr, *means, *self._validate(), *self.adapters.summary())
        self.seconds += seconds
        self.pace = Pace(
            self.steps * self.batch_size / seconds, seconds_for_data / seconds, tuple(self.adapters.means().tolist())
        )
        self.history.append(epoch)
        mhd = epoch.selected_mhd(self.config.validation.select_on)
        if self.best is None or mhd < self.best.selected_mhd(self.config.validation.select_on):
            self.best, self.best_weights = epoch, copy.deepcopy(self.optimization.best_guess.state_dict())
        if mhd < self.to_beat - self.config.validation.min_delta:
            self.to_beat, self.waited = mhd, 0
        else:
            self.waited += 1
        return epoch

    def state(self) -> dict[str, Any]:
        """Everything that the next epochs and their outcome depend on. What is drawn follows from the seed alone."""
        return {
            "optimization": self.optimization.state(),
            "history": [asdict(epoch) for epoch in self.history],
            "seconds": self.seconds,
            "best": self.best.epoch,
            "best_weights": self.best_weights,
            "to_beat": self.to_beat,
            "waited": self.waited,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from `state`."""
        self.optimization.restore(state["optimization"])
        self.history = [Epoch(**epoch) for epoch in state["history"]]
        self.seconds = state["seconds"]
        self.best, self.best_weights = self.history[state["best"] - 1], state["best_weights"]
        self.to_beat, self.waited = state["to_beat"], state["waited"]

    def _pass_over_training_rows(self, number: int) -> tuple[list[float], float]:
        """Means over the epoch's steps, of the gradient's norm and the parts of the loss; seconds spent on batches."""
        set_training(self.classifier)
        self.adapters.start()
        # Every process shuffles alike, and then augments its share of each batch with draws of its own.
        shuffle = np.random.default_rng(seed_of(self.config.seed, number))
        own = seed_of(self.config.seed, number, self.processes.rank)
        seed_everything(own)
        generator = torch.Generator().manual_seed(own)
        rows = shuffle.permutation(self.task.training_rows)[: self.steps * self.batch_size]
        # Summed where they are computed: asking for a number at each step would make the device wait for it.
        norms = torch.zeros(1, device=self.device)
        parts = torch.zeros(len(LossParts._fields), device=self.device)
        seconds = 0.0
        for batch in batches(rows, self.batch_size):
            share = self.processes.share(batch)
            start = time.perf_counter()
            inputs, labels = self._batch(share, generator)
            seconds += time.perf_counter() - start
            parts += self._gradients(inputs, labels, len(share) / len(batch))
            self.adapters.note()
            norms += self.optimization.step().detach()
        means = torch.cat([norms, self.processes.all_reduce(parts)]) / self.steps
        return means.tolist(), seconds

    def _batch(self, rows: np.ndarray, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        inputs = self.task.inputs.batch(rows, generator)
        labels = to_device(torch.from_numpy(self.task.labels[rows]), self.device)
        if self.mix:
            # timm takes pictures of (batch, channels, height, width), whatever they are of.
            mixed, labels = self.mix(inputs.flatten(1, -3).float() if inputs.dim() > 3 else inputs[:, None], labels)
            inputs = mixed.view(inputs.shape)
        return inputs, labels

    def _gradients(self, inputs: Tensor, labels: Tensor, share: float) -> Tensor:
        """Add the gradients of a batch, in `train.accumulation` parts.

        Returns the parts of the loss times `share`, this process's share of the whole batch.
        """
        sums = torch.zeros(len(LossParts._fields), device=self.device)
        count = self.config.accumulation
        pieces = list(zip(inputs.tensor_split(count), labels.tensor_split(count), strict=True))
        for place, (some_inputs, some_labels) in enumerate(pieces, start=1):
            weight = share * len(some_labels) / len(labels)
            with without_exchange(self.exchanging, last=place == count):
                with arithmetic(self.device, self.config.precision):
                    logits = self.forward(some_inputs)
                parts = self.loss(logits, some_labels)
                # The exchange takes the mean over the processes; the sum is what makes one batch of their shares.
                (parts.total * weight * self.processes.world_size).backward()
            sums += torch.stack(parts).detach() * weight
        return sums

    def _validate(self) -> tuple[float, float, float, float, float, float | None]:
        """The fields of Epoch from `validation_cross_entropy` to `validation_mhd_degraded`."""
        task = self.task
        self.processes.broadcast(self.optimization.best_guess)
        labels = task.labels[task.held_out_rows]
        logits = self._held_out_logits(degraded=False)
        scores = log_softmax(logits.astype(np.float64), axis=1)
        probabilities = softmax(logits.astype(np.float64), axis=1)
        expected = (probabilities * task.taxonomy.distances(task.class_nodes, task.class_nodes)[labels]).sum(axis=1)
        entropy = -(probabilities * np.log(np.maximum(probabilities, 1e-300))).sum(axis=1)
        has_degraded = self.config.validation.degraded_size is not None
        return (
            float(-scores[np.arange(len(labels)), labels].mean()),
            float(expected.mean()),
            float(entropy.mean()),
            self._mhd(logits, labels),
            float((logits.argmax(axis=1) == labels).mean()),
            self._mhd(self._held_out_logits(degraded=True), labels) if has_degraded else None,
        )

    def _mhd(self, logits: np.ndarray, labels: np.ndarray) -> float:
        nodes = self.task.class_nodes
        return float(self.task.taxonomy.row_distances(nodes[labels], nodes[logits.argmax(axis=1)]).mean())

    def _held_out_logits(self, *, degraded: bool) -> np.ndarray:
        """Of all held-out rows, each predicted by one of the processes."""
        rows = self.task.held_out_rows
        share = self.task.inputs.logits(self.optimization.best_guess, self.processes.share(rows), degraded=degraded)
        return self.processes.all_gather(torch.from_numpy(share).to(self.device), len(rows)).cpu().numpy()


def _check_finite(means: list[float], number: int, config: TrainConfig) -> None:
    """Raises DivergedError with the figure at fault: the loss if it is not finite, else the gradient, else a part.

    Args: means over epoch `number`, of the gradient's norm and the parts of the loss.
    """
    norm, loss, *parts = means
    figures = {"loss": loss, "gradient's norm": norm} | dict(zip(LossParts._fields[1:], parts, strict=True))
    for figure, value in figures.items():
        if not math.isfinite(value):
            raise DivergedError(figure.replace("_", " "), value, number, config)


def _mixer(config: TrainConfig, classes: int) -> Mixup | None:
    if not (config.augment.mixup or config.augment.cutmix):
        return None
    return Mixup(config.augment.mixup, config.augment.cutmix, label_smoothing=0.0, num_classes=classes)
