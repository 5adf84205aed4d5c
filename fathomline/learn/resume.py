"""Where an interrupted training goes on: all of its state after an epoch, in one file, without pickle."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fathomline.files import written_whole
from fathomline.learn.config import TrainConfig
from fathomline.learn.dataset import Crops
from fathomline.taxonomy.tree import Taxonomy

SAMPLED_ROWS = 256
"""Rows of pixels that stand for all of them: to read gigabytes would take longer than an epoch lost."""

_TENSOR, _PAIRS = "tensor:", "pairs:"


def training_key(
    crops: Crops, rows: tuple[np.ndarray, np.ndarray], taxonomy: Taxonomy, classes: Sequence[str], config: TrainConfig
) -> str:
    """A hash of what a training depends on, its code included: equal keys, equal trainings."""
    hashed = hashlib.sha256()
    settings = {name: value for name, value in asdict(config).items() if name != "folds"}
    hashed.update(json.dumps([settings, taxonomy.hash, list(classes), torch.__version__]).encode())
    for part in rows:
        hashed.update(crops.annotations.iloc[part][["annotation_id", "label"]].to_csv(index=False).encode())
    sample = np.unique(np.linspace(0, len(crops.pixels) - 1, SAMPLED_ROWS).astype(np.int64))
    hashed.update(str(crops.pixels.shape).encode() + crops.pixels[sample].tobytes())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        hashed.update(source.read_bytes())
    return hashed.hexdigest()


def save_point(state: dict[str, Any], path: Path) -> None:
    """Write nested dicts and lists of tensors, numbers, texts and None; the file is whole or absent."""
    tensors: dict[str, Tensor] = {}
    described = json.dumps(_taken_apart(state, "state", tensors))
    with written_whole(path) as temporary:
        save_file(tensors, temporary, metadata={"state": described})


def load_point(path: Path) -> dict[str, Any] | None:
    """Read what `save_point` wrote, on the CPU; None when there is no file, or none that can be read."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as stream:
            described = json.loads(stream.metadata()["state"])
            return _put_together(described, stream.get_tensor)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        return None  # what cannot be read cannot be gone on from: the training starts over


def _taken_apart(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        tensors[name] = value.detach().cpu().clone().contiguous()
        return _TENSOR + name
    if isinstance(value, dict):
        # JSON knows text keys only, and an optimiser counts its weights.
        return {_PAIRS: [[key, _taken_apart(item, f"{name}.{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_taken_apart(item, f"{name}.{place}", tensors) for place, item in enumerate(value)]
    return value


def _put_together(value: Any, tensor) -> Any:
    if isinstance(value, str) and value.startswith(_TENSOR):
        return tensor(value.removeprefix(_TENSOR))
    if isinstance(value, dict):
        return {key: _put_together(item, tensor) for key, item in value[_PAIRS]}
    if isinstance(value, list):
        return [_put_together(item, tensor) for item in value]
    return value
