"""Average predictions over orientations and over the models of several folds."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import log_softmax, logsumexp

from fathomline.decide.calibrate import probabilities
from fathomline.model.orientations import ORIENTATION_SETS


def averaged(logits: np.ndarray) -> np.ndarray:
    """The logarithm of the mean probability over orientations.

    Args: logits (orientations, rois, classes).
    Returns: (rois, classes) float32. Logarithms of probabilities are valid logits.
    """
    log_probabilities = log_softmax(logits.astype(np.float64), axis=-1)
    return (logsumexp(log_probabilities, axis=0) - np.log(len(log_probabilities))).astype(np.float32)


def averaged_by_set(logits: np.ndarray, stored: Sequence[str]) -> dict[str, np.ndarray]:
    """Predictions averaged over each set of orientations whose members are all stored.

    Args: logits (orientations, rois, classes); stored, the names of the orientations in the same order.
    Returns: by the name of the set, smallest set first: (rois, classes) float32 logits.
    """
    index = {name: position for position, name in enumerate(stored)}
    return {
        name: averaged(logits[[index[orientation] for orientation in orientations]])
        for name, orientations in ORIENTATION_SETS.items()
        if index.keys() >= set(orientations)
    }


def ensemble_probabilities(
    logits: Mapping[int, np.ndarray] | Mapping[str, np.ndarray], temperature: float
) -> np.ndarray:
    """Calibrated probabilities, averaged over the models of several folds.

    Where models disagree, their mean is less confident than each of them, and slightly underconfident.

    Args: logits by model, (orientations, rois, classes); temperature, fitted for a single model.
    Returns: (rois, classes) float64.
    """
    return np.mean([probabilities(averaged(of_model), temperature) for of_model in logits.values()], axis=0)
