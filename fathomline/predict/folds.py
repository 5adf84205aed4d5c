"""Compute logits with the models of several folds, for held-out or for new ROIs. Interrupted predictions resume."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import timm
import torch

from fathomline.errors import InputError, listing
from fathomline.files import code_of
from fathomline.model.checkpoint import Model, load_model
from fathomline.model.checksummed import DamagedFileError, load_checksummed, save_checksummed
from fathomline.model.degrade import degraded_scale, view_spans
from fathomline.model.device import best_device, prepare_device
from fathomline.model.inference import predict_logits
from fathomline.model.model_json import held_out_digest
from fathomline.predict.logits import EnsembleLogits, HeldOutLogits
from fathomline.progress import progress, warning
from fathomline.rois.crops import Crops, fold_rows
from fathomline.taxonomy.tree import Taxonomy

CHUNK = 512
"""ROIs per chunk: at most these are predicted again after an interruption."""


class Chunks:
    """Finished chunks of logits on disk, so that an interrupted prediction can resume."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._used: set[Path] = set()

    def file(self, key: str, start: int) -> Path:
        """Return the file for the chunk that begins at row `start` of the prediction with the hash `key`."""
        self._used.add(self._folder / key)
        return self._folder / key / f"{start:08d}.safetensors"

    def remove(self) -> None:
        """Remove the chunks of this prediction. Call this once its logits are written."""
        for folder in self._used:
            shutil.rmtree(folder, ignore_errors=True)  # a concurrent prediction may have removed them already


def held_out_logits(
    models: Path,
    folds: Sequence[int],
    crops: Crops,
    split: pd.DataFrame,
    taxonomy: Taxonomy,
    transforms: Sequence[str],
    degraded_size: float | None = None,
    chunks: Chunks | None = None,
) -> HeldOutLogits:
    """Compute the logits of each fold's model for the ROIs of that fold only.

    Args:
        models: folder of fold-0, fold-1 …
        split: as `read_split` returns it.
        transforms: names of orientations.
        degraded_size: as `train.validation.degraded_size`, in pixels; None for no degraded view.
        chunks: where to store finished chunks and find those of an interrupted call; None to store none.
    Raises InputError when a model is damaged, has another taxonomy, classes or preprocessing, or was trained with
        another split.
    """
    views: dict[str, np.ndarray | None] = {"plain": None}
    if degraded_size is not None:
        views["degraded"] = view_spans(crops) * degraded_scale(crops, degraded_size)
    logits, rows, of_fold = [], [], []
    for fold, model in _models(models, folds, taxonomy, crops):
        held_out = fold_rows(crops.annotations, split, fold)[1]
        _require_same_split(model, crops, held_out, models / f"fold-{fold}")
        of_views = [
            _predict(model, crops, held_out, transforms, remaining, chunks, label=f"fold {fold}, {view}")
            for view, remaining in views.items()
        ]
        logits.append(np.stack(of_views, axis=1))
        rows.append(held_out)
        of_fold.append(np.full(len(held_out), fold, dtype=np.int64))
    chosen = np.concatenate(rows)
    return HeldOutLogits(
        logits=np.concatenate(logits, axis=2),
        transforms=tuple(transforms),
        views=tuple(views),
        annotation_ids=crops.annotations["annotation_id"].to_numpy()[chosen],
        folds=np.concatenate(of_fold),
        classes=model.classes,
        taxonomy_hash=taxonomy.hash,
    )


def ensemble_logits(
    models: Path,
    folds: Sequence[int],
    crops: Crops,
    taxonomy: Taxonomy,
    transforms: Sequence[str],
    chunks: Chunks | None = None,
) -> EnsembleLogits:
    """Compute the logits of every fold's model for all `crops`, which may be none.

    Arguments and errors are those of `held_out_logits`.
    """
    rows = np.arange(len(crops.annotations))
    logits = []
    for fold, model in _models(models, folds, taxonomy, crops):
        logits.append(_predict(model, crops, rows, transforms, None, chunks, label=f"fold {fold}"))
    return EnsembleLogits(
        logits=np.stack(logits),
        folds=tuple(folds),
        transforms=tuple(transforms),
        annotation_ids=crops.annotations["annotation_id"].to_numpy(dtype=np.int64),  # without rows, it has no type
        classes=model.classes,
        taxonomy_hash=taxonomy.hash,
    )


def _models(models: Path, folds: Sequence[int], taxonomy: Taxonomy, crops: Crops) -> Iterator[tuple[int, Model]]:
    strays = sorted({path.name for path in models.glob("fold-*")} - {f"fold-{fold}" for fold in folds})
    if strays:
        warning(f"{models}: {listing(strays)} belong to folds that are not in split.held_out; ignored")
    classes = None
    for fold in folds:
        folder = models / f"fold-{fold}"
        model = load_model(folder, taxonomy)
        if classes not in (None, model.classes):
            raise InputError(f"{folder}: its classes differ from the other folds'; run `dvc repro --force train`")
        if model.preprocessing != crops.preprocessing:
            raise InputError(
                f"{folder}: trained on crops cut with {model.preprocessing}, but these with {crops.preprocessing}; run "
                "`dvc repro` so that both follow the `crop` section of params.yaml"
            )
        classes = model.classes
        device = best_device()
        prepare_device(device)
        model.classifier.to(device).to(memory_format=torch.channels_last)
        yield fold, model


def _require_same_split(model: Model, crops: Crops, held_out: np.ndarray, folder: Path) -> None:
    if model.held_out != held_out_digest(crops.annotations["annotation_id"].to_numpy()[held_out]):
        raise InputError(
            f"{folder}/model.json: trained with another split than split.csv, so it may have been trained on ROIs "
            "that are now held out; run `dvc repro --force train`"
        )


def _predict(
    model: Model,
    crops: Crops,
    rows: np.ndarray,
    transforms: Sequence[str],
    remaining: np.ndarray | None,
    chunks: Chunks | None,
    label: str,
) -> np.ndarray:
    """Predict `rows` in chunks: (transforms, rows, classes) float32 logits."""
    key = _key(model, crops, rows, transforms, remaining)
    parts = [np.zeros((len(transforms), 0, len(model.classes)), dtype=np.float32)]
    for start in progress(range(0, len(rows), CHUNK), label=f"predict {label}", unit=f"{CHUNK} ROIs"):
        path = chunks.file(key, start) if chunks else None
        part = _read_chunk(path) if path else None
        if part is None:
            part = predict_logits(
                model.classifier,
                crops.pixels,
                rows[start : start + CHUNK],
                model.architecture.image_size,
                orientations=transforms,
                remaining=remaining,
                precision=model.precision,
            )
            if path:
                save_checksummed({"logits": torch.from_numpy(part)}, path)
        parts.append(part)
    return np.concatenate(parts, axis=1)


def _read_chunk(path: Path) -> np.ndarray | None:
    """None if the chunk is missing or damaged, so that it is predicted again."""
    try:
        return load_checksummed(path)[0]["logits"].numpy()
    except FileNotFoundError:
        return None
    except DamagedFileError as error:
        warning(f"{error}; predicting these ROIs again")
        return None


def _key(model: Model, crops: Crops, rows: np.ndarray, transforms: Sequence[str], remaining: np.ndarray | None) -> str:
    """A hash of everything that the logits depend on, including code and device."""
    versions = [torch.__version__, timm.__version__, best_device().type]
    hashed = hashlib.sha256(
        json.dumps([model.weights_sha256, crops.digest, list(transforms), CHUNK, versions]).encode()
    )
    hashed.update(repr((model.architecture, model.precision)).encode())
    hashed.update(code_of("model/*.py"))
    hashed.update(rows.tobytes())
    hashed.update(b"plain" if remaining is None else np.ascontiguousarray(remaining).tobytes())
    return hashed.hexdigest()
