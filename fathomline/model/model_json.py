"""model.json: everything about a trained classifier except its weights. The bundle stage reads it without torch."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Interval, MinLen
from pydantic import ConfigDict

from fathomline.config import section
from fathomline.errors import InputError, listing
from fathomline.files import write_sealed_json
from fathomline.records import read_sealed_record
from fathomline.rois.preprocessing import Preprocessing
from fathomline.taxonomy.tree import Taxonomy

FORMAT = 1
REMEDY = "run `dvc repro --force train` to train again"

Deviation = Annotated[float, Gt(0)]


@dataclass(frozen=True)
class Architecture:
    """Everything needed to rebuild a classifier, except its weights."""

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    backbone: Annotated[str, MinLen(1)]
    backbone_options: dict[str, str | int | float | bool]
    image_size: Annotated[int, Interval(ge=16, le=1024)]
    views: Annotated[int, Ge(1)]
    fusion: Literal["concat", "attention"]
    separate_backbones: bool
    classes: Annotated[int, Ge(1)]
    mean: tuple[float, float, float]
    std: tuple[Deviation, Deviation, Deviation]


@section
class ModelDescription:
    """The content of model.json."""

    format: Literal[1]
    architecture: Architecture
    preprocessing: Preprocessing
    """How the training ROIs were cut."""
    precision: Literal["bf16", "fp32"]
    """Precision on CUDA in training and validation."""
    classes: tuple[str, ...]
    """Concepts in the order of the logits."""
    taxonomy_hash: str
    held_out: str
    """`held_out_digest` of the ROIs that it was not trained on."""
    weights_sha256: str
    """Of model.safetensors."""

    def __post_init__(self) -> None:
        if not len(set(self.classes)) == len(self.classes) == self.architecture.classes:
            raise ValueError(
                f"`classes` has {len(self.classes)} name(s), {len(set(self.classes))} of them distinct; expected "
                f"{self.architecture.classes} distinct names, as in `architecture`"
            )
        check_fit(self.preprocessing, self.architecture)


def check_fit(preprocessing: Preprocessing, architecture: Architecture) -> None:
    """Raise ValueError if the preprocessing does not give the views that the classifier expects."""
    if len(preprocessing.views) != architecture.views:
        raise ValueError(
            f"`preprocessing` has {len(preprocessing.views)} view(s); expected {architecture.views}, as in "
            "`architecture`"
        )
    if architecture.image_size > preprocessing.size:
        raise ValueError(
            f"`architecture` expects views of {architecture.image_size} px, but `preprocessing` gives only "
            f"{preprocessing.size} px"
        )


def held_out_digest(annotation_ids: np.ndarray) -> str:
    """SHA-256, in hexadecimal, of the ids of the held-out ROIs; their order does not matter."""
    return hashlib.sha256(np.sort(annotation_ids.astype(np.int64)).tobytes()).hexdigest()


def write_model_json(description: Mapping[str, object], path: Path) -> None:
    """Write model.json; `description` holds everything but `format`.

    The file is sealed with a checksum: swapped classes would cause wrong predictions without an error.
    """
    content = {"format": FORMAT} | {
        key: asdict(value) if isinstance(value, Architecture | Preprocessing) else value
        for key, value in description.items()
    }
    write_sealed_json(content, path)


def read_model_json(path: Path, taxonomy: Taxonomy) -> ModelDescription:
    """Read model.json.

    Raises InputError if it is not what `write_model_json` wrote, or if the model was trained with another taxonomy.
    """
    description = read_sealed_record(path, ModelDescription, REMEDY)
    if description.taxonomy_hash != taxonomy.hash:
        raise InputError(
            f"{path}: trained with taxonomy {description.taxonomy_hash[:12]}, but the current one is "
            f"{taxonomy.hash[:12]}; run `dvc repro` to train with the current one"
        )
    unknown = sorted(set(description.classes) - set(taxonomy.concepts))
    if unknown:
        raise InputError(f"{path}: `classes` has {listing(unknown)}, not in the taxonomy; {REMEDY}")
    return description
