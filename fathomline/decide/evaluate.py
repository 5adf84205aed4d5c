"""How good a trained model is on ROIs that it never saw, and the decision rule that follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from annotated_types import Interval

from fathomline.config import section
from fathomline.decide import metrics
from fathomline.decide.calibrate import cross_fitted_temperatures, fit_temperature, probabilities
from fathomline.decide.decode import DECODERS, CandidateSet, Decoder
from fathomline.decide.rule import DecisionRule
from fathomline.errors import InputError
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy


@section
class EvaluateConfig:
    decoder: Literal["argmax", "threshold", "risk"]
    """How probabilities become an answer: the most probable class, the first ancestor that is sure enough, or the
    least expected distance. All three are reported; this one is the headline, and what submit uses."""

    calibrate: bool
    """Fit a temperature to the held-out logits before deciding (cross-fitted for the figures)."""

    thresholds: dict[str, Annotated[float, Interval(ge=0, le=1)]]
    """For `threshold`: the least summed probability at which a taxon of each rank is answered."""

    def __post_init__(self) -> None:
        if set(self.thresholds) != set(RANKS):
            raise ValueError(f"`thresholds` has {', '.join(self.thresholds)}; expected exactly {', '.join(RANKS)}")


@dataclass(frozen=True)
class Evaluation:
    """What held-out ROIs say."""

    metrics: dict[str, float | int | str | None]
    rows: pd.DataFrame
    """One row an ROI: truth, each decoder's answer and its distance, confidence, fold."""
    rule: DecisionRule
    """For new ROIs; its temperature is fitted on all held-out ones."""


def evaluate(
    logits: np.ndarray,
    annotations: pd.DataFrame,
    classes: Sequence[str],
    taxonomy: Taxonomy,
    config: EvaluateConfig,
    candidates: CandidateSet,
) -> Evaluation:
    """Decide for held-out ROIs in every way, and measure.

    Args:
        logits: (rois, classes) float, each row from a model that never saw its frame.
        annotations: one row an ROI in the order of `logits`; columns annotation_id, label and group, and what else
            should stand in the table.
        classes: names in the order of the columns of `logits`.
    Raises InputError when there are no rows or the logits are not finite.
    """
    if len(annotations) == 0:
        raise InputError("evaluate: no held-out ROI; train.folds and split.csv leave nothing to measure on")
    if not np.isfinite(logits).all():
        raise InputError("evaluate: the model's logits are not finite; train again with a lower train.lr")
    labels = annotations["label"].map({name: index for index, name in enumerate(classes)}).to_numpy(dtype=np.int64)
    groups = annotations["group"].to_numpy()
    reporting = cross_fitted_temperatures(logits, labels, groups) if config.calibrate else 1.0
    temperature = fit_temperature(logits, labels) if config.calibrate else 1.0
    sureness = probabilities(logits, reporting)
    decoder = Decoder(taxonomy, classes, candidates, config.thresholds)
    truth = decoder.class_nodes[labels]
    answers = {name: decoder.decode(name, sureness) for name in DECODERS}
    constant, constant_mhd = best_constant(taxonomy, truth, decoder.candidate_nodes)
    figures = {
        **_distance_figures(taxonomy, truth, answers, config.decoder, groups),
        "mhd_constant": constant_mhd,
        **_accuracy_figures(taxonomy, truth, answers[config.decoder]),
        "ece": metrics.expected_calibration_error(sureness, labels),
        "temperature": temperature,
        "rois": len(annotations),
        "frames": int(annotations["image_id"].nunique()),
        "classes": len(classes),
        "taxonomy_hash": taxonomy.hash,
    }
    rule = DecisionRule(config.decoder, candidates, temperature, config.thresholds, decoder.names([constant])[0])
    return Evaluation(figures, _rows(annotations, decoder, sureness, truth, answers, config.decoder), rule)


def _distance_figures(taxonomy: Taxonomy, truth, answers: dict, headline: str, groups) -> dict[str, float]:
    distances = {name: metrics.row_distances(taxonomy, truth, answer) for name, answer in answers.items()}
    low, high = metrics.bootstrap_interval(distances[headline], groups)
    return {
        "mhd": float(distances[headline].mean()),
        "mhd_low": low,
        "mhd_high": high,
        **{f"mhd_{name}": float(values.mean()) for name, values in distances.items()},
    }


def _accuracy_figures(taxonomy: Taxonomy, truth: np.ndarray, answer: np.ndarray) -> dict[str, float]:
    """Ranks to which no truth is known are left out: JSON has no honest figure for them."""
    at_ranks = metrics.accuracy_at_ranks(taxonomy, truth, answer)
    return {
        "accuracy": float((answer == truth).mean()),
        **{f"accuracy_{rank}": share for rank, share in at_ranks.items() if share is not None},
    }


def _rows(annotations: pd.DataFrame, decoder: Decoder, sureness, truth, answers: dict, headline: str) -> pd.DataFrame:
    rows = annotations.rename(columns={"label": "truth"}).reset_index(drop=True)
    masses = sureness @ decoder.taxonomy.membership(decoder.classes).T
    distances = {name: metrics.row_distances(decoder.taxonomy, truth, answer) for name, answer in answers.items()}
    rows["prediction"] = decoder.names(answers[headline])
    rows["distance"] = distances[headline]
    rows["confidence"] = masses[np.arange(len(rows)), answers[headline]]
    for name in DECODERS:
        rows[name], rows[f"{name}_distance"] = decoder.names(answers[name]), distances[name]
    return rows


def best_constant(taxonomy: Taxonomy, truth: np.ndarray, candidates: np.ndarray) -> tuple[int, float]:
    """The one answer that does best when given for every ROI, and its MHD: what a model must beat.

    Args: truth (rois,) and candidates (candidates,), indices into `taxonomy.nodes`.
    """
    nodes, counts = np.unique(truth, return_counts=True)
    means = taxonomy.distances(candidates, nodes) @ counts / counts.sum()
    return int(candidates[means.argmin()]), float(means.min())
