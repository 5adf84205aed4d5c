"""Train a classifier on crops, and keep the epoch with the lowest validation MHD."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from timm.layers import convert_sync_batchnorm
from torch import nn

from fathomline.errors import InputError
from fathomline.model.backbone import build, save_memory
from fathomline.model.checkpoint import Model
from fathomline.model.classifier import Classifier
from fathomline.model.degrade import degraded_scale, view_spans
from fathomline.model.device import prepare_device, seed_everything
from fathomline.model.model_json import held_out_digest
from fathomline.progress import Steps, warning
from fathomline.rois.crops import Crops
from fathomline.taxonomy.tree import Taxonomy
from fathomline.train.adapters import add_adapters, count_weights, merge_adapters
from fathomline.train.config import TrainConfig
from fathomline.train.design import design
from fathomline.train.distributed import NOT_SHARED, SINGLE_PROCESS, Processes
from fathomline.train.features import frozen_inputs
from fathomline.train.history import Diagnostics, Epoch, Trained
from fathomline.train.inputs import Inputs, PixelInputs, Task
from fathomline.train.resume import ResumePoint, load_point, save_point
from fathomline.train.trainer import DivergedError, Trainer

OnEpoch = Callable[[Epoch, Diagnostics], None]

FROZEN_AND_RANDOM = (
    "train: train.frozen is true and train.pretrained is false, so the head learns from the features of random "
    "weights; set train.pretrained: true, or the path of a weights file, for features that tell animals apart"
)


def train(
    crops: Crops,
    rows: tuple[np.ndarray, np.ndarray],
    taxonomy: Taxonomy,
    classes: Sequence[str],
    config: TrainConfig,
    *,
    on_epoch: OnEpoch = lambda epoch, diagnostics: None,
    resume: ResumePoint | None = None,
    features: Path | None = None,
    processes: Processes = SINGLE_PROCESS,
) -> Trained:
    """Train on `rows[0]` of `crops`, and select the epoch on `rows[1]`, which training never sees.

    On a CPU, the same seed gives the same weights on the same machine. Training ends early when `patience` runs out,
    and, with a warning, when the loss or its gradient is no longer finite after the first epoch. A frozen backbone with
    random weights is warned of. In a log, each epoch gets a line with its loss, its MHD and the time left.

    Args:
        on_epoch: called in the main process after each epoch.
        resume: where the state is saved after each epoch. Interrupted training resumes there and gives the same
            weights as without the interruption. The caller removes the point once the model has been saved.
        features: folder for storing the features of frozen backbones; None: do not store them.
        processes: the processes that train together. Each calls this function with the same arguments and returns
            the same result.
    Raises InputError when a backbone or its weights are not available, when the views are smaller than the model's
    input, when a batch is too small for the processes, or when the loss or its gradient is not finite in the first
    epoch.
    """
    _check_sizes(crops, len(rows[0]), config, processes)
    if config.frozen and config.pretrained is False and processes.is_main:
        warning(FROZEN_AND_RANDOM)
    seed_everything(config.seed)
    architecture = design(config, views=crops.pixels.shape[1], classes=len(classes))
    drop_path = 0.0 if config.frozen else config.drop_path
    classifier = _prepare(build(architecture, config.pretrained, drop_path), config, processes)
    trainable, weights = count_weights(classifier)
    pixels = _pixel_inputs(crops, len(rows[0]), config, processes)
    inputs: Inputs = pixels
    backbones = classifier.backbones
    if config.frozen:
        inputs = frozen_inputs(classifier, crops, pixels, features, processes)
        # Detached until training is over: the trainer would copy, average and save the backbones after each epoch.
        classifier.backbones = nn.ModuleList()
    class_nodes = np.array([taxonomy.node(name) for name in classes], dtype=np.int64)
    trainer = Trainer(classifier, Task(inputs, crops.labels(classes), *rows, taxonomy, class_nodes), config, processes)
    _run_epochs(trainer, on_epoch, resume)
    classifier.load_state_dict(trainer.best.weights)
    classifier.backbones = backbones
    if config.lora.r:
        merge_adapters(classifier)
    model = Model(
        classifier=classifier.cpu(),
        architecture=architecture,
        preprocessing=crops.preprocessing,
        precision=config.precision,
        classes=tuple(classes),
        taxonomy_hash=taxonomy.hash,
        held_out=held_out_digest(crops.annotations["annotation_id"].to_numpy()[rows[1]]),
    )
    return Trained(model, tuple(trainer.history), trainer.best.epoch, trainer.images_per_second, trainable, weights)


def _check_sizes(crops: Crops, training_rois: int, config: TrainConfig, processes: Processes) -> None:
    stored = crops.pixels.shape[2]
    if config.image_size > stored:
        raise InputError(
            f"train.image_size is {config.image_size}, above crop.size, {stored}: "
            "raise crop.size or lower train.image_size"
        )
    batch, parts = min(config.batch_size, training_rois), processes.world_size * config.accumulation
    if batch < 2 * parts:
        raise InputError(
            f"train: a batch of {batch} ROIs (train.batch_size is {config.batch_size}; there are {training_rois} "
            f"training ROIs) is split into {parts} parts by {processes.world_size} process(es) and train.accumulation "
            f"{config.accumulation}, but each part needs two or more; start fewer processes or lower train.accumulation"
        )


def _pixel_inputs(crops: Crops, training_rois: int, config: TrainConfig, processes: Processes) -> PixelInputs:
    degraded_size = config.validation.degraded_size
    return PixelInputs(
        crops.pixels,
        view_spans(crops),
        None if degraded_size is None else degraded_scale(crops, degraded_size),
        config,
        processes.device(),
        # As in training, where a process computes its share of a batch in `accumulation` parts.
        largest_batch=min(config.batch_size, training_rois) // (processes.world_size * config.accumulation),
    )


def _prepare(classifier: Classifier, config: TrainConfig, processes: Processes) -> Classifier:
    """Freeze weights, add adapters and move the classifier to this process's device, as `config` says."""
    if config.frozen:
        classifier.backbones.requires_grad_(False)
    if config.gradient_checkpointing and not config.frozen:
        save_memory(classifier, config.backbone)
    if config.lora.r:
        add_adapters(classifier, config)
    device = processes.device()
    prepare_device(device)
    if device.type == "cuda" and processes.world_size > 1:
        classifier = convert_sync_batchnorm(classifier)
    # Channels last halves the time of convolutions on a CPU, and saves some on CUDA.
    return classifier.to(device).to(memory_format=torch.channels_last)


def _run_epochs(trainer: Trainer, on_epoch: OnEpoch, resume: ResumePoint | None) -> None:
    if resume is not None:
        _restore(trainer, resume)
    config, done = trainer.config, len(trainer.history)
    reports = trainer.processes.is_main
    with Steps(label="train", unit="epoch", total=config.epochs, initial=done, silent=not reports) as steps:
        for number in range(done + 1, config.epochs + 1):
            if 0 < config.validation.patience <= trainer.epochs_without_improvement:
                break
            try:
                epoch, diagnostics = trainer.epoch(number)
            except DivergedError as error:
                if not trainer.history:
                    raise InputError(f"{error}; {error.remedy}") from None
                best = trainer.best.epoch.epoch
                warning(f"train: {error}; keeping the model of epoch {best}. For a better model, {error.remedy}")
                break
            if reports:
                if resume is not None:
                    save_point(trainer.state(), resume.path)
                on_epoch(epoch, diagnostics)
            steps.finished(_figures(epoch, config))


def _figures(epoch: Epoch, config: TrainConfig) -> str:
    """The loss and the MHD that chooses the epoch, for a line of the log."""
    select_on = config.validation.select_on
    view = "" if select_on == "plain" else f" ({select_on} view)"
    return f"loss {epoch.train_loss:.3f}, validation MHD {epoch.selected_mhd(select_on):.3f}{view}"


def _restore(trainer: Trainer, resume: ResumePoint) -> None:
    """Resume from the saved state if there is one. Raises InputError when the processes do not all find the same."""
    state = load_point(resume.path)
    if state is not None:
        trainer.restore(state)
        warning(f"train: resuming after epoch {len(trainer.history)}")
    # This also waits until every process has read the state, before the main process replaces it.
    if not trainer.processes.all_equal(len(trainer.history)):
        raise InputError(f"{resume.path.parent}: {NOT_SHARED}")
