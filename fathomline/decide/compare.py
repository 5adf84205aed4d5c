"""Every decoder, and every set of transforms, side by side on held-out ROIs."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from fathomline.decide import metrics
from fathomline.decide.cross_fit import CrossFitting
from fathomline.decide.decode import CandidateSet, Decoder, DecoderName

VARIANTS: tuple[tuple[DecoderName, CandidateSet, bool], ...] = (
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
    of_argmax = _distances(held_out, decoder, "argmax", calibrate=False, fit=False)[1]
    return pd.DataFrame(
        [
            _row(held_out, replace(decoder, candidates=candidates), name, of_argmax, calibrate=calibrate, fit=fit)
            for calibrate in (False, True)
            for name, candidates, fit in VARIANTS
        ]
    )


def compare_transforms(
    held_out: Mapping[str, CrossFitting], decoder: Decoder, name: DecoderName, *, calibrate: bool, fit: bool
) -> pd.DataFrame:
    """Measure one decoder on each set of transforms.

    Args: held_out by the name of the set; decoder, its `name` and settings.
    Returns: `transforms`, the name of the set, then the columns of `compare_decoders`; its gain is on arg-max with the
        same transforms.
    """
    rows = []
    for transforms, judged in held_out.items():
        of_argmax = _distances(judged, decoder, "argmax", calibrate=False, fit=False)[1]
        row = _row(judged, decoder, name, of_argmax, calibrate=calibrate, fit=fit and name == "threshold")
        rows.append({"transforms": transforms, **row})
    return pd.DataFrame(rows)


def _distances(
    held_out: CrossFitting, decoder: Decoder, name: DecoderName, *, calibrate: bool, fit: bool
) -> tuple[np.ndarray, np.ndarray]:
    """(rois,) answers and their distances from the truth."""
    nodes = held_out.decode(name, decoder, calibrate=calibrate, fit=fit)
    return nodes, decoder.taxonomy.row_distances(decoder.class_nodes[held_out.labels], nodes)


def _row(
    held_out: CrossFitting,
    decoder: Decoder,
    name: DecoderName,
    of_argmax: np.ndarray,
    *,
    calibrate: bool,
    fit: bool,
) -> dict[str, object]:
    nodes, distances = _distances(held_out, decoder, name, calibrate=calibrate, fit=fit)
    low, high = metrics.bootstrap_interval(distances, held_out.groups)
    gain_low, gain_high = metrics.bootstrap_interval(of_argmax - distances, held_out.groups)
    return {
        "calibrated": calibrate,
        "decoder": name,
        "candidates": decoder.candidates,
        "thresholds": {True: "fitted", False: "given"}[fit] if name == "threshold" else "",
        "mhd": distances.mean(),
        "mhd_low": low,
        "mhd_high": high,
        "gain": (of_argmax - distances).mean(),
        "gain_low": gain_low,
        "gain_high": gain_high,
        "accuracy": (nodes == decoder.class_nodes[held_out.labels]).mean(),
        "depth": decoder.taxonomy.depths[nodes].mean(),
    }
