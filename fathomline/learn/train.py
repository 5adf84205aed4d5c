"""Fine-tune a backbone on crops, and keep the epoch with the least validation MHD."""

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fathomline.decide.calibrate import negative_log_likelihood
from fathomline.decide.metrics import row_distances
from fathomline.errors import InputError
from fathomline.learn.augment import augmented
from fathomline.learn.backbone import (
    Architecture,
    Classifier,
    add_adapters,
    build,
    design,
    merge_adapters,
    parameter_groups,
    set_training,
)
from fathomline.learn.checkpoint import Model
from fathomline.learn.config import TrainConfig
from fathomline.learn.dataset import Crops, batches
from fathomline.learn.loss import HierarchicalLoss, LossParts
from fathomline.learn.predict import arithmetic, best_device, predict_logits
from fathomline.progress import progress
from fathomline.taxonomy.tree import Taxonomy


@dataclass(frozen=True)
class Epoch:
    """One row of history.csv: means over the epoch's training ROIs, and the held-out ROIs after it."""

    epoch: int
    """Counted from 1."""
    lr: float
    """Learning rate of the epoch's first step."""
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
) -> Trained:
    """Train on `rows[0]` of `crops`, select on `rows[1]`, which training never sees.

    Same seed, same machine, same weights on a CPU. `on_epoch` is told of each epoch as it ends.

    Raises InputError when a backbone or its weights cannot be had, when the views are smaller than the model's
    input, or when the loss stops being finite.
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
    run = _Run(classifier, architecture, crops, rows, taxonomy, classes, config, device)
    best, best_weights = None, None
    for number in progress(range(1, config.epochs + 1), label="train", unit="epoch"):
        epoch = run.epoch(number)
        on_epoch(epoch)
        if best is None or epoch.validation_mhd < best.validation_mhd:
            best, best_weights = epoch, copy.deepcopy(classifier.state_dict())
    classifier.load_state_dict(best_weights)
    merge_adapters(classifier)
    model = Model(classifier.cpu(), architecture, tuple(classes), taxonomy.hash)
    return Trained(model, tuple(run.history), best, run.images_per_second)


class _Run:
    """The state that one training carries from step to step."""

    def __init__(
        self,
        classifier: Classifier,
        architecture: Architecture,
        crops: Crops,
        rows: tuple[np.ndarray, np.ndarray],
        taxonomy: Taxonomy,
        classes: Sequence[str],
        config: TrainConfig,
        device: torch.device,
    ) -> None:
        self.classifier, self.config, self.device = classifier, config, device
        self.image_size = architecture.image_size
        self.pixels, self.labels = crops.pixels, crops.labels(classes)
        self.training_rows, self.held_out_rows = rows
        self.taxonomy = taxonomy
        self.class_nodes = np.array([taxonomy.node(name) for name in classes])
        counts = np.bincount(self.labels[self.training_rows], minlength=len(classes))
        self.loss = HierarchicalLoss(taxonomy, self.class_nodes, counts, config).to(device)
        # A batch of one has no variance, on which batch norm fails: a shorter last batch is left out, and another
        # shuffle each epoch sees to it that no ROI is left out for good.
        self.batch_size = min(config.batch_size, len(self.training_rows))
        self.steps = len(self.training_rows) // self.batch_size
        self.optimizer = torch.optim.AdamW(
            parameter_groups(classifier, config.weight_decay), lr=config.lr, fused=device.type == "cuda"
        )
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, T_max=config.epochs * self.steps, eta_min=config.min_lr
        )
        self.generator = torch.Generator().manual_seed(config.seed)
        self.forward = torch.compile(classifier) if config.compile and device.type == "cuda" else classifier
        self.history: list[Epoch] = []
        self.seconds = 0.0
        if device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
            torch.backends.cudnn.benchmark = True

    @property
    def images_per_second(self) -> float:
        return len(self.history) * self.steps * self.batch_size / self.seconds

    def epoch(self, number: int) -> Epoch:
        start = time.perf_counter()
        lr = self.optimizer.param_groups[0]["lr"]
        sums = self._pass_over_training_rows()
        self.seconds += time.perf_counter() - start
        if not all(map(math.isfinite, sums)):
            raise InputError(
                f"the loss is {sums[0]} in epoch {number}, expected a finite number; try a lower train.lr "
                f"(it is {self.config.lr}) or train.precision: fp32"
            )
        self.history.append(Epoch(number, lr, *(value / self.steps for value in sums), *self._validate()))
        return self.history[-1]

    def _pass_over_training_rows(self) -> list[float]:
        set_training(self.classifier)
        order = torch.randperm(len(self.training_rows), generator=self.generator).numpy()
        rows = self.training_rows[order[: self.steps * self.batch_size]]
        labels = torch.from_numpy(self.labels[rows]).to(self.device).split(self.batch_size)
        # Summed where they are computed: asking for a number at each step would make the device wait for it.
        sums = torch.zeros(len(LossParts._fields), device=self.device)
        for batch, batch_labels in zip(batches(rows, self.batch_size), labels, strict=True):
            sums += self._step(augmented(self.pixels, batch, self.config, self.generator, self.device), batch_labels)
        return sums.tolist()

    def _step(self, views: Tensor, labels: Tensor) -> Tensor:
        with arithmetic(self.device, self.config.precision):
            logits = self.forward(views)
        parts = self.loss(logits, labels)
        self.optimizer.zero_grad(set_to_none=True)
        parts.total.backward()
        self.optimizer.step()
        self.schedule.step()
        return torch.stack(parts).detach()

    def _validate(self) -> tuple[float, float, float]:
        """Cross-entropy, MHD of the arg-max, accuracy."""
        logits = predict_logits(self.classifier, self.pixels, self.held_out_rows, self.image_size)
        labels, predicted = self.labels[self.held_out_rows], logits.argmax(axis=1)
        distances = row_distances(self.taxonomy, self.class_nodes[labels], self.class_nodes[predicted])
        return negative_log_likelihood(logits, labels), float(distances.mean()), float((predicted == labels).mean())
