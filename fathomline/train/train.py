"""Fine-tune a backbone on crops, and keep the epoch with the least validation MHD."""

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
from fathomline.progress import progress, warning
from fathomline.rois.crops import Crops
from fathomline.taxonomy.tree import Taxonomy
from fathomline.train.adapters import add_adapters, merge_adapters, trainable_weights
from fathomline.train.config import TrainConfig
from fathomline.train.design import design
from fathomline.train.distributed import ALONE, NOT_SHARED, Processes
from fathomline.train.features import frozen_inputs
from fathomline.train.history import Epoch, Pace, Trained
from fathomline.train.inputs import PixelInputs
from fathomline.train.resume import ResumePoint, load_point, save_point
from fathomline.train.trainer import DivergedError, Run, Task


def train(
    crops: Crops,
    rows: tuple[np.ndarray, np.ndarray],
    taxonomy: Taxonomy,
    classes: Sequence[str],
    config: TrainConfig,
    *,
    on_epoch: Callable[[Epoch, Pace], None] = lambda epoch, pace: None,
    resume: ResumePoint | None = None,
    features: Path | None = None,
    processes: Processes = ALONE,
) -> Trained:
    """Train on `rows[0]` of `crops`, select on `rows[1]`, which training never sees.

    Same seed, same machine, same weights on a CPU. Training ends early when `patience` runs out, or, with a warning,
    when the loss or its gradient is no longer finite and an earlier epoch can be kept.

    Args:
        on_epoch: told of each epoch as it ends.
        resume: where the state after each epoch is kept: an interrupted training resumes from there, and ends with
            the same weights. The caller removes it when the model is safely written.
        features: folder that keeps the features of frozen backbones.
        processes: those that train together; each calls this function with the same arguments, and gets the same back.
    Raises InputError when a backbone or its weights are not available, when the views are smaller than the model's
    input, when a batch cannot be shared out, or when the loss or its gradient is not finite in the first epoch.
    """
    _check_sizes(crops, len(rows[0]), config, processes)
    seed_everything(config.seed)
    architecture = design(config, views=crops.pixels.shape[1], classes=len(classes))
    drop_path = 0.0 if config.frozen else config.drop_path
    classifier = _prepare(build(architecture, config.pretrained, drop_path), config, processes)
    spans = view_spans(crops)
    scale = None if config.validation.degraded_size is None else degraded_scale(crops, config.validation.degraded_size)
    learns, has = trainable_weights(classifier)
    backbones = classifier.backbones
    if config.frozen:
        inputs = frozen_inputs(classifier, crops, spans, scale, config, features, processes)
        classifier.backbones = nn.ModuleList()  # put aside, so that nothing averages, copies or saves them each epoch
    else:
        at_once = _rois_per_pass(len(rows[0]), config, processes)
        inputs = PixelInputs(crops.pixels, spans, scale, config, processes.device(), at_once)
    class_nodes = np.array([taxonomy.node(name) for name in classes], dtype=np.int64)
    run = Run(classifier, Task(inputs, crops.labels(classes), *rows, taxonomy, class_nodes), config, processes)
    best = _keep_the_best(run, config, on_epoch, resume)
    classifier.load_state_dict(run.best_weights)
    classifier.backbones = backbones
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
    return Trained(model, tuple(run.history), best, run.images_per_second, learns, has)


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
            f"train: a batch of {batch} ROIs (train.batch_size is {config.batch_size}; there are {training_rois} to "
            f"train on) is split into {parts} parts by {processes.world_size} process(es) and train.accumulation "
            f"{config.accumulation}, and each part needs two; start fewer processes or lower train.accumulation"
        )


def _rois_per_pass(training_rois: int, config: TrainConfig, processes: Processes) -> int:
    """ROIs of one forward pass in training: a process computes its share of a batch in `accumulation` parts."""
    return min(config.batch_size, training_rois) // (processes.world_size * config.accumulation)


def _prepare(classifier: Classifier, config: TrainConfig, processes: Processes) -> Classifier:
    """Let the weights learn that `config` says, on the device of this process."""
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
    # Convolutions with channels last take half the time on a CPU, and less on CUDA.
    return classifier.to(device, memory_format=torch.channels_last)


def _keep_the_best(
    run: Run, config: TrainConfig, on_epoch: Callable[[Epoch, Pace], None], resume: ResumePoint | None
) -> Epoch:
    """Run the epochs that are left; returns the one with the least MHD, whose weights `run` keeps."""
    state = None if resume is None else load_point(resume.path)
    if state is not None:
        run.restore(state)
        warning(f"train: resuming after epoch {len(run.history)}")
    # This waits for all processes: none may continue, and replace the state, until each has read it. One that found it
    # missing or damaged, where others did not, stops them all.
    if not run.processes.alike(len(run.history)):
        raise InputError(f"{resume.path.parent}: {NOT_SHARED}")
    numbers = range(len(run.history) + 1, config.epochs + 1)
    for number in progress(numbers, label="train", unit="epoch", total=config.epochs, initial=len(run.history)):
        if config.validation.patience and run.waited >= config.validation.patience:
            break
        try:
            epoch = run.epoch(number)
        except DivergedError as error:
            if run.best is None:
                raise InputError(f"{error}; {error.remedy}") from None
            warning(f"train: {error}; the model of epoch {run.best.epoch} is kept. For a better one {error.remedy}")
            break
        if run.processes.first:
            if resume is not None:
                save_point(run.state(), resume.path)
            on_epoch(epoch, run.pace)
    return run.best
