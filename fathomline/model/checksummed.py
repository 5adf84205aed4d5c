"""Tensors in a safetensors file with a checksum, so that a damaged file is detected."""

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
"""The only entry in the file's metadata: safetensors would write several in random order."""


class DamagedFileError(InputError):
    """A file that is not what `save_checksummed` wrote; the message names the file and the cause."""


def save_checksummed(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write `tensors`, which must not share memory, and `metadata`.

    The file is written completely or not at all; the same content gives the same bytes.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    entry = {"metadata": dict(metadata or {}), "sha256": _checksum(contiguous, metadata or {})}
    with written_whole(path) as temporary:
        save_file(contiguous, temporary, metadata={_ENTRY: json.dumps(entry, sort_keys=True)})


def load_checksummed(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors, on the CPU, and the metadata that `save_checksummed` wrote.

    Raises FileNotFoundError if there is no file, and DamagedFileError if `save_checksummed` did not write it or it has
    changed since.
    """
    try:
        with safe_open(path, framework="pt") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 (not a dict)
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
    """SHA-256, in hexadecimal, of the tensors' names, dtypes, shapes and bytes and of the metadata."""
    names = sorted(tensors)
    described = [[name, str(tensors[name].dtype), list(tensors[name].shape)] for name in names]
    hashed = hashlib.sha256(json.dumps([described, dict(metadata)], sort_keys=True).encode())
    for name in names:
        hashed.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return hashed.hexdigest()
