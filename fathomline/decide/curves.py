"""Figures over a range of settings or of confidences, to be drawn as curves."""

import numpy as np
import pandas as pd

from fathomline.decide import metrics
from fathomline.decide.decode import Decoder, first_passing

THRESHOLDS = np.linspace(0.0, 1.0, 51)


def threshold_curve(decoder: Decoder, probabilities: np.ndarray, truth: np.ndarray) -> pd.DataFrame:
    """What the decoder `threshold` would reach with one and the same threshold at all ranks.

    Args: probabilities (rois, classes); truth (rois,) nodes.
    Returns: threshold from 0 to 1, mhd, accuracy, depth (mean depth of the answer, 1 for a kingdom to 7 for a species).
    """
    taxonomy = decoder.taxonomy
    nodes, masses = decoder.climb(probabilities)
    rows = []
    for threshold in THRESHOLDS:
        steps = first_passing(masses, np.full(masses.shape, threshold), nodes >= 0)
        answers = nodes[np.arange(len(nodes)), steps]
        distances = taxonomy.row_distances(truth, answers)
        rows.append((threshold, distances.mean(), (answers == truth).mean(), taxonomy.depths[answers].mean()))
    return pd.DataFrame(rows, columns=["threshold", "mhd", "accuracy", "depth"]).round({"threshold": 2})


def reliability_curve(confidence: np.ndarray, right: np.ndarray) -> pd.DataFrame:
    """How often answers are right that were stated with about the same confidence, over the bins of the expected
    calibration error, those without an ROI left out.

    Args: confidence (rois,), 0 to 1; right (rois,) bool.
    Returns: confidence and right, means over the bin; rois in it. The calibration error is the mean of |confidence −
        right| weighted by rois.
    """
    bins = metrics.calibration_bins(confidence)
    table = pd.DataFrame({"bin": bins, "confidence": confidence, "right": right.astype(float), "rois": 1})
    means = table.groupby("bin").agg({"confidence": "mean", "right": "mean", "rois": "sum"})
    return means.reset_index(drop=True)
