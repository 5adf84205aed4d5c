"""Where an interrupted training goes on: all of its state after an epoch, in one file, without pickle."""

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
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fathomline.files import written_whole
from fathomline.learn.config import TrainConfig
from fathomline.learn.dataset import Crops
from fathomline.taxonomy.tree import Taxonomy

SAMPLED_ROWS = 256

_TENSOR, _PAIRS = "tensor:", "pairs:"


@dataclass(frozen=True)
class ResumePoint:
    """Where one training is gone on from. Another training, by its data, params or code, has another point."""

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
        """Leave nothing to go on from."""
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
    hashed = hashlib.sha256()
    settings = {name: value for name, value in asdict(config).items() if name != "folds"}
    hashed.update(
        json.dumps(
            [settings, taxonomy.hash, list(classes), list(crops.views), torch.__version__, timm.__version__]
        ).encode()
    )
    for part in rows:
        hashed.update(crops.annotations.iloc[part].to_csv(index=False).encode())
    hashed.update(sample_of(crops.pixels))
    hashed.update(code_of("*.py"))
    return ResumePoint(folder / f"{hashed.hexdigest()}.safetensors")


def sample_of(pixels: np.ndarray) -> bytes:
    """Some rows that stand for all of them: to read gigabytes would take longer than an epoch lost."""
    sample = np.unique(np.linspace(0, len(pixels) - 1, SAMPLED_ROWS).astype(np.int64))
    return str(pixels.shape).encode() + pixels[sample].tobytes()


def code_of(*patterns: str) -> bytes:
    """The source files of this folder that match."""
    folder = Path(__file__).parent
    return b"".join(source.read_bytes() for pattern in patterns for source in sorted(folder.glob(pattern)))


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
