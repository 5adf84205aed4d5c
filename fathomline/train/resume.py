"""The state of an interrupted training after an epoch, to resume from: in one file, without pickle."""

import hashlib
import json
from collections.abc import Sequence
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
    """Where one training is resumed. Another training, by its data, params or code, has another point."""

    path: Path
    """The state after its last epoch, once there is one."""

    @property
    def identity(self) -> str:
        """A name that this training keeps through its interruptions; made up at its start, forgotten at its end."""
        if not self._named.exists():
            with written_whole(self._named) as temporary:
                temporary.write_text(uuid4().hex[:12], encoding="utf-8")
        return self._named.read_text(encoding="utf-8")

    @property
    def _named(self) -> Path:
        return self.path.with_suffix(".id")

    def remove(self) -> None:
        """Leave nothing to resume from."""
        for path in (self.path, self._named):
            path.unlink(missing_ok=True)


def resume_point(
    folder: Path,
    crops: Crops,
    rows: tuple[np.ndarray, np.ndarray],
    taxonomy: Taxonomy,
    classes: Sequence[str],
    config: TrainConfig,
) -> ResumePoint:
    """The point of this training in `folder`, named by a hash of what it depends on, its code included."""
    settings = asdict(config)
    versions = [torch.__version__, timm.__version__]
    described = [settings, taxonomy.hash, list(classes), crops.digest, [len(part) for part in rows], versions]
    hashed = hashlib.sha256(json.dumps(described).encode())
    for part in rows:
        hashed.update(np.asarray(part, dtype=np.int64))
    if isinstance(config.pretrained, str) and Path(config.pretrained).is_file():
        hashed.update(sha256_of(Path(config.pretrained)).encode())  # the file may be another one under the same name
    hashed.update(code_of("train/*.py", "model/*.py", "taxonomy/tree.py"))
    return ResumePoint(folder / f"{hashed.hexdigest()}.safetensors")


def save_point(state: dict[str, Any], path: Path) -> None:
    """Write nested dicts and lists of tensors, numbers, texts and None; the file is whole or absent."""
    tensors: dict[str, Tensor] = {}
    described = json.dumps(_taken_apart(state, "state", tensors))
    save_checksummed(tensors, path, {"state": described})


def load_point(path: Path) -> dict[str, Any] | None:
    """Read what `save_point` wrote, on the CPU; None when there is no file, or, with a warning, a damaged one."""
    try:
        tensors, metadata = load_checksummed(path)
    except FileNotFoundError:
        return None
    except DamagedFileError as error:
        warning(f"train: {error}; the training starts over")
        return None
    return _put_together(json.loads(metadata["state"]), tensors.__getitem__)


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
