"""How good a trained model is on ROIs that it never saw, and the decision rule that follows from it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Interval

from fathomline.config import section
from fathomline.decide import metrics
from fathomline.decide.breakdown import by_clade, by_concept, by_meeting_rank, by_rank
from fathomline.decide.calibrate import fit_temperature, probabilities
from fathomline.decide.compare import compare_decoders, compare_transforms
from fathomline.decide.cross_fit import CrossFitting
from fathomline.decide.curves import reliability_curve, threshold_curve
from fathomline.decide.decode import DECODERS, CandidateSet, Decoder, DecoderName
from fathomline.decide.rule import DecisionRule
from fathomline.decide.thresholds import fit_thresholds
from fathomline.decide.transform_choice import (
    TestTimeAugmentation,
    Transforms,
    choose_transforms,
    cross_fitted,
    rows_of_parts,
)
from fathomline.errors import InputError
from fathomline.model.orientations import ORIENTATION_SETS
from fathomline.rois.annotations import class_indices
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy

MOST_PROBABLE = 5
"""Concepts that are named for each ROI with their probabilities, fewer where there are fewer."""


THRESHOLDS = dict(zip(map(str, RANKS), (0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55), strict=True))


@section
class EvaluateConfig:
    decoder: DecoderName = "risk"
    """How probabilities become an answer: the most probable class, the first ancestor that is probable enough, or the
    least expected distance. All three are reported; this one is the headline, and what submit uses."""

    calibrate: bool = True
    """Fit a temperature to the held-out logits before deciding (cross-fitted for the figures)."""

    thresholds: dict[str, Annotated[float, Interval(ge=0, le=1)]] = field(default_factory=lambda: dict(THRESHOLDS))
    """For `threshold`: the least summed probability at which a taxon of each rank is answered."""

    fit_thresholds: bool = False
    """Fit the thresholds to the held-out ROIs, starting from those above (cross-fitted for the figures)."""

    test_time_augmentation: TestTimeAugmentation = "none"
    """Average probabilities over each ROI as it is (`none`), with its mirror image (`mirror`), its four mirror images
    (`flips`), four quarter turns (`rotations`) or all eight orientations (`turns`), here and in submit. `auto`: the set
    with the least MHD among those that predict.transforms stored (cross-fitted for the figures)."""

    def __post_init__(self) -> None:
        if set(self.thresholds) != set(RANKS):
            raise ValueError(f"`thresholds` has {', '.join(self.thresholds)}; expected exactly {', '.join(RANKS)}")


@dataclass(frozen=True)
class Evaluation:
    """What held-out ROIs say."""

    metrics: dict[str, float | int | str | None]
    rows: pd.DataFrame
    """One row an ROI: truth, each decoder's answer and its distance, confidence, fold, the most probable concepts."""
    tables: dict[str, pd.DataFrame]
    """By name: `decoders` of `compare_decoders` and `compare_transforms`; `concepts`, `clades`, `ranks` and `mistakes`
    of fathomline.decide's breakdown; `thresholds` and `reliability` of its curves."""
    rule: DecisionRule
    """For new ROIs; its temperature and thresholds are fitted on all held-out ones."""


def evaluate(
    views: Mapping[str, Mapping[str, np.ndarray]],
    select_on: str,
    annotations: pd.DataFrame,
    classes: Sequence[str],
    taxonomy: Taxonomy,
    config: EvaluateConfig,
    candidates: CandidateSet,
) -> Evaluation:
    """Decide for held-out ROIs by every decoder, and measure.

    The model's epoch was chosen on these ROIs, so the figures are a little better than new ROIs will give. The
    transforms, the temperature and the thresholds are not: what judges an ROI was fitted without its group, its frame
    by default.

    Args:
        views: by the name of the view, then of the set of orientations: (rois, classes) float logits averaged over the
            set, each row from a model that never saw its frame.
        select_on: the view that everything is fitted on and that the figures are of. Each of the others gets its own
            MHD, by the transforms, the temperature and the thresholds fitted on this one.
        annotations: one row per ROI in the order of the logits; columns annotation_id, label and group, and what else
            should be in the table.
        classes: names in the order of the columns of the logits.
    Raises InputError when there are no rows, the logits are not finite, or the transforms asked for are not stored.
    """
    if len(annotations) == 0:
        raise InputError("evaluate: no held-out ROI; split.held_out and split.csv leave nothing to measure on")
    if not all(np.isfinite(values).all() for options in views.values() for values in options.values()):
        raise InputError("evaluate: the model's logits are not finite; train again with a lower train.lr")
    options = views[select_on]
    labels, groups = class_indices(annotations["label"], classes), annotations["group"].to_numpy()
    decoder = Decoder(taxonomy, classes, candidates, config.thresholds)
    chosen = choose_transforms(
        config.test_time_augmentation, options, labels, groups, decoder, config.decoder, calibrate=config.calibrate
    )
    held_out = cross_fitted(options, labels, groups, chosen.of_parts)
    answers = _decide(held_out, decoder, config)
    constant, constant_mhd = best_constant(taxonomy, answers.truth, decoder.candidate_nodes)
    rule = _settle(options, labels, decoder, config, chosen, fallback=decoder.names([constant])[0])
    rows = _rows(annotations, answers)
    tables = {"decoders": _decoders_table(held_out, options, decoder, config), **_tables(answers, rows)}
    seen = {name: rows_of_parts(of_view, groups, chosen.of_parts) for name, of_view in views.items()}
    figures = {
        **_distance_figures(answers, held_out.groups),
        **{f"mhd_{name}": _mhd_of_view(held_out, view, decoder, config) for name, view in seen.items()},
        "mhd_constant": constant_mhd,
        **_rank_figures(answers, tables),
        "ece": metrics.expected_calibration_error(*_surest_taxon(answers)),
        "temperature": rule.temperature,
        "rois": len(annotations),
        "frames": int(annotations["image_id"].nunique()),
        "classes": len(classes),
        "taxonomy_hash": taxonomy.hash,
    }
    return Evaluation(figures, rows, tables, rule)


def _decoders_table(
    held_out: CrossFitting, options: Mapping[str, np.ndarray], decoder: Decoder, config: EvaluateConfig
) -> pd.DataFrame:
    """Every decoder with the transforms in use, then the decoder in use with every set of transforms."""
    of_decoders = compare_decoders(held_out, decoder)
    of_decoders.insert(0, "transforms", config.test_time_augmentation)
    others = {
        name: CrossFitting(logits, held_out.labels, held_out.groups)
        for name, logits in options.items()
        if name != config.test_time_augmentation
    }
    if not others:
        return of_decoders
    settings = {"calibrate": config.calibrate, "fit": config.fit_thresholds}
    return pd.concat([of_decoders, compare_transforms(others, decoder, config.decoder, **settings)], ignore_index=True)


@dataclass(frozen=True)
class _Answers:
    """What each decoder answers for the held-out ROIs."""

    decoder: Decoder
    probabilities: np.ndarray
    truth: np.ndarray
    nodes: dict[DecoderName, np.ndarray]
    distances: dict[DecoderName, np.ndarray]
    headline: DecoderName


def _decide(held_out: CrossFitting, decoder: Decoder, config: EvaluateConfig) -> _Answers:
    truth = decoder.class_nodes[held_out.labels]
    nodes = {
        name: held_out.decode(name, decoder, calibrate=config.calibrate, fit=config.fit_thresholds) for name in DECODERS
    }
    distances = {name: decoder.taxonomy.row_distances(truth, answer) for name, answer in nodes.items()}
    return _Answers(decoder, held_out.probabilities(config.calibrate), truth, nodes, distances, config.decoder)


def _mhd_of_view(held_out: CrossFitting, view: np.ndarray, decoder: Decoder, config: EvaluateConfig) -> float:
    settings = {"calibrate": config.calibrate, "fit": config.fit_thresholds}
    nodes = held_out.decode(config.decoder, decoder, **settings, view=view)
    return float(decoder.taxonomy.row_distances(decoder.class_nodes[held_out.labels], nodes).mean())


def _settle(
    options: Mapping[str, np.ndarray],
    labels: np.ndarray,
    decoder: Decoder,
    config: EvaluateConfig,
    chosen: Transforms,
    fallback: str,
) -> DecisionRule:
    """The rule for new ROIs, which may learn from every held-out one."""
    logits = options[chosen.for_new_rois]
    temperature = fit_temperature(logits, labels) if config.calibrate else 1.0
    thresholds = dict(config.thresholds)
    if config.fit_thresholds:
        thresholds = fit_thresholds(decoder, probabilities(logits, temperature), decoder.class_nodes[labels])
    orientations = list(ORIENTATION_SETS[chosen.for_new_rois])
    return DecisionRule(config.decoder, decoder.candidates, temperature, thresholds, fallback, orientations)


def _distance_figures(answers: _Answers, groups: np.ndarray) -> dict[str, float]:
    """Of a single group there is no interval."""
    distances = answers.distances[answers.headline]
    low, high = metrics.bootstrap_interval(distances, groups)
    return {
        "mhd": float(distances.mean()),
        **({} if math.isnan(low) else {"mhd_low": low, "mhd_high": high}),
        **{f"mhd_{name}": float(values.mean()) for name, values in answers.distances.items()},
    }


def _surest_taxon(answers: _Answers) -> tuple[np.ndarray, np.ndarray]:
    """The probability of the most probable taxon, and whether it is right: two concepts of one taxon count as one."""
    taxa = np.unique(answers.decoder.class_nodes)
    of_taxon = answers.probabilities @ (answers.decoder.class_nodes[:, None] == taxa)
    return of_taxon.max(axis=1), taxa[of_taxon.argmax(axis=1)] == answers.truth


def _tables(answers: _Answers, rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    decoder, truth, answer = answers.decoder, answers.truth, answers.nodes[answers.headline]
    masses = decoder.mass_at_ranks(answers.probabilities, answer)
    return {
        "concepts": by_concept(decoder.taxonomy, decoder.classes, rows["truth"], rows["prediction"]),
        "clades": by_clade(decoder.taxonomy, rows["truth"], rows["prediction"]),
        "ranks": by_rank(decoder.taxonomy, truth, answer, masses),
        "mistakes": by_meeting_rank(decoder.taxonomy, truth, answer),
        "thresholds": threshold_curve(decoder, answers.probabilities, truth),
        "reliability": reliability_curve(*_surest_taxon(answers)),
    }


def _rank_figures(answers: _Answers, tables: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """Ranks about which nothing is known are left out: JSON has no honest figure for them."""
    depths, truth, answer = answers.decoder.taxonomy.depths, answers.truth, answers.nodes[answers.headline]
    ranks, mistakes = tables["ranks"].set_index("rank"), tables["mistakes"].set_index("meets_at")
    return {
        "accuracy": float((answer == truth).mean()),
        **{f"accuracy_{rank}": share for rank, share in ranks["accuracy"].dropna().items()},
        **{f"ece_{rank}": error for rank, error in ranks["ece"].dropna().items()},
        "depth": float(depths[answer].mean()),
        "depth_truth": float(depths[truth].mean()),
        **{f"mistakes_meet_at_{rank}": share for rank, share in mistakes["share"].dropna().items()},
    }


def _rows(annotations: pd.DataFrame, answers: _Answers) -> pd.DataFrame:
    rows = annotations.rename(columns={"label": "truth"}).reset_index(drop=True)
    headline = answers.nodes[answers.headline]
    rows["prediction"] = answers.decoder.names(headline)
    rows["distance"] = answers.distances[answers.headline]
    rows["confidence"] = answers.decoder.masses(answers.probabilities)[np.arange(len(rows)), headline]
    for name in DECODERS:
        rows[name], rows[f"{name}_distance"] = answers.decoder.names(answers.nodes[name]), answers.distances[name]
    concepts = np.array(answers.decoder.classes, dtype=object)
    order = np.argsort(-answers.probabilities, axis=1, kind="stable")[:, :MOST_PROBABLE]
    for place, chosen in enumerate(order.T, start=1):
        rows[f"concept_{place}"] = concepts[chosen]
        rows[f"probability_{place}"] = answers.probabilities[np.arange(len(rows)), chosen]
    return rows


def best_constant(taxonomy: Taxonomy, truth: np.ndarray, candidates: np.ndarray) -> tuple[int, float]:
    """The one answer that does best when given for every ROI, and its MHD: what a model must beat.

    Args: truth (rois,) and candidates (candidates,), indices into `taxonomy.nodes`.
    """
    nodes, counts = np.unique(truth, return_counts=True)
    means = taxonomy.distances(candidates, nodes) @ counts / counts.sum()
    return int(candidates[means.argmin()]), float(means.min())
