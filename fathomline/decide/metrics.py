"""Figures of merit: intervals of the MHD, accuracy, calibration error and confusion by rank."""

import math

import numpy as np
import pandas as pd

from fathomline.taxonomy.ranks import RANKS, Rank
from fathomline.taxonomy.tree import Taxonomy

BOOTSTRAP_SAMPLES = 2000
CALIBRATION_BINS = 15
_DRAWS_PER_BLOCK = 2_000_000


def bootstrap_interval(values: np.ndarray, groups: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """A 95 % percentile bootstrap interval of the mean of `values`.

    Groups are resampled, not ROIs: the ROIs of a frame are not independent.

    Args: values (rois,); groups (rois,), for example the frame of each row.
    Returns: low and high; NaN for a single group, which has no interval.
    """
    _, indices = np.unique(np.asarray(groups), return_inverse=True)
    sums, sizes = np.bincount(indices, weights=values), np.bincount(indices)
    if len(sizes) < 2:
        return math.nan, math.nan
    generator = np.random.default_rng(seed)
    means: list[np.ndarray] = []
    # In blocks: 2,000 samples of thousands of frames would take hundreds of megabytes.
    step = max(1, _DRAWS_PER_BLOCK // len(sizes))
    for start in range(0, BOOTSTRAP_SAMPLES, step):
        draws = generator.integers(len(sizes), size=(min(step, BOOTSTRAP_SAMPLES - start), len(sizes)))
        means.append(sums[draws].sum(axis=1) / sizes[draws].sum(axis=1))
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return float(low), float(high)


def accuracy_at_ranks(taxonomy: Taxonomy, truth: np.ndarray, prediction: np.ndarray) -> dict[Rank, float | None]:
    """For each rank, the share of ROIs predicted correctly, among those whose truth is known to that rank.

    A prediction that stops above the rank counts as wrong. None if no truth is known to the rank.
    """
    truths, predictions = taxonomy.ranked_ancestors[truth], taxonomy.ranked_ancestors[prediction]
    accuracy: dict[Rank, float | None] = {}
    for rank in RANKS:
        known = truths[:, rank.depth] >= 0
        right = truths[known, rank.depth] == predictions[known, rank.depth]
        accuracy[rank] = float(right.mean()) if known.any() else None
    return accuracy


def calibration_bins(confidence: np.ndarray) -> np.ndarray:
    """(rois,) int64, from 0 to 14, which of 15 bins of equal width each confidence falls into."""
    return np.clip((confidence * CALIBRATION_BINS).astype(np.int64), 0, CALIBRATION_BINS - 1)


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Mean gap between confidence and the share of correct answers (Naeini et al., AAAI 2015).

    The mean is over 15 bins of equal width, weighted by their counts. 0 is perfect, 1 is worst.

    Args: confidence (rois,), 0 to 1; right (rois,) bool; at least one row.
    """
    gaps = np.bincount(calibration_bins(confidence), weights=right - confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(right))


def calibration_error_at_ranks(
    taxonomy: Taxonomy, truth: np.ndarray, prediction: np.ndarray, masses: np.ndarray
) -> dict[Rank, float | None]:
    """The expected calibration error of the answers' taxa at each rank.

    A taxon is correct if it is the truth or an ancestor of the truth. ROIs whose answer stops above the rank do not
    count. None if no answer reaches the rank.

    Args: truth and prediction (rois,) nodes; masses (rois, 7), the probability of the answer's taxon at each rank.
    """
    truths, predictions = taxonomy.ranked_ancestors[truth], taxonomy.ranked_ancestors[prediction]
    errors: dict[Rank, float | None] = {}
    for rank in RANKS:
        reached = predictions[:, rank.depth] >= 0
        right = truths[reached, rank.depth] == predictions[reached, rank.depth]
        confidence = masses[reached, rank.depth]
        errors[rank] = expected_calibration_error(confidence, right) if reached.any() else None
    return errors


def meeting_ranks(taxonomy: Taxonomy, truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """The lowest rank at which each answer and its truth have the same taxon.

    Args: truth and prediction (rois,) nodes.
    Returns: (rois,) int64, the depth of that rank, 0 for kingdom to 6 for species; -1 if even the kingdoms differ. A
        correct answer meets its truth at its own lowest rank.
    """
    truths, predictions = taxonomy.ranked_ancestors[truth], taxonomy.ranked_ancestors[prediction]
    shared = (truths == predictions) & (truths >= 0)
    return np.where(shared.any(axis=1), len(RANKS) - 1 - shared[:, ::-1].argmax(axis=1), -1)


def confusion(taxonomy: Taxonomy, truth: np.ndarray, prediction: np.ndarray, rank: Rank) -> pd.DataFrame:
    """Truth and prediction of each ROI at `rank`, one row per ROI.

    A taxon that stops above the rank is listed under its own name with a mark, such as `Porifera (no class)`.

    Args: truth and prediction (rois,) nodes.
    Returns: truth and prediction, readable labels; truth_node and prediction_node, their indices into
        `taxonomy.nodes`. No two nodes share a label.
    """
    ancestors, labels = taxonomy.ranked_ancestors[:, rank.depth], _labels_at(taxonomy, rank)
    at_rank = np.where(ancestors >= 0, ancestors, np.arange(len(ancestors)))
    table = pd.DataFrame({"truth_node": at_rank[truth], "prediction_node": at_rank[prediction]})
    return table.assign(
        truth=[labels[node] for node in table["truth_node"]],
        prediction=[labels[node] for node in table["prediction_node"]],
    )[["truth", "prediction", "truth_node", "prediction_node"]]


def _labels_at(taxonomy: Taxonomy, rank: Rank) -> list[str]:
    """Each node's name, marked if it stops above `rank`, in the order of the nodes.

    Another taxon may itself be named `Porifera (no class)`: a label that is already in use gets a number.
    """
    labels = [node.name for node in taxonomy.nodes]
    taken = set(labels)
    for node in np.flatnonzero(taxonomy.ranked_ancestors[:, rank.depth] < 0):
        name, number = labels[node], 1
        label = f"{name} (no {rank})"
        while label in taken:
            number += 1
            label = f"{name} (no {rank}, {number})"
        labels[node] = label
        taken.add(label)
    return labels


def best_constant(taxonomy: Taxonomy, truth: np.ndarray, candidates: np.ndarray) -> tuple[int, float]:
    """The candidate with the lowest MHD when it is the answer for every ROI, and that MHD: the baseline to beat.

    Args: truth (rois,) and candidates (candidates,), indices into `taxonomy.nodes`.
    """
    nodes, counts = np.unique(truth, return_counts=True)
    means = taxonomy.distances(candidates, nodes) @ counts / counts.sum()
    return int(candidates[means.argmin()]), float(means.min())
