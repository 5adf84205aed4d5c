"""Save and load a trained classifier: safetensors for the weights, model.json for the rest, and no pickle."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from fathomline.errors import InputError, listing
from fathomline.files import written_whole
from fathomline.model.backbone import build
from fathomline.model.classifier import Classifier
from fathomline.model.model_json import REMEDY, Architecture, read_model_json, write_model_json
from fathomline.rois.preprocessing import Preprocessing
from fathomline.taxonomy.tree import Taxonomy


@dataclass(frozen=True)
class Model:
    """A classifier and the meaning of its inputs and outputs; `ModelDescription` documents the fields."""

    classifier: Classifier
    architecture: Architecture
    preprocessing: Preprocessing
    precision: Literal["bf16", "fp32"]
    classes: tuple[str, ...]
    taxonomy_hash: str
    held_out: str
    weights_sha256: str = ""
    """Of model.safetensors; empty until the model is saved."""


def save_model(model: Model, folder: Path) -> None:
    """Write model.safetensors and model.json to `folder`."""
    description = {
        "architecture": model.architecture,
        "preprocessing": model.preprocessing,
        "precision": model.precision,
        "classes": list(model.classes),
        "taxonomy_hash": model.taxonomy_hash,
        "held_out": model.held_out,
        "weights_sha256": save_weights(model.classifier.state_dict(), folder / "model.safetensors"),
    }
    write_model_json(description, folder / "model.json")


def load_model(folder: Path, taxonomy: Taxonomy) -> Model:
    """Read what `save_model` wrote, on the CPU.

    Raises InputError if a file is missing or damaged, if the two do not belong together, if a weight is not finite, or
    if the model was trained with another taxonomy.
    """
    description = read_model_json(folder / "model.json", taxonomy)
    classifier = rebuilt(description.architecture, folder / "model.json", REMEDY)
    load_weights(classifier, folder / "model.safetensors", description.weights_sha256, REMEDY)
    return Model(
        classifier,
        description.architecture,
        description.preprocessing,
        description.precision,
        description.classes,
        description.taxonomy_hash,
        description.held_out,
        description.weights_sha256,
    )


def rebuilt(architecture: Architecture, path: Path, remedy: str) -> Classifier:
    """A classifier with random weights.

    Raises InputError, naming `path`, the file that holds the architecture, and `remedy`, if it cannot be built.
    """
    try:
        return build(architecture)
    except InputError as error:
        raise InputError(f"{path}: {error}; {remedy}") from None


def save_weights(weights: Mapping[str, Tensor], path: Path, dtype: torch.dtype | None = None) -> str:
    """Write weights to a safetensors file, with floating-point ones rounded to `dtype` (None: as they are).

    Returns: the file's SHA-256, in hexadecimal.
    """
    tensors = {name: _rounded(tensor, dtype).cpu().contiguous() for name, tensor in weights.items()}
    with written_whole(path) as temporary:
        save_file(tensors, temporary)
        with open(temporary, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


def _rounded(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    tensor = tensor.detach()
    return tensor.to(dtype) if dtype is not None and tensor.is_floating_point() else tensor


def load_weights(classifier: Classifier, path: Path, sha256: str, remedy: str) -> None:
    """Load what `save_weights` wrote into `classifier`, as float32.

    Raises InputError, which ends with `remedy`, if the file is missing or damaged, if it belongs to another classifier,
    or if a weight is not finite.
    """
    try:
        body = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}; {remedy}") from None
    if hashlib.sha256(body).hexdigest() != sha256:
        raise InputError(f"{path}: damaged, or from another training: its SHA-256 is not the recorded one; {remedy}")
    try:
        weights = load(body)
        classifier.load_state_dict(weights)
    except (SafetensorError, RuntimeError) as error:
        raise InputError(f"{path}: {str(error).splitlines()[0]}; {remedy}") from None
    broken = [name for name, tensor in weights.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise InputError(f"{path}: {len(broken)} weight(s) are not finite: {listing(broken, 3)}; {remedy}")
