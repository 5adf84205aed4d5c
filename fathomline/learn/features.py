"""Features of a frozen backbone: computed once, kept on disk, and used again by every training of its head."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from fathomline.errors import InputError
from fathomline.files import written_whole
from fathomline.learn.augment import augmented, whole
from fathomline.learn.classifier import Classifier
from fathomline.learn.config import TrainConfig
from fathomline.learn.dataset import Crops, batches
from fathomline.learn.detail import coarsened
from fathomline.learn.device import inference_batch, seed_of
from fathomline.learn.distributed import NOT_SHARED, Processes
from fathomline.learn.inputs import FeatureInputs
from fathomline.learn.resume import code_of, sample_of
from fathomline.progress import progress

CHUNK = 512
"""ROIs whose features are written at once: what an interruption may cost."""

OF_FEATURES = (
    "backbone",
    "backbone_options",
    "image_size",
    "frozen_copies",
    "min_crop",
    "horizontal_flip",
    "vertical_flip",
    "quarter_turns",
    "rotation",
    "color_jitter",
    "blur",
    "degradation",
    "erasing",
    "degraded_size",
    "seed",
)
"""Parameters of `train` that features depend on, beside the weights: an activation, for one, has none."""


def frozen_inputs(
    classifier: Classifier,
    crops: Crops,
    detail: np.ndarray | None,
    config: TrainConfig,
    folder: Path | None,
    processes: Processes,
) -> FeatureInputs:
    """Features of all `crops`, of the held-out ones too, so that every fold's training finds them.

    Args: detail as for `PixelInputs`; folder that keeps them, None to keep none.
    """
    device = next(classifier.parameters()).device
    kept = None if folder is None else folder / _key(classifier, crops, config)
    starts = np.arange(0, len(crops.annotations), CHUNK)
    missing = np.array([start for start in starts if kept is None or _read(kept, start) is None], dtype=np.int64)
    processes.wait()  # until all have seen what is missing, and any may begin to write it
    mine = missing if kept is None else processes.share(missing)
    computed = {}
    for start in progress(mine, label="features", unit=f"{CHUNK} ROIs"):
        rows = np.arange(start, min(start + CHUNK, len(crops.annotations)))
        part = _compute(classifier, crops, rows, detail, config)
        if kept is None:
            computed[start] = part
        else:
            with written_whole(_file(kept, start)) as temporary:
                save_file(part, temporary)
    processes.wait()
    parts = [computed[start] if kept is None else _read(kept, start) for start in starts]
    if None in parts:
        raise InputError(f"{folder}: {NOT_SHARED}")
    joined = {name: torch.cat([part[name] for part in parts]).to(device) for name in parts[0]}
    return FeatureInputs(joined["plain"], joined.get("degraded"), joined["copies"])


def _file(folder: Path, start: int) -> Path:
    return folder / f"{start:08d}.safetensors"


def _read(folder: Path, start: int) -> dict[str, Tensor] | None:
    """None where there is nothing to be read, or nothing that can be: it is computed then."""
    try:
        return load_file(_file(folder, start))
    except (FileNotFoundError, SafetensorError):
        return None


def _key(classifier: Classifier, crops: Crops, config: TrainConfig) -> str:
    """A hash of everything that the features depend on."""
    settings = {name: getattr(config, name) for name in OF_FEATURES}
    hashed = hashlib.sha256(json.dumps([settings, list(crops.views), torch.__version__, timm.__version__]).encode())
    hashed.update(json.dumps([str(classifier.mean.tolist()), str(classifier.std.tolist())]).encode())
    for name, tensor in classifier.backbones.state_dict().items():
        hashed.update(name.encode() + tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    hashed.update(crops.annotations.to_csv(index=False).encode())
    hashed.update(sample_of(crops.pixels))
    hashed.update(code_of("augment.py", "appearance.py", "classifier.py", "detail.py", "features.py"))
    return hashed.hexdigest()


@torch.inference_mode()
def _compute(
    classifier: Classifier, crops: Crops, rows: np.ndarray, detail: np.ndarray | None, config: TrainConfig
) -> dict[str, Tensor]:
    """Features of `rows`: plain, degraded where there is `detail`, and of augmented copies."""
    classifier.eval()
    count = inference_batch(next(classifier.parameters()).device, crops.pixels.shape[1], config.image_size)
    parts = [
        {name: features.float().cpu() for name, features in _of_batch(classifier, crops, batch, detail, config)}
        for batch in batches(rows, count)
    ]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _of_batch(
    classifier: Classifier, crops: Crops, rows: np.ndarray, detail: np.ndarray | None, config: TrainConfig
) -> Iterator[tuple[str, Tensor]]:
    device, size = next(classifier.parameters()).device, config.image_size
    views = whole(crops.pixels, rows, size, device)
    plain = classifier.features(views)
    yield "plain", plain
    if detail is not None:
        yield "degraded", classifier.features(coarsened(views, detail[rows]))
    copies = [plain.new_zeros((len(rows), 0, *plain.shape[1:]))]
    for copy in range(config.frozen_copies):
        generator = torch.Generator().manual_seed(seed_of(config.seed, copy, int(rows[0])))
        # Dealt out anew for each copy, or neighbours would share their crop's size in all of them.
        order = torch.randperm(len(rows), generator=generator)
        drawn = classifier.features(augmented(crops.pixels, rows[order.numpy()], config, generator, device))
        copies.append(drawn[torch.argsort(order).to(device)].unsqueeze(1))
    yield "copies", torch.cat(copies, dim=1)
