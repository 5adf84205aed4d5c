"""Resuming interrupted training: its state after each epoch, in one file, without pickle."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import timm
import torch
from torch import Tensor

from fathomline.files import code_of, sha256_of, written_whole
from fathomline.model.checksummed import DamagedFileError, load_checksummed, save_checksummed
from fathomline.progress import warning
from fathomline.rois.crops import Crops
from fathomline.taxonomy.tree import Taxonomy
from fathomline.train.config import TrainConfig

_TENSOR, _PAIRS = "tensor:", "pairs:"


@dataclass(frozen=True)
class ResumePoint:
    """Files from which one training can be resumed. Training with other data, params or code has its own."""

    path: Path
    """State after the last finished epoch; missing before the first."""

    def start(self) -> None:
        """Give this training an identity, unless an interrupted run has done so."""
        if self.identity is None:
            with written_whole(self._identity_path) as temporary:
                temporary.write_text(uuid4().hex[:12], encoding="utf-8")

    @property
    def identity(self) -> str | None:
        """A random name that lasts from `start` to `remove`, across interruptions; None outside that time."""
        try:
            return self._identity_path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    @property
    def _identity_path(self) -> Path:
        return self.path.with_suffix(".id")

    def remove(self) -> None:
        """Remove the state and the identity."""
        for path in (self.path, self._identity_path):
            path.unlink(missing_ok=True)


def resume_point(
    folder: Path,
    crops: Crops,
    rows: tuple[np.ndarray, np.ndarray],
    taxonomy: Taxonomy,
    classes: Sequence[str],
    config: TrainConfig,
) -> ResumePoint:
    """The resume point in `folder` for this training, named by a hash of everything that its result depends on."""
    settings = asdict(config)
    versions = [torch.__version__, timm.__version__]
    described = [settings, taxonomy.hash, list(classes), crops.digest, [len(part) for part in rows], versions]
    hashed = hashlib.sha256(json.dumps(described).encode())
    for part in rows:
        hashed.update(np.asarray(part, dtype=np.int64).tobytes())
    if isinstance(config.pretrained, str) and Path(config.pretrained).is_file():
        hashed.update(sha256_of(Path(config.pretrained)).encode())  # the content may change under the same name
    hashed.update(code_of("train/*.py", "model/*.py", "taxonomy/tree.py"))
    return ResumePoint(folder / f"{hashed.hexdigest()}.safetensors")


def save_point(state: dict[str, Any], path: Path) -> None:
    """Write nested dicts and lists of tensors, numbers, texts and None, atomically."""
    tensors: dict[str, Tensor] = {}
    described = json.dumps(_to_json(state, "state", tensors))
    save_checksummed(tensors, path, {"state": described})


def load_point(path: Path) -> dict[str, Any] | None:
    """Read what `save_point` wrote, to the CPU; None for a missing file and, with a warning, for a damaged one."""
    try:
        tensors, metadata = load_checksummed(path)
    except FileNotFoundError:
        return None
    except DamagedFileError as error:
        warning(f"train: {error}; starting again from the first epoch")
        return None
    return _from_json(json.loads(metadata["state"]), tensors)


def _to_json(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """`value` with each tensor replaced by its name in `tensors`, where it is added."""
    if isinstance(value, Tensor):
        tensors[name] = value.detach().cpu().clone().contiguous()
        return _TENSOR + name
    if isinstance(value, dict):
        # A list of pairs: an optimizer's state has integer keys, and JSON would turn them into text.
        return {_PAIRS: [[key, _to_json(item, f"{name}.{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_to_json(item, f"{name}.{place}", tensors) for place, item in enumerate(value)]
    return value


def _from_json(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, str) and value.startswith(_TENSOR):
        return tensors[value.removeprefix(_TENSOR)]
    if isinstance(value, dict):
        return {key: _from_json(item, tensors) for key, item in value[_PAIRS]}
    if isinstance(value, list):
        return [_from_json(item, tensors) for item in value]
    return value
