"""One temperature that makes probabilities mean what they say."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

CROSS_FITTING_PARTS = 5


def probabilities(logits: np.ndarray, temperature: float | np.ndarray = 1.0) -> np.ndarray:
    """Class probabilities, softmax(logits / temperature).

    Args: logits (rois, classes); temperature, above 0, for all rows or (rois,) one each.
    Returns: (rois, classes) float64, each row sums to 1.
    """
    return softmax(np.asarray(logits, dtype=np.float64) / np.reshape(temperature, (-1, 1)), axis=1)


def negative_log_likelihood(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> float:
    """Mean over rows of −log softmax(logits / temperature)[label], in nats. logits (rois, classes), labels (rois,)."""
    scores = log_softmax(np.asarray(logits, dtype=np.float64) / temperature, axis=1)
    return float(-scores[np.arange(len(labels)), labels].mean())


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature between 0.05 and 20 with the least negative log-likelihood (Guo et al., ICML 2017).

    Never worse than leaving the logits as they are: 1.0 where nothing better is found, or where there are no rows.
    """
    if len(labels) == 0:
        return 1.0
    found = minimize_scalar(
        lambda logarithm: negative_log_likelihood(logits, labels, np.exp(logarithm)),
        bounds=(np.log(0.05), np.log(20.0)),
        method="bounded",
        options={"xatol": 1e-4},
    )
    if found.fun >= negative_log_likelihood(logits, labels):
        return 1.0
    return float(np.exp(found.x))


def cross_fitted_temperatures(logits: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """A temperature for each row, fitted on rows of other groups, so that a fold may report on itself.

    Groups are dealt in sorted order to five parts (fewer where there are fewer groups); each part's temperature
    comes from the rest. With a single group there is no rest, and the temperature is 1.

    Args: logits (rois, classes), labels (rois,), groups (rois,), for example the frame of each row.
    Returns: (rois,) float64.
    """
    _, group_indices = np.unique(np.asarray(groups), return_inverse=True)
    parts = group_indices % CROSS_FITTING_PARTS
    temperatures = np.ones(len(labels))
    for part in np.unique(parts):
        temperatures[parts == part] = fit_temperature(logits[parts != part], labels[parts != part])
    return temperatures
