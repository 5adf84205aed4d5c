"""Round the weights of a bundle to 16 bits if the answers stay the same."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch

from fathomline.bundle.bundle import FoldModel, StoredWeights, copy_weights
from fathomline.decide.averaging import ensemble_probabilities
from fathomline.decide.decode import Decoder
from fathomline.decide.rule import DecisionRule
from fathomline.errors import InputError, listing
from fathomline.model.checkpoint import load_weights, rebuilt, save_weights
from fathomline.model.classifier import Classifier
from fathomline.model.device import best_device, prepare_device
from fathomline.model.inference import predict_logits
from fathomline.predict.logits import EnsembleLogits
from fathomline.progress import progress, warning
from fathomline.rois.crops import Crops
from fathomline.taxonomy.tree import Taxonomy

REMEDY = "run `dvc repro --force bundle`"


def store_rounded_weights(
    models: list[FoldModel],
    folder: Path,
    dtype: Literal["float16", "bfloat16"],
    crops: Crops,
    test: EnsembleLogits,
    taxonomy: Taxonomy,
    decision: DecisionRule,
) -> StoredWeights:
    """Write each fold's weights to `folder` as `dtype` if no answer for `crops` changes.

    Otherwise copy the weights unchanged, and warn with the number of answers that would change. Without a test subset,
    there is nothing to check the answers on, so the weights are copied, too.

    Args:
        crops: of the test subset.
        test: logits of the unrounded models for `crops`.
    Raises InputError when `test` belongs to other models or ROIs.
    """
    _refuse_other_logits(models, crops, test)
    if not len(crops.annotations):
        warning(f"bundle: weights stay float32: there is no test subset to check that {dtype} changes no answer")
        return copy_weights(models, folder)
    sha256, rounded = {}, {}
    for model in progress(models, label="round weights", unit="fold"):
        classifier = rebuilt(model.description.architecture, model.weights.parent / "model.json", REMEDY)
        load_weights(classifier, model.weights, model.description.weights_sha256, REMEDY)
        sha256[model.file] = save_weights(classifier.state_dict(), folder / model.file, getattr(torch, dtype))
        try:
            load_weights(classifier, folder / model.file, sha256[model.file], REMEDY)
        except ValueError as error:  # a weight beyond the range of float16 became infinite
            warning(f"bundle: weights stay float32: {error}")
            return copy_weights(models, folder)
        rounded[model.fold] = _logits(classifier, model, crops, decision)
    decoder = Decoder(taxonomy, test.classes, decision.candidates, decision.thresholds)
    before, after = (
        decoder.decode(decision.decoder, ensemble_probabilities(logits, decision.temperature))
        for logits in (test.by_fold(decision.transforms), rounded)
    )
    changed = int((before != after).sum())
    if changed:
        warning(f"bundle: weights stay float32: {changed} of {len(before)} answers would change with {dtype}")
        return copy_weights(models, folder)
    return StoredWeights(sha256, dtype)


def _logits(classifier: Classifier, model: FoldModel, crops: Crops, decision: DecisionRule) -> np.ndarray:
    """(orientations, rois, classes) float32"""
    device = best_device()
    prepare_device(device)
    return predict_logits(
        classifier.to(device).to(memory_format=torch.channels_last),
        crops.pixels,
        np.arange(len(crops.annotations)),
        model.description.architecture.image_size,
        orientations=decision.transforms,
        precision=model.description.precision,
    )


def _refuse_other_logits(models: list[FoldModel], crops: Crops, test: EnsembleLogits) -> None:
    folds = [model.fold for model in models]
    if set(test.folds) != set(folds):
        raise InputError(
            f"bundle: the logits of the test subset are from the folds {listing(test.folds)}, but split.held_out is "
            f"{listing(folds)}; run `dvc repro`"
        )
    if any(model.description.classes != test.classes for model in models):
        raise InputError("bundle: the classes of the test logits differ from those of the models; run `dvc repro`")
    if not np.array_equal(crops.annotations["annotation_id"].to_numpy(), test.annotation_ids):
        raise InputError("bundle: the ROIs of the test logits differ from those of the test crops; run `dvc repro`")
