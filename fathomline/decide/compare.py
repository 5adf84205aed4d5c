"""Every way to turn probabilities into an answer, side by side on held-out ROIs."""

from dataclasses import replace

import pandas as pd

from fathomline.decide import metrics
from fathomline.decide.cross_fit import CrossFitting
from fathomline.decide.decode import CandidateSet, Decoder, DecoderName

WAYS: tuple[tuple[DecoderName, CandidateSet, bool], ...] = (
    ("argmax", "labels", False),
    ("threshold", "labels", False),
    ("threshold", "labels", True),
    ("threshold", "tree", False),
    ("threshold", "tree", True),
    ("risk", "labels", False),
    ("risk", "tree", False),
)
"""Decoder, what it may answer, and whether its thresholds are fitted; all of them differ."""


def compare_decoders(held_out: CrossFitting, decoder: Decoder) -> pd.DataFrame:
    """Measure each decoder, before and after calibration; all that is fitted is fitted on other groups.

    Args: decoder, whose thresholds are the ones not fitted; its candidates do not matter.
    Returns: calibrated, decoder, candidates, thresholds (`given`, `fitted` or empty), mhd with the 95 % interval
        mhd_low and mhd_high; gain with gain_low and gain_high, by how much its MHD is below that of arg-max on the
        same ROIs; accuracy; depth, the mean depth of the answer, 1 for a kingdom to 7 for a species.
    """
    taxonomy, truth = decoder.taxonomy, decoder.class_nodes[held_out.labels]
    of_argmax = metrics.row_distances(taxonomy, truth, held_out.decode("argmax", decoder, calibrate=False, fit=False))
    rows = []
    for calibrate in (False, True):
        for name, candidates, fit in WAYS:
            nodes = held_out.decode(name, replace(decoder, candidates=candidates), calibrate=calibrate, fit=fit)
            distances = metrics.row_distances(taxonomy, truth, nodes)
            low, high = metrics.bootstrap_interval(distances, held_out.groups)
            gain_low, gain_high = metrics.bootstrap_interval(of_argmax - distances, held_out.groups)
            rows.append(
                {
                    "calibrated": calibrate,
                    "decoder": name,
                    "candidates": candidates,
                    "thresholds": {True: "fitted", False: "given"}[fit] if name == "threshold" else "",
                    "mhd": distances.mean(),
                    "mhd_low": low,
                    "mhd_high": high,
                    "gain": (of_argmax - distances).mean(),
                    "gain_low": gain_low,
                    "gain_high": gain_high,
                    "accuracy": (nodes == truth).mean(),
                    "depth": taxonomy.depths[nodes].mean(),
                }
            )
    return pd.DataFrame(rows)
