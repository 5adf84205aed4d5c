"""Curves for the report: figures over a range of thresholds or of confidences."""

import numpy as np
import pandas as pd

from fathomline.decide import metrics
from fathomline.decide.decode import Decoder, first_passing

THRESHOLDS = np.linspace(0.0, 1.0, 51)


def threshold_curve(decoder: Decoder, probabilities: np.ndarray, truth: np.ndarray) -> pd.DataFrame:
    """Figures of the decoder `threshold` with the same threshold at all ranks.

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
    """The share of correct answers in each bin of the expected calibration error that has an ROI.

    Args: confidence (rois,), 0 to 1; right (rois,) bool.
    Returns: confidence and right, means over the bin; rois, their number in the bin. The calibration error is the mean
        of |confidence − right| weighted by rois.
    """
    bins = metrics.calibration_bins(confidence)
    table = pd.DataFrame({"bin": bins, "confidence": confidence, "right": right.astype(float), "rois": 1})
    means = table.groupby("bin").agg({"confidence": "mean", "right": "mean", "rois": "sum"})
    return means.reset_index(drop=True)
