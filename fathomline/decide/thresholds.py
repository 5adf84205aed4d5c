"""Fit the rank thresholds to ROIs whose truth is known."""

from dataclasses import dataclass

import numpy as np

from fathomline.decide.decode import ROUNDING, Decoder, first_passing
from fathomline.taxonomy.ranks import RANKS

MOST_ROUNDS = 20

CLOSE = 1e-8
"""Masses that differ by less than this differ only by rounding: no threshold is placed between them."""


@dataclass(frozen=True)
class _Climbs:
    """The steps of each ROI from its most probable class up to the kingdom; all arrays are (rois, steps)."""

    masses: np.ndarray
    """float64, 0 to 1, the mass of the step's taxon."""
    depths: np.ndarray
    """int64, 0 to 6, the depth of the rank whose threshold applies to the step; -1 past the last step."""
    distances: np.ndarray
    """int64, in edges, from the step's taxon to the truth."""


@dataclass(frozen=True)
class _Stops:
    """The steps at which the threshold of one rank can stop a climb; all arrays are (stops,).

    A threshold t stops the climb at such a step if, and only if, passed < t <= mass.
    """

    masses: np.ndarray
    """float64, the mass of the step's taxon."""
    passed: np.ndarray
    """float64, the mass of the previous step of the same climb if the same threshold applies to it, otherwise 0: a
    subspecies and its species share a threshold, and the subspecies comes first."""
    saved: np.ndarray
    """int64, in edges, by how much this step is nearer to the truth than where the climb would stop without it."""


def fit_thresholds(decoder: Decoder, probabilities: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Thresholds with which `decoder.threshold` has a low MHD on these ROIs.

    Coordinate descent from `decoder.thresholds`: each rank in turn gets its best threshold, found exactly, while the
    others stay fixed, until a round changes nothing. On these ROIs the result is never worse than the start, but it
    may be a local minimum. A threshold that no other value improves on stays as it is.

    Args: probabilities (rois, classes); truth (rois,), indices into the taxonomy's nodes.
    Returns: by rank, 0 to 1.
    """
    thresholds = np.array([decoder.thresholds[rank] for rank in RANKS], dtype=np.float64)
    climbs = _climbs(decoder, probabilities, truth)
    for _ in range(MOST_ROUNDS):
        before = thresholds.copy()
        # From species up: which climbs reach a rank depends on the thresholds below it.
        for depth in reversed(range(len(RANKS))):
            thresholds[depth] = _best_threshold(_stops(climbs, thresholds, depth), thresholds[depth])
        if (thresholds == before).all():
            break
    return {str(rank): float(threshold) for rank, threshold in zip(RANKS, thresholds, strict=True)}


def _climbs(decoder: Decoder, probabilities: np.ndarray, truth: np.ndarray) -> _Climbs:
    nodes, masses = decoder.climb(probabilities)
    truths, truth_rows = np.unique(truth, return_inverse=True)
    distances = decoder.taxonomy.distances(truths, np.arange(len(decoder.taxonomy.nodes)))
    return _Climbs(
        masses=np.minimum(masses, 1.0),
        depths=np.where(nodes >= 0, decoder.threshold_depths[nodes], -1),
        distances=distances[truth_rows[:, None], nodes].astype(np.int64),
    )


def _stops(climbs: _Climbs, thresholds: np.ndarray, depth: int) -> _Stops:
    """The stops of the rank at `depth`, which lie below the step where the other thresholds stop the climb."""
    without_rank = np.where(np.arange(len(RANKS)) == depth, np.inf, thresholds)
    ends = first_passing(climbs.masses, without_rank[climbs.depths], climbs.depths >= 0)
    below_end = np.arange(climbs.depths.shape[1]) < ends[:, None]
    rois, steps = np.nonzero((climbs.depths == depth) & below_end)
    masses = climbs.masses[rois, steps]
    same_climb = np.append(False, rois[1:] == rois[:-1])[: len(rois)]
    return _Stops(
        masses=masses,
        passed=np.where(same_climb, np.roll(masses, 1), 0.0),
        saved=climbs.distances[rois, ends[rois]] - climbs.distances[rois, steps],
    )


def _best_threshold(stops: _Stops, present: float) -> float:
    """The threshold that saves the most edges; `present` if none saves more than it does."""
    candidates = _thresholds_between(stops.masses)
    saved = _saved_by(candidates, stops)
    best = saved.argmax()
    passing = present - ROUNDING  # as `Decoder.threshold` compares
    saved_at_present = stops.saved[(stops.passed < passing) & (passing <= stops.masses)].sum()
    return float(candidates[best]) if saved[best] > saved_at_present else float(present)


def _thresholds_between(masses: np.ndarray) -> np.ndarray:
    """One threshold halfway between each two neighbouring masses, 0 and 1 included, in ascending order.

    Any other threshold between the same two masses stops the same climbs.
    """
    edges = np.concatenate([[0.0], np.unique(masses), [1.0]])
    halfway = (edges[1:] + edges[:-1]) / 2
    return halfway[np.diff(edges) >= CLOSE]


def _saved_by(candidates: np.ndarray, stops: _Stops) -> np.ndarray:
    """(candidates,) the edges that each of the ascending `candidates` saves over all stops.

    A stop counts for the consecutive candidates with passed < candidate <= mass. Its saving is added at the first of
    them and taken off after the last, so the running sum at each candidate is the total of the stops that count there.
    """
    first = np.searchsorted(candidates, stops.passed, side="right")
    after_last = np.searchsorted(candidates, stops.masses, side="right")
    places = len(candidates) + 1
    changes = np.bincount(first, stops.saved, places) - np.bincount(after_last, stops.saved, places)
    return np.cumsum(changes)[:-1]
