"""Compare decoders, and sets of transforms, on held-out ROIs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from fathomline.decide import metrics
from fathomline.decide.cross_fit import CrossFitting
from fathomline.decide.decode import CandidateSet, Decoder, DecoderName


class Variant(NamedTuple):
    """A decoder and its settings, except calibration."""

    decoder: DecoderName
    candidates: CandidateSet
    fit_thresholds: bool


VARIANTS = (
    Variant("argmax", "labels", False),
    Variant("threshold", "labels", False),
    Variant("threshold", "labels", True),
    Variant("threshold", "tree", False),
    Variant("threshold", "tree", True),
    Variant("risk", "labels", False),
    Variant("risk", "tree", False),
)
"""Arg-max answers a class whatever the candidates are, and only `threshold` has thresholds to fit."""


def compare_decoders(held_out: CrossFitting, decoder: Decoder) -> pd.DataFrame:
    """Measure each decoder with and without calibration; all fitting uses other groups.

    Args: decoder, whose thresholds are used where they are not fitted; its candidates are ignored.
    Returns: calibrated, decoder, candidates, thresholds (`given`, `fitted` or empty), mhd with the 95 % interval
        mhd_low and mhd_high; gain with gain_low and gain_high, how much lower its MHD is than that of arg-max on the
        same ROIs; accuracy; depth, the mean depth of the answer, 1 for a kingdom to 7 for a species.
    """
    argmax_distances = _answers(held_out, decoder, "argmax", calibrate=False, fit=False)[1]
    return pd.DataFrame(
        [
            _row(
                held_out,
                replace(decoder, candidates=variant.candidates),
                variant.decoder,
                argmax_distances,
                calibrate=calibrate,
                fit=variant.fit_thresholds,
            )
            for calibrate in (False, True)
            for variant in VARIANTS
        ]
    )


def compare_transforms(
    held_out: Mapping[str, CrossFitting], decoder: Decoder, name: DecoderName, *, calibrate: bool, fit: bool
) -> pd.DataFrame:
    """Measure the decoder `name` with each set of transforms.

    Args: held_out, by the name of the set; fit, whether to fit the thresholds if the decoder is `threshold`.
    Returns: `transforms`, the name of the set, then the columns of `compare_decoders`; gain is relative to arg-max
        with the same transforms.
    """
    rows = []
    for transforms, predicted in held_out.items():
        argmax_distances = _answers(predicted, decoder, "argmax", calibrate=False, fit=False)[1]
        row = _row(predicted, decoder, name, argmax_distances, calibrate=calibrate, fit=fit and name == "threshold")
        rows.append({"transforms": transforms, **row})
    return pd.DataFrame(rows)


def _answers(
    held_out: CrossFitting, decoder: Decoder, name: DecoderName, *, calibrate: bool, fit: bool
) -> tuple[np.ndarray, np.ndarray]:
    """(rois,) nodes answered, and their distances from the truth."""
    nodes = held_out.decode(name, decoder, calibrate=calibrate, fit=fit)
    return nodes, decoder.taxonomy.row_distances(decoder.class_nodes[held_out.labels], nodes)


def _row(
    held_out: CrossFitting,
    decoder: Decoder,
    name: DecoderName,
    argmax_distances: np.ndarray,
    *,
    calibrate: bool,
    fit: bool,
) -> dict[str, object]:
    nodes, distances = _answers(held_out, decoder, name, calibrate=calibrate, fit=fit)
    gains = argmax_distances - distances
    low, high = metrics.bootstrap_interval(distances, held_out.groups)
    gain_low, gain_high = metrics.bootstrap_interval(gains, held_out.groups)
    thresholds = "fitted" if fit else "given"
    return {
        "calibrated": calibrate,
        "decoder": name,
        "candidates": decoder.candidates,
        "thresholds": thresholds if name == "threshold" else "",
        "mhd": distances.mean(),
        "mhd_low": low,
        "mhd_high": high,
        "gain": gains.mean(),
        "gain_low": gain_low,
        "gain_high": gain_high,
        "accuracy": (nodes == decoder.class_nodes[held_out.labels]).mean(),
        "depth": decoder.taxonomy.depths[nodes].mean(),
    }
