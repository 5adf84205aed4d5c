"""Fine-tune a backbone on crops, and keep the epoch with the least validation MHD."""

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from timm.data import Mixup
from torch import Tensor

from fathomline.decide.calibrate import negative_log_likelihood
from fathomline.decide.metrics import row_distances
from fathomline.errors import InputError
from fathomline.learn.augment import augmented
from fathomline.learn.backbone import Classifier, add_adapters, build, design, merge_adapters, set_training
from fathomline.learn.checkpoint import Model
from fathomline.learn.config import TrainConfig
from fathomline.learn.dataset import Crops, batches
from fathomline.learn.loss import HierarchicalLoss, LossParts
from fathomline.learn.optimize import Optimization
from fathomline.learn.predict import arithmetic, best_device, predict_logits
from fathomline.learn.resume import load_point, save_point, training_key
from fathomline.progress import progress, warning
from fathomline.taxonomy.tree import Taxonomy


@dataclass(frozen=True)
class Epoch:
    """One row of history.csv: means over the epoch's training ROIs, and the held-out ROIs after it."""

    epoch: int
    """Counted from 1."""
    lr: float
    """Learning rate of the epoch's first step."""
    gradient_norm: float
    """Mean L2 norm of the gradient, before it is clipped."""
    train_loss: float
    train_cross_entropy: float
    train_expected_distance: float
    train_rank_loss: float
    validation_cross_entropy: float
    validation_mhd: float
    """Of the arg-max."""
    validation_accuracy: float


@dataclass(frozen=True)
class Trained:
    """The best epoch's model, and how training went."""

    model: Model
    history: tuple[Epoch, ...]
    best: Epoch
    images_per_second: float
    """ROIs trained on in a second of training, validation aside."""

    def history_table(self) -> pd.DataFrame:
        return pd.DataFrame([asdict(epoch) for epoch in self.history])


def train(
    crops: Crops,
    rows: tuple[np.ndarray, np.ndarray],
    taxonomy: Taxonomy,
    classes: Sequence[str],
    config: TrainConfig,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    resume: Path | None = None,
) -> Trained:
    """Train on `rows[0]` of `crops`, select on `rows[1]`, which training never sees.

    Same seed, same machine, same weights on a CPU. `on_epoch` is told of each epoch as it ends. Training ends early
    when `patience` runs out, or, with a warning, when the loss stops being finite and an epoch before it can be kept.
    `resume` is a folder for the state after each epoch: a training that was interrupted goes on from there, and ends
    with the same weights. The state is removed at the end.

    Raises InputError when a backbone or its weights cannot be had, when the views are smaller than the model's
    input, or when the loss stops being finite in the first epoch.
    """
    if config.image_size > crops.pixels.shape[2]:
        raise InputError(
            f"train.image_size is {config.image_size}, above crop.size, {crops.pixels.shape[2]}: "
            "raise crop.size or lower train.image_size"
        )
    torch.manual_seed(config.seed)
    device = best_device()
    architecture = design(config, views=crops.pixels.shape[1], classes=len(classes))
    classifier = build(architecture, config.pretrained)
    if config.lora:
        add_adapters(classifier, config)
    # Convolutions with channels last take half the time on a CPU, and less on CUDA.
    classifier.to(device, memory_format=torch.channels_last)
    class_nodes = np.array([taxonomy.node(name) for name in classes], dtype=np.int64)
    run = _Run(classifier, _Task(crops.pixels, crops.labels(classes), *rows, taxonomy, class_nodes), config)
    point = None if resume is None else resume / f"{training_key(crops, rows, taxonomy, classes, config)}.safetensors"
    best = _keep_the_best(run, config, on_epoch, point)
    classifier.load_state_dict(run.best_weights)
    merge_adapters(classifier)
    if point is not None:
        point.unlink(missing_ok=True)
    model = Model(classifier.cpu(), architecture, tuple(classes), taxonomy.hash)
    return Trained(model, tuple(run.history), best, run.images_per_second)


def _keep_the_best(run: "_Run", config: TrainConfig, on_epoch: Callable[[Epoch], None], point: Path | None) -> Epoch:
    """Run the epochs that are left; returns the one with the least MHD, whose weights `run` keeps."""
    state = None if point is None else load_point(point)
    if state is not None:
        run.restore(state)
        warning(f"train: goes on after epoch {len(run.history)}, where it was interrupted")
    numbers = range(len(run.history) + 1, config.epochs + 1)
    for number in progress(numbers, label="train", unit="epoch", total=config.epochs, initial=len(run.history)):
        if config.patience and run.waited >= config.patience:
            break
        try:
            epoch = run.epoch(number)
        except _Diverged as error:
            if run.best is None:
                raise InputError(f"{error}; {error.remedy}") from None
            warning(f"train: {error}; the model of epoch {run.best.epoch} is kept. For a better one {error.remedy}")
            break
        if point is not None:
            save_point(run.state(), point)
        on_epoch(epoch)
    return run.best


def _mixer(config: TrainConfig, classes: int) -> Mixup | None:
    if not (config.mixup or config.cutmix):
        return None
    return Mixup(config.mixup, config.cutmix, label_smoothing=0.0, num_classes=classes)


class _Diverged(Exception):
    """The loss is no number any more."""

    def __init__(self, loss: float, number: int, config: TrainConfig) -> None:
        super().__init__(f"the loss is {loss} in epoch {number}, expected a finite number")
        self.remedy = (
            f"try a lower train.lr (it is {config.lr}), train.warmup_epochs or train.clip_norm above 0, "
            "or train.precision: fp32"
        )


@dataclass(frozen=True)
class _Task:
    """What is to be learned."""

    pixels: np.ndarray
    labels: np.ndarray
    """(all rois,) int64, class indices"""
    training_rows: np.ndarray
    held_out_rows: np.ndarray
    taxonomy: Taxonomy
    class_nodes: np.ndarray


class _Run:
    """The state that one training carries from step to step."""

    def __init__(self, classifier: Classifier, task: _Task, config: TrainConfig) -> None:
        self.classifier, self.task, self.config = classifier, task, config
        self.device = next(classifier.parameters()).device
        counts = np.bincount(task.labels[task.training_rows], minlength=len(task.class_nodes))
        self.loss = HierarchicalLoss(task.taxonomy, task.class_nodes, counts, config).to(self.device)
        # A batch of one has no variance, on which batch norm fails: a shorter last batch is left out, and another
        # shuffle each epoch sees to it that no ROI is left out for good.
        self.batch_size = min(config.batch_size, len(task.training_rows))
        self.mix = _mixer(config, len(task.class_nodes))
        if self.mix:
            self.batch_size -= self.batch_size % 2  # timm mixes pairs
        self.steps = len(task.training_rows) // self.batch_size
        self.optimization = Optimization(classifier, config, self.steps)
        self.generator = torch.Generator().manual_seed(config.seed)
        compiled = config.compile and self.device.type == "cuda"
        self.forward = torch.compile(classifier) if compiled else classifier
        self.history: list[Epoch] = []
        self.seconds = 0.0
        self.best: Epoch | None = None
        self.best_weights: dict[str, Tensor] = {}
        self.to_beat = math.inf
        """The MHD that the next epochs must fall below by `min_delta`."""
        self.waited = 0
        """Epochs since that happened last."""
        if self.device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
            torch.backends.cudnn.benchmark = True

    @property
    def images_per_second(self) -> float:
        return len(self.history) * self.steps * self.batch_size / self.seconds

    def epoch(self, number: int) -> Epoch:
        """Raises _Diverged when the loss is not finite."""
        start = time.perf_counter()
        lr = self.optimization.lr
        means = self._pass_over_training_rows()
        self.seconds += time.perf_counter() - start
        if not all(map(math.isfinite, means)):
            raise _Diverged(means[1], number, self.config)
        epoch = Epoch(number, lr, *means, *self._validate())
        self.history.append(epoch)
        if self.best is None or epoch.validation_mhd < self.best.validation_mhd:
            self.best, self.best_weights = epoch, copy.deepcopy(self.optimization.best_guess.state_dict())
        if epoch.validation_mhd < self.to_beat - self.config.min_delta:
            self.to_beat, self.waited = epoch.validation_mhd, 0
        else:
            self.waited += 1
        return epoch

    def state(self) -> dict[str, Any]:
        """Everything that the next epochs and their outcome depend on."""
        return {
            "optimization": self.optimization.state(),
            "draws": [self.generator.get_state(), torch.get_rng_state()],
            "device_draws": torch.cuda.get_rng_state() if self.device.type == "cuda" else None,
            "history": [asdict(epoch) for epoch in self.history],
            "seconds": self.seconds,
            "best": self.best.epoch,
            "best_weights": self.best_weights,
            "to_beat": self.to_beat,
            "waited": self.waited,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.optimization.restore(state["optimization"])
        own, everyone = state["draws"]
        self.generator.set_state(own)
        torch.set_rng_state(everyone)
        if state["device_draws"] is not None:
            torch.cuda.set_rng_state(state["device_draws"])
        self.history = [Epoch(**epoch) for epoch in state["history"]]
        self.seconds = state["seconds"]
        self.best, self.best_weights = self.history[state["best"] - 1], state["best_weights"]
        self.to_beat, self.waited = state["to_beat"], state["waited"]

    def _pass_over_training_rows(self) -> list[float]:
        """Means over the epoch's steps: the gradient's norm, and the parts of the loss."""
        set_training(self.classifier)
        if self.mix:
            # timm's mixup draws from NumPy's global generator.
            np.random.seed(int(torch.randint(2**31, (), generator=self.generator)))  # noqa: NPY002
        rows = self.task.training_rows
        order = torch.randperm(len(rows), generator=self.generator).numpy()
        rows = rows[order[: self.steps * self.batch_size]]
        # Summed where they are computed: asking for a number at each step would make the device wait for it.
        sums = torch.zeros(1 + len(LossParts._fields), device=self.device)
        for batch in batches(rows, self.batch_size):
            sums += self._step(batch)
        return (sums / self.steps).tolist()

    def _step(self, rows: np.ndarray) -> Tensor:
        views = augmented(self.task.pixels, rows, self.config, self.generator, self.device)
        labels = torch.from_numpy(self.task.labels[rows]).to(self.device)
        if self.mix:
            mixed, labels = self.mix(views.flatten(1, 2).float(), labels)
            views = mixed.view(views.shape)
        sums = torch.zeros(len(LossParts._fields), device=self.device)
        count = self.config.accumulation
        for some_views, some_labels in zip(views.tensor_split(count), labels.tensor_split(count), strict=True):
            share = len(some_labels) / len(rows)
            with arithmetic(self.device, self.config.precision):
                logits = self.forward(some_views)
            parts = self.loss(logits, some_labels)
            (parts.total * share).backward()
            sums += torch.stack(parts).detach() * share
        return torch.cat([self.optimization.step().detach().view(1), sums])

    def _validate(self) -> tuple[float, float, float]:
        """Cross-entropy, MHD of the arg-max, accuracy."""
        task, classifier = self.task, self.optimization.best_guess
        logits = predict_logits(classifier, task.pixels, task.held_out_rows, self.config.image_size)
        labels, predicted = task.labels[task.held_out_rows], logits.argmax(axis=1)
        distances = row_distances(task.taxonomy, task.class_nodes[labels], task.class_nodes[predicted])
        return negative_log_likelihood(logits, labels), float(distances.mean()), float((predicted == labels).mean())
