"""How far predictions are from the truth, and how sure we are of that figure."""

import numpy as np
import pandas as pd

from fathomline.taxonomy.ranks import RANKS, Rank
from fathomline.taxonomy.tree import Taxonomy

BOOTSTRAP_SAMPLES = 2000
CALIBRATION_BINS = 15


def row_distances(taxonomy: Taxonomy, truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Distance of each prediction from its truth.

    Args: truth and prediction (rois,) indices into `taxonomy.nodes`.
    Returns: (rois,) int64, in edges. Their mean is the mean hierarchical distance (MHD).
    """
    pairs, places = np.unique(np.stack([truth, prediction], axis=1), axis=0, return_inverse=True)
    left, left_places = np.unique(pairs[:, 0], return_inverse=True)
    right, right_places = np.unique(pairs[:, 1], return_inverse=True)
    between = taxonomy.distances(left, right)[left_places, right_places]
    return between[places.reshape(-1)].astype(np.int64)


def bootstrap_interval(values: np.ndarray, groups: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """A 95 % percentile interval of the mean of `values`, resampling whole groups (ROIs of a frame are not
    independent).

    Args: values (rois,), groups (rois,), for example the frame of each row.
    """
    _, indices = np.unique(np.asarray(groups), return_inverse=True)
    sums, sizes = np.bincount(indices, weights=values), np.bincount(indices)
    draws = np.random.default_rng(seed).integers(len(sizes), size=(BOOTSTRAP_SAMPLES, len(sizes)))
    means = sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def accuracy_at_ranks(taxonomy: Taxonomy, truth: np.ndarray, prediction: np.ndarray) -> dict[Rank, float | None]:
    """For each rank, the share of ROIs predicted right there, among those whose truth is known to that rank.

    A prediction that stops above the rank counts as wrong. None where no truth is known to the rank.
    """
    truths, predictions = taxonomy.ranked_ancestors[truth], taxonomy.ranked_ancestors[prediction]
    accuracy: dict[Rank, float | None] = {}
    for rank in RANKS:
        known = truths[:, rank.depth] >= 0
        right = truths[known, rank.depth] == predictions[known, rank.depth]
        accuracy[rank] = float(right.mean()) if known.any() else None
    return accuracy


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean gap between confidence and accuracy of the most probable class, over 15 bins of equal width weighted by
    their counts (Naeini et al., AAAI 2015). 0 is perfect, 1 is worst.

    Args: probabilities (rois, classes), labels (rois,) column indices.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(labels))


def confusion(taxonomy: Taxonomy, truth: np.ndarray, prediction: np.ndarray, rank: Rank) -> pd.DataFrame:
    """Predictions against truths as names at `rank`, one row an ROI, columns `truth` and `prediction`.

    A taxon that stops above the rank stands under its own name, marked as such, so that no row is lost.
    """

    def names(nodes: np.ndarray) -> list[str]:
        ancestors = taxonomy.ranked_ancestors[nodes, rank.depth]
        return [
            taxonomy.nodes[ancestor].name if ancestor >= 0 else f"{taxonomy.nodes[node].name} (no {rank})"
            for node, ancestor in zip(nodes, ancestors, strict=True)
        ]

    return pd.DataFrame({"truth": names(truth), "prediction": names(prediction)})
