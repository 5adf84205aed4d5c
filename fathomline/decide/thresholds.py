"""Thresholds for climbing the tree, fitted to ROIs whose truth is known."""

from dataclasses import dataclass

import numpy as np

from fathomline.decide.decode import ROUNDING, Decoder, first_passing
from fathomline.taxonomy.ranks import RANKS

MOST_ROUNDS = 20

CLOSE = 1e-8
"""Masses nearer to each other than this differ by rounding only: no threshold is put between them."""


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
        masses=np.minimum(masses, 1.0),
        depths=np.where(nodes >= 0, decoder.threshold_depths[nodes], -1),
        distances=distances[truth_rows[:, None], nodes].astype(np.int64),
    )


def _best_threshold(climbs: _Climbs, thresholds: np.ndarray, depth: int) -> float:
    """The threshold of one rank that is best while the others stand; the present one where none is better."""
    others = np.where(np.arange(len(RANKS)) == depth, np.inf, thresholds)
    ends = first_passing(climbs.masses, others[climbs.depths], climbs.depths >= 0)
    # Only who comes by at this rank and would go on has a choice: to stay there, or to end where the others say.
    here = (climbs.depths == depth) & (np.arange(climbs.depths.shape[1]) < ends[:, None])
    rows, steps = np.nonzero(here)
    if len(rows) == 0:
        return float(thresholds[depth])
    masses = climbs.masses[rows, steps]
    saved = climbs.distances[rows, ends[rows]] - climbs.distances[rows, steps]
    # A subspecies and its species are held to one threshold: it stops at the species when only that one reaches it.
    again = np.append(False, rows[1:] == rows[:-1])
    passed = np.where(again, np.append(0.0, masses[:-1]), 0.0)
    distinct = np.unique(masses)
    # Thresholds halfway between two neighbouring masses, ascending, and one above them all.
    edges = np.concatenate([[0.0], distinct, [1.0]])
    options = (edges[1:] + edges[:-1]) / 2
    stays, leaves = (np.bincount(np.searchsorted(edges, at), saved, len(edges)) for at in (masses, passed))
    gains = np.cumsum((stays - leaves)[:0:-1])[::-1]
    gains[np.diff(edges) < CLOSE] = -np.inf
    best = gains.argmax()
    staying = (masses >= thresholds[depth] - ROUNDING) & (passed < thresholds[depth] - ROUNDING)
    return float(options[best]) if gains[best] > saved[staying].sum() else float(thresholds[depth])
