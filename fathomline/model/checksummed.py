"""Tensors in a safetensors file with a checksum, so that a damaged file is found and never believed."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fathomline.errors import InputError
from fathomline.files import written_whole

_ENTRY = "checksummed"
"""The one entry of the file's metadata: of several, safetensors writes the order anew each time."""


class DamagedFileError(InputError):
    """A file that is not what `save_checksummed` wrote; the message names it and says how that shows."""


def save_checksummed(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write `tensors`, which share no memory, and `metadata`; the file is whole or absent, and the same for the same
    content."""
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    entry = {"metadata": dict(metadata or {}), "sha256": _checksum(kept, metadata or {})}
    with written_whole(path) as temporary:
        save_file(kept, temporary, metadata={_ENTRY: json.dumps(entry, sort_keys=True)})


def load_checksummed(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors, on the CPU, and the metadata that `save_checksummed` wrote.

    Raises FileNotFoundError when there is no file, and DamagedFileError when it was not written by `save_checksummed`,
    or a bit of it has changed since.
    """
    try:
        with safe_open(path, framework="pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 (it is no dict)
            entry = json.loads((stream.metadata() or {})[_ENTRY])
        metadata, expected = entry["metadata"], entry["sha256"]
        found = _checksum(tensors, metadata)
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise DamagedFileError(f"{path} is damaged ({type(error).__name__}: {error})") from error
    if found != expected:
        raise DamagedFileError(f"{path} is damaged (its checksum is {found[:12]}, not {expected[:12]})")
    return tensors, metadata


def _checksum(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256, in hexadecimal, of names, dtypes, shapes, bytes and metadata."""
    names = sorted(tensors)
    described = [[name, str(tensors[name].dtype), list(tensors[name].shape)] for name in names]
    hashed = hashlib.sha256(json.dumps([described, dict(metadata)], sort_keys=True).encode())
    for name in names:
        hashed.update(tensors[name].reshape(-1).view(torch.uint8).numpy())
    return hashed.hexdigest()
