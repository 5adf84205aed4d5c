"""Calibrate probabilities with one temperature, so that 0.8 is right 80 % of the time."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

TEMPERATURE_BOUNDS = (0.05, 20.0)


def probabilities(logits: np.ndarray, temperature: float | np.ndarray = 1.0) -> np.ndarray:
    """Class probabilities, softmax(logits / temperature).

    Args: logits (rois, classes); temperature, above 0, either one for all rows or (rois,).
    Returns: (rois, classes) float64; each row sums to 1.
    """
    return softmax(np.asarray(logits, dtype=np.float64) / np.reshape(temperature, (-1, 1)), axis=1)


def negative_log_likelihood(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> float:
    """Mean over rows of −log softmax(logits / temperature)[label], in nats. logits (rois, classes), labels (rois,)."""
    scores = log_softmax(np.asarray(logits, dtype=np.float64) / temperature, axis=1)
    return float(-scores[np.arange(len(labels)), labels].mean())


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature between 0.05 and 20 with the lowest negative log-likelihood (Guo et al., ICML 2017).

    The logarithm of the temperature has a standard normal prior, which weighs as much as one row. Without it, a few
    ROIs that are all classified correctly would drive the temperature to its lower bound. The likelihood is never worse
    than at 1.0, which is also the result if no temperature is better or if there are no rows.

    Args: logits (rois, classes); labels (rois,), column indices.
    """
    if len(labels) == 0:
        return 1.0

    def objective(logarithm: float) -> float:
        return negative_log_likelihood(logits, labels, np.exp(logarithm)) + logarithm**2 / (2 * len(labels))

    bounds = tuple(np.log(TEMPERATURE_BOUNDS))
    found = minimize_scalar(objective, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x)) if found.fun < objective(0.0) else 1.0
