"""Features of a frozen backbone: computed once, kept on disk, and used again by every training of its head."""

import hashlib
import json
from collections.abc import Callable, Iterator
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
from fathomline.train.inputs import FeatureInputs

CHUNK = 512
"""ROIs whose features are written at once: what an interruption may cost."""

DRAWN_TOGETHER = 32
"""ROIs whose augmented copies are drawn from one seed, however many the device computes at once."""

OF_FEATURES = ("backbone", "backbone_options", "image_size", "frozen_copies", "seed")
"""Parameters of `train` that features depend on, besides the weights, augmentation and the degraded size: an
activation, for one, has no weights."""

MIXING = ("mixup", "cutmix")
"""Augmentations of batches, which come after the features."""


def frozen_inputs(
    classifier: Classifier,
    crops: Crops,
    spans: np.ndarray,
    degraded_scale: float | None,
    config: TrainConfig,
    folder: Path | None,
    processes: Processes,
) -> FeatureInputs:
    """Features of all `crops`, of the held-out ones too, so that every fold's training finds them.

    Args: spans and degraded_scale as for `PixelInputs`; folder that keeps them, None to keep none.
    Raises InputError when the processes do not see the same files in `folder`.
    """
    device = next(classifier.parameters()).device
    kept = None if folder is None else folder / _key(classifier, crops, config)
    starts = range(0, len(crops.annotations), CHUNK)
    parts = {start: None if kept is None else _read(kept, start) for start in starts}
    missing = np.array([start for start in starts if parts[start] is None], dtype=np.int64)
    # Waits until all have seen what is missing, and any may begin to write it.
    if not processes.alike(int.from_bytes(hashlib.sha256(missing).digest()[:6])):
        raise InputError(f"{folder}: {NOT_SHARED}")
    mine = missing if kept is None else processes.share(missing)
    for start in progress(mine.tolist(), label="features", unit=f"{CHUNK} ROIs"):
        rows = np.arange(start, min(start + CHUNK, len(crops.annotations)))
        parts[start] = _compute(classifier, crops, rows, spans, degraded_scale, config)
        if kept is not None:
            save_checksummed(parts[start], _file(kept, start))
    processes.wait()
    parts = {start: _read(kept, start) if part is None else part for start, part in parts.items()}
    if None in parts.values():
        raise InputError(f"{folder}: {NOT_SHARED}")
    joined = {name: torch.cat([part[name] for part in parts.values()]).to(device) for name in parts[0]}
    return FeatureInputs(joined["plain"], joined.get("degraded"), joined["copies"], config.precision)


def _file(folder: Path, start: int) -> Path:
    return folder / f"{start:08d}.safetensors"


def _read(folder: Path, start: int) -> dict[str, Tensor] | None:
    """None where there is no file, or, with a warning, a damaged one: it is computed then."""
    try:
        return load_checksummed(_file(folder, start))[0]
    except FileNotFoundError:
        return None
    except DamagedFileError as error:
        warning(f"features: {error}; computing it again")
        return None


def _key(classifier: Classifier, crops: Crops, config: TrainConfig) -> str:
    """A hash of everything that the features depend on."""
    settings = {name: getattr(config, name) for name in OF_FEATURES}
    settings |= {name: value for name, value in asdict(config.augment).items() if name not in MIXING}
    settings["degraded_size"] = config.validation.degraded_size
    settings["computed_in"] = computed_in(classifier.head.weight.device, config.precision)
    hashed = hashlib.sha256(json.dumps([settings, crops.digest, torch.__version__, timm.__version__]).encode())
    hashed.update(json.dumps([str(classifier.mean.tolist()), str(classifier.std.tolist())]).encode())
    for name, tensor in classifier.backbones.state_dict().items():
        hashed.update(name.encode() + tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    hashed.update(code_of("train/augment.py", "train/augment_ops.py", "train/features.py", "model/*.py"))
    return hashed.hexdigest()


def _compute(
    classifier: Classifier,
    crops: Crops,
    rows: np.ndarray,
    spans: np.ndarray,
    degraded_scale: float | None,
    config: TrainConfig,
) -> dict[str, Tensor]:
    """Features of `rows`, on the CPU: plain, degraded where there is a scale, and of augmented copies."""
    classifier.eval()
    device, size = classifier.head.weight.device, config.image_size
    pixels_per_roi = crops.pixels.shape[1] * size**2
    parts, count = [], 0
    for group in batches(rows, DRAWN_TOGETHER):
        part: dict[str, list[Tensor]] = {"plain": [], "degraded": [], "copies": []}
        for name, views in _views_of(crops, group, spans, degraded_scale, config, device):
            compute, places = _forward(classifier, views, config.precision), np.arange(len(group))
            count = count or batch_size(compute, places, device, pixels_per_roi)
            part[name].append(torch.cat(list(in_batches(compute, places, count))))
        copies = part.pop("copies")
        parts.append({name: features[0] for name, features in part.items() if features})
        none = torch.zeros(len(group), 0, *parts[-1]["plain"].shape[1:])
        parts[-1]["copies"] = torch.stack(copies, dim=1) if copies else none
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _forward(classifier: Classifier, views: Tensor, precision: str) -> Callable[[np.ndarray], Tensor]:
    """Computes features of some of `views`: (rois, views, features) float32, on the CPU."""

    @torch.inference_mode()
    def compute(places: np.ndarray) -> Tensor:
        some = views[places[0] : places[-1] + 1]
        with arithmetic(views.device, precision):
            return classifier.features(some).float().cpu()

    return compute


def _views_of(
    crops: Crops,
    rows: np.ndarray,
    spans: np.ndarray,
    degraded_scale: float | None,
    config: TrainConfig,
    device: torch.device,
) -> Iterator[tuple[str, Tensor]]:
    """Names of features and the views that they are of, in the order of `rows`."""
    views = full_views(crops.pixels, rows, config.image_size, device)
    yield "plain", views
    if degraded_scale is not None:
        yield "degraded", degraded(views, spans[rows] * degraded_scale)
    for copy in range(config.frozen_copies):
        generator = torch.Generator().manual_seed(seed_of(config.seed, copy, int(rows[0])))
        # Shuffled anew for each copy, or neighbours would share their crop's size in all of them.
        order = torch.randperm(len(rows), generator=generator)
        drawn = augmented(crops.pixels, rows[order.numpy()], spans, config, generator, device)
        yield "copies", drawn[to_device(torch.argsort(order), device)]
