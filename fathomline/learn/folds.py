"""Predictions of several folds' models: each on what it held out, or all together on new ROIs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import log_softmax, logsumexp

from fathomline.decide.calibrate import probabilities
from fathomline.errors import InputError, listing
from fathomline.learn.checkpoint import Model, load_model
from fathomline.learn.dataset import Crops, fold_rows
from fathomline.learn.device import best_device, prepare_device
from fathomline.model.degrade import degraded_scale, view_spans
from fathomline.model.inference import predict_logits
from fathomline.model.orientations import ORIENTATION_SETS
from fathomline.progress import progress, warning
from fathomline.taxonomy.tree import Taxonomy


@dataclass(frozen=True)
class HeldOut:
    """ROIs and the logits of the model that held them out."""

    logits: dict[str, np.ndarray]
    """By view, `plain` and, where it was asked for, `degraded`: (rois, classes) float32."""
    annotations: pd.DataFrame
    """One row an ROI, in the order of `logits`, with a column `fold`."""
    classes: tuple[str, ...]


def held_out_logits(
    models: Path,
    chosen: Sequence[int],
    crops: Crops,
    folds: pd.DataFrame,
    taxonomy: Taxonomy,
    orientations: Sequence[str] = ORIENTATION_SETS["none"],
    degraded_size: float | None = None,
) -> HeldOut:
    """Logits of each chosen fold's model on the ROIs of that fold, and of no other.

    Args: models, the folder of fold-0, fold-1 …; folds with annotation_id and fold; orientations as for
        `predict_logits`; degraded_size as `train.degraded_size`, for the degraded view.
    """
    logits, degraded, rows, of_fold = [], [], [], []
    remaining = None if degraded_size is None else view_spans(crops) * degraded_scale(crops, degraded_size)
    for fold, model in _models(models, chosen, taxonomy):
        held_out = fold_rows(crops.annotations, folds, fold)[1]
        logits.append(_predict(model, crops, held_out, orientations))
        if remaining is not None:
            degraded.append(_predict(model, crops, held_out, orientations, remaining))
        rows.append(held_out)
        of_fold.append(np.full(len(held_out), fold))
    annotations = crops.annotations.iloc[np.concatenate(rows)].reset_index(drop=True)
    annotations["fold"] = np.concatenate(of_fold)
    views = {"plain": np.concatenate(logits)} | ({"degraded": np.concatenate(degraded)} if degraded else {})
    return HeldOut(views, annotations, model.classes)


def averaged_probabilities(
    models: Path,
    chosen: Sequence[int],
    crops: Crops,
    taxonomy: Taxonomy,
    temperature: float,
    orientations: Sequence[str] = ORIENTATION_SETS["none"],
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Calibrated probabilities of all `crops`, averaged over the chosen folds' models, and the classes they are of.

    Args: temperature, of a single model's logits: where models disagree, their mean is less sure than each of them, and
        a little less than it should be; orientations as for `predict_logits`.
    Returns: (rois, classes) float64, and the names of the columns.
    """
    rows = np.arange(len(crops.annotations))
    every = []
    for _, model in _models(models, chosen, taxonomy):
        every.append(probabilities(_predict(model, crops, rows, orientations), temperature))
    return np.mean(every, axis=0), model.classes


def _models(models: Path, chosen: Sequence[int], taxonomy: Taxonomy):
    strays = sorted({path.name for path in models.glob("fold-*")} - {f"fold-{fold}" for fold in chosen})
    if strays:
        warning(f"{models}: {listing(strays)} are of folds that train.folds does not name; left aside, delete at will")
    classes = None
    for fold in progress(chosen, label="predict", unit="fold"):
        model = load_model(models / f"fold-{fold}", taxonomy)
        if classes not in (None, model.classes):
            raise InputError(f"{models}/fold-{fold}: its classes differ from the other folds'; train all folds anew")
        classes = model.classes
        yield fold, model


def _predict(
    model: Model, crops: Crops, rows: np.ndarray, orientations: Sequence[str], remaining: np.ndarray | None = None
) -> np.ndarray:
    """(rois, classes): logits, or for several orientations the logarithm of the mean probability over them."""
    if crops.pixels.shape[1] != model.architecture.views:
        raise InputError(
            f"pixels.npy has {crops.pixels.shape[1]} view(s) and the model takes {model.architecture.views}; "
            "run `dvc repro` so that both follow crop.views"
        )
    device = best_device()
    prepare_device(device)
    classifier = model.classifier.to(device, memory_format=torch.channels_last)
    logits = predict_logits(
        classifier, crops.pixels, rows, model.architecture.image_size, orientations=orientations, remaining=remaining
    )
    if len(orientations) == 1:
        return logits[0]
    return logsumexp(log_softmax(logits, axis=-1), axis=0) - np.log(len(orientations))
