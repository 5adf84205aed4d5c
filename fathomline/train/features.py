"""Features of a frozen backbone: computed once, stored on disk, and reused whenever a head is trained on them."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import timm
import torch
from torch import Tensor

from fathomline.errors import InputError
from fathomline.files import code_of
from fathomline.model.batching import batch_size, in_batches
from fathomline.model.checksummed import DamagedFileError, load_checksummed, save_checksummed
from fathomline.model.classifier import Classifier
from fathomline.model.degrade import degraded
from fathomline.model.device import arithmetic, computed_in, seed_of
from fathomline.model.transforms import full_views, to_device
from fathomline.progress import progress, warning
from fathomline.rois.crops import Crops, batches
from fathomline.train.augment import augmented
from fathomline.train.config import TrainConfig
from fathomline.train.distributed import NOT_SHARED, Processes
from fathomline.train.inputs import FeatureInputs, PixelInputs

CHUNK = 512
"""ROIs per file of features; an interruption loses at most one unfinished file."""

SEED_GROUP = 32
"""ROIs whose augmented copies share one seed, so that the copies do not depend on the device's batch size."""

FEATURE_PARAMS = ("backbone", "backbone_options", "image_size", "frozen_copies", "seed")
"""Parameters of `train` that features depend on, besides the augmentation and the degraded size. Those of the backbone
are among them because some, such as its activation, leave no trace in the weights."""

BATCH_AUGMENTATIONS = ("mixup", "cutmix")
"""Augmentations that are applied to batches of features, and so do not change the features."""

Features = dict[str, Tensor]
"""`plain`, `copies` and, with a degraded view, `degraded`, as in `FeatureInputs`, on the CPU."""


def frozen_inputs(
    classifier: Classifier, crops: Crops, pixels: PixelInputs, folder: Path | None, processes: Processes
) -> FeatureInputs:
    """Features of all `crops`, including the held-out ones, so that the training of every fold can reuse them.

    Args: folder for storing features; None: do not store them.
    Raises InputError when the processes see different files in `folder`.
    """
    cache = None if folder is None else folder / _key(classifier, crops, pixels.config)
    starts = range(0, len(crops.annotations), CHUNK)
    parts = {} if cache is None else _read(cache, starts)
    missing = np.array([start for start in starts if start not in parts], dtype=np.int64)
    # This also waits until every process has listed the missing files, before any process writes one.
    if not processes.all_equal(int.from_bytes(hashlib.sha256(missing.tobytes()).digest()[:6])):
        raise InputError(f"{folder}: {NOT_SHARED}")
    mine = missing if cache is None else processes.share(missing)
    for start in progress(mine.tolist(), label="features", unit=f"{CHUNK} ROIs"):
        parts[start] = _compute(classifier, pixels, np.arange(start, min(start + CHUNK, len(crops.annotations))))
        if cache is not None:
            save_checksummed(parts[start], _file(cache, start))
    processes.barrier()
    if cache is not None:
        parts |= _read(cache, [start for start in starts if start not in parts])
    if len(parts) < len(starts):
        raise InputError(f"{folder}: {NOT_SHARED}")
    joined = _concatenated([parts[start] for start in starts])
    on_device = {name: tensor.to(pixels.device) for name, tensor in joined.items()}
    return FeatureInputs(on_device["plain"], on_device.get("degraded"), on_device["copies"], pixels.config.precision)


def _file(folder: Path, start: int) -> Path:
    return folder / f"{start:08d}.safetensors"


def _read(folder: Path, starts: Iterable[int]) -> dict[int, Features]:
    """The stored features by first ROI. Leaves out missing files and, with a warning, damaged ones."""
    found = {}
    for start in starts:
        try:
            found[start] = load_checksummed(_file(folder, start))[0]
        except FileNotFoundError:
            continue
        except DamagedFileError as error:
            warning(f"features: {error}; computing them again")
    return found


def _concatenated(parts: list[Features]) -> Features:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _key(classifier: Classifier, crops: Crops, config: TrainConfig) -> str:
    """A hash of everything that the features depend on."""
    settings = {name: getattr(config, name) for name in FEATURE_PARAMS}
    settings |= {name: value for name, value in asdict(config.augment).items() if name not in BATCH_AUGMENTATIONS}
    settings["degraded_size"] = config.validation.degraded_size
    settings["computed_in"] = computed_in(classifier.head.weight.device, config.precision)
    hashed = hashlib.sha256(json.dumps([settings, crops.digest, torch.__version__, timm.__version__]).encode())
    buffers = dict(classifier.named_buffers())
    hashed.update(json.dumps([str(buffers[name].tolist()) for name in ("mean", "std")]).encode())
    for name, tensor in classifier.backbones.state_dict().items():
        hashed.update(name.encode() + tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    hashed.update(code_of("train/augment.py", "train/augment_ops.py", "train/features.py", "model/*.py"))
    return hashed.hexdigest()


def _compute(classifier: Classifier, pixels: PixelInputs, rows: np.ndarray) -> Features:
    classifier.eval()
    pixels_per_roi = pixels.pixels.shape[1] * pixels.config.image_size**2
    parts, count = [], 0
    for group in batches(rows, SEED_GROUP):
        places, computed = np.arange(len(group)), []
        for views in _views(pixels, group):
            compute = _forward(classifier, views, pixels.config.precision)
            count = count or batch_size(compute, places, pixels.device, pixels_per_roi)
            computed.append(torch.cat(list(in_batches(compute, places, count))))
        parts.append(_named(computed, has_degraded=pixels.degraded_scale is not None))
    return _concatenated(parts)


def _named(computed: list[Tensor], *, has_degraded: bool) -> Features:
    """Features of one group, in the order of `_views`."""
    plain, copies = computed[0], computed[1 + has_degraded :]
    stacked = torch.stack(copies, dim=1) if copies else torch.zeros(len(plain), 0, *plain.shape[1:])
    return {"plain": plain, "copies": stacked} | ({"degraded": computed[1]} if has_degraded else {})


def _forward(classifier: Classifier, views: Tensor, precision: str) -> Callable[[np.ndarray], Tensor]:
    """A function that computes the features of some of `views`: (rois, views, features) float32, on the CPU."""

    @torch.inference_mode()
    def compute(places: np.ndarray) -> Tensor:
        some = views[places[0] : places[-1] + 1]
        with arithmetic(views.device, precision):
            return classifier.features(some).float().cpu()

    return compute


def _views(pixels: PixelInputs, rows: np.ndarray) -> Iterator[Tensor]:
    """The views of `rows`: plain, degraded if there is a scale for it, and the augmented copies."""
    config, device = pixels.config, pixels.device
    plain = full_views(pixels.pixels, rows, config.image_size, device)
    yield plain
    if pixels.degraded_scale is not None:
        yield degraded(plain, pixels.spans[rows] * pixels.degraded_scale)
    for copy in range(config.frozen_copies):
        generator = torch.Generator().manual_seed(seed_of(config.seed, copy, int(rows[0])))
        # Shuffled for each copy: otherwise the same neighbours would share a sub-batch, and so a crop size, in all.
        order = torch.randperm(len(rows), generator=generator)
        drawn = augmented(pixels.pixels, rows[order.numpy()], pixels.spans, config, generator, device)
        yield drawn[to_device(torch.argsort(order), device)]
