"""Predictions averaged over orientations, and over the models of several folds."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import log_softmax, logsumexp

from fathomline.decide.calibrate import probabilities
from fathomline.model.orientations import ORIENTATION_SETS


def averaged(logits: np.ndarray) -> np.ndarray:
    """The logarithm of the mean probability over orientations.

    Args: logits (orientations, rois, classes).
    Returns: (rois, classes) float32, logarithms of probabilities, which are logits, too.
    """
    scores = log_softmax(logits.astype(np.float64), axis=-1)
    return (logsumexp(scores, axis=0) - np.log(len(scores))).astype(np.float32)


def averaged_by_set(logits: np.ndarray, stored: Sequence[str]) -> dict[str, np.ndarray]:
    """Predictions averaged over each set of orientations that is stored whole.

    Args: logits (orientations, rois, classes) in the order of `stored`, names of orientations.
    Returns: by the name of the set, the smallest first, (rois, classes) float32.
    """
    places = {name: place for place, name in enumerate(stored)}
    return {
        name: averaged(logits[[places[orientation] for orientation in orientations]])
        for name, orientations in ORIENTATION_SETS.items()
        if places.keys() >= set(orientations)
    }


def ensemble_probabilities(logits: Mapping[int | str, np.ndarray], temperature: float) -> np.ndarray:
    """Calibrated probabilities, averaged over the models of several folds.

    Args: logits by model, (orientations, rois, classes); temperature, that of a single model. Where models disagree,
        their mean is less sure than each of them, and a little less than it should be.
    Returns: (rois, classes) float64.
    """
    return np.mean([probabilities(averaged(of_fold), temperature) for of_fold in logits.values()], axis=0)
