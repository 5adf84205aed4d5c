"""Thresholds for climbing the tree, fitted to ROIs whose truth is known."""

from dataclasses import dataclass

import numpy as np

from fathomline.decide.decode import Decoder, first_passing
from fathomline.taxonomy.ranks import RANKS

MOST_ROUNDS = 20


@dataclass(frozen=True)
class _Climbs:
    """What each ROI meets on its way up from the most probable class; all (rois, steps), step 0 is the class."""

    masses: np.ndarray
    """float64"""
    depths: np.ndarray
    """int64, 0 to 6, of the rank whose threshold a step is held to; -1 past the last step."""
    distances: np.ndarray
    """int64, from the truth, in edges."""


def fit_thresholds(decoder: Decoder, probabilities: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """The thresholds under which `decoder.threshold` has a low MHD on these ROIs.

    Coordinate descent from `decoder.thresholds`: one rank after the other gets the threshold that is best while the
    others stand, exactly, until a round changes nothing. Hence never worse than the start on the ROIs themselves,
    though perhaps not the least of all. A rank that decides nothing keeps its threshold.

    Args: probabilities (rois, classes); truth (rois,) indices into the taxonomy's nodes.
    Returns: by rank, 0 to 1.
    """
    thresholds = np.array([decoder.thresholds[rank] for rank in RANKS], dtype=np.float64)
    climbs = _climb(decoder, probabilities, truth)
    for _ in range(MOST_ROUNDS):
        before = thresholds.copy()
        # From species up: who comes by at a rank depends on the ranks below it.
        for depth in reversed(range(len(RANKS))):
            thresholds[depth] = _best_threshold(climbs, thresholds, depth)
        if (thresholds == before).all():
            break
    return {str(rank): float(threshold) for rank, threshold in zip(RANKS, thresholds, strict=True)}


def _climb(decoder: Decoder, probabilities: np.ndarray, truth: np.ndarray) -> _Climbs:
    nodes, masses = decoder.climb(probabilities)
    truths, truth_rows = np.unique(truth, return_inverse=True)
    distances = decoder.taxonomy.distances(truths, np.arange(len(decoder.taxonomy.nodes)))
    return _Climbs(
        masses=masses,
        depths=np.where(nodes >= 0, decoder.threshold_depths[nodes], -1),
        distances=distances[truth_rows[:, None], nodes].astype(np.int64),
    )


def _best_threshold(climbs: _Climbs, thresholds: np.ndarray, depth: int) -> float:
    """The threshold of one rank that is best while the others stand; the present one where none is better."""
    others = np.where(np.arange(len(RANKS)) == depth, np.inf, thresholds)
    ends = first_passing(climbs.masses, others[climbs.depths], climbs.depths >= 0)
    here = climbs.depths == depth
    at = here.argmax(axis=1)
    # Only who comes by at this rank and would go on has a choice: to stay where it is, or to end where the others say.
    rows = np.flatnonzero(here.any(axis=1) & (at < ends))
    if len(rows) == 0:
        return float(thresholds[depth])
    masses = climbs.masses[rows, at[rows]]
    saved = climbs.distances[rows, ends[rows]] - climbs.distances[rows, at[rows]]
    distinct, places = np.unique(masses, return_inverse=True)
    # Thresholds halfway between two neighbouring masses, ascending, and one that nobody reaches.
    options = np.append((distinct + np.append(0.0, distinct[:-1])) / 2, (distinct[-1] + 1) / 2)
    gains = np.append(np.cumsum(np.bincount(places, weights=saved)[::-1])[::-1], 0.0)
    if options[-1] <= distinct[-1]:
        options, gains = options[:-1], gains[:-1]
    best = gains.argmax()
    better = gains[best] > saved[masses >= thresholds[depth]].sum()
    return float(min(options[best], 1.0)) if better else float(thresholds[depth])
