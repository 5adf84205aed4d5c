"""Measure a trained model on ROIs that it never saw, and derive the decision rule for new ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Interval

from fathomline.config import section
from fathomline.decide.calibrate import fit_temperature, probabilities
from fathomline.decide.compare import compare_decoders, compare_transforms
from fathomline.decide.cross_fit import CrossFitting
from fathomline.decide.decode import CandidateSet, Decoder, DecoderName
from fathomline.decide.metrics import best_constant, expected_calibration_error
from fathomline.decide.outcome import decode_all, distance_figures, outcome_rows, outcome_tables, rank_figures
from fathomline.decide.rule import DecisionRule, require_all_ranks
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
from fathomline.taxonomy.tree import Taxonomy


def _default_thresholds() -> dict[str, float]:
    return {
        "kingdom": 0.85,
        "phylum": 0.80,
        "class": 0.75,
        "order": 0.70,
        "family": 0.65,
        "genus": 0.60,
        "species": 0.55,
    }


@section
class EvaluateConfig:
    decoder: DecoderName = "risk"
    """How probabilities become an answer: `argmax`, `threshold` or `risk`. `argmax` answers the most probable concept,
    `threshold` its first ancestor that is probable enough, `risk` the taxon with the least expected distance. All three
    are reported; this one gives the headline figures and the answers of submit."""

    calibrate: bool = True
    """Calibrate probabilities with a temperature fitted to held-out ROIs. The figures are cross-fitted."""

    thresholds: dict[str, Annotated[float, Interval(ge=0, le=1)]] = field(default_factory=_default_thresholds)
    """For the decoder `threshold`: the least summed probability for an answer at each rank."""

    fit_thresholds: bool = False
    """Fit the thresholds to held-out ROIs, starting from `thresholds`. The figures are cross-fitted."""

    test_time_augmentation: TestTimeAugmentation = "none"
    """Average over orientations: `none`, `mirror`, `flips`, `rotations`, `turns` or `auto`. They are each ROI as it is
    (`none`), with its mirror image (`mirror`), its four mirror images (`flips`), four quarter turns (`rotations`) or
    all eight orientations (`turns`), in evaluate and submit. `auto` is the set with the least MHD among those that
    predict.transforms stored; the figures are cross-fitted."""

    def __post_init__(self) -> None:
        require_all_ranks(self.thresholds)


@dataclass(frozen=True)
class Evaluation:
    """Measurements on the held-out ROIs, and the resulting rule for new ones."""

    metrics: dict[str, float | int | str]
    rows: pd.DataFrame
    """One row per ROI: truth, each decoder's answer and its distance, confidence, fold, the most probable concepts."""
    tables: dict[str, pd.DataFrame]
    """By name: `decoders`, from `compare_decoders` and `compare_transforms`; `concepts`, `clades`, `ranks` and
    `mistakes`, from breakdown.py; `thresholds` and `reliability`, from curves.py."""
    rule: DecisionRule
    """For new ROIs; its temperature and thresholds are fitted to all held-out ones."""


def evaluate(
    views: Mapping[str, Mapping[str, np.ndarray]],
    select_on: str,
    annotations: pd.DataFrame,
    classes: Sequence[str],
    taxonomy: Taxonomy,
    config: EvaluateConfig,
    candidates: CandidateSet,
) -> Evaluation:
    """Decode held-out ROIs with every decoder, and measure the answers.

    The model's epoch was chosen on these ROIs, so the figures are slightly better than on new ROIs. The transforms, the
    temperature and the thresholds add no such bias: those applied to an ROI were fitted without its group, which is
    its frame by default.

    Args:
        views: by the name of the view, then of the set of orientations: (rois, classes) float logits averaged over the
            set, each row from a model that never saw its frame.
        select_on: the view on which everything is fitted and measured. Each other view gets only an MHD, with the
            transforms, the temperature and the thresholds fitted on this one.
        annotations: one row per ROI in the order of the logits; columns annotation_id, image_id, label, group, and any
            others that the rows should have.
        classes: names in the order of the columns of the logits.
    Raises InputError when there are no rows, the logits are not finite, or the requested transforms are not stored.
    """
    _require_finite_rows(annotations, views)
    options = views[select_on]
    labels, groups = class_indices(annotations["label"], classes), annotations["group"].to_numpy()
    decoder = Decoder(taxonomy, classes, candidates, config.thresholds)
    chosen = choose_transforms(
        config.test_time_augmentation, options, labels, groups, decoder, config.decoder, calibrate=config.calibrate
    )
    held_out = cross_fitted(options, labels, groups, chosen.of_parts)
    outcome = decode_all(held_out, decoder, config.decoder, calibrate=config.calibrate, fit=config.fit_thresholds)
    constant, constant_mhd = best_constant(taxonomy, outcome.truth, decoder.candidate_nodes)
    rule = _rule_for_new_rois(options, labels, decoder, config, chosen, fallback=decoder.names([constant])[0])
    rows = outcome_rows(annotations, outcome)
    tables = {"decoders": _decoders_table(held_out, options, decoder, config), **outcome_tables(outcome, rows)}
    figures: dict[str, float | int | str] = {
        **distance_figures(outcome, groups),
        **_view_figures(views, held_out, chosen, decoder, config),
        "mhd_constant": constant_mhd,
        **rank_figures(outcome, tables),
        "ece": expected_calibration_error(*outcome.most_probable_taxon()),
        "temperature": rule.temperature,
        "rois": len(annotations),
        "frames": int(annotations["image_id"].nunique()),
        "classes": len(classes),
        "taxonomy_hash": taxonomy.hash,
    }
    return Evaluation(figures, rows, tables, rule)


def _require_finite_rows(annotations: pd.DataFrame, views: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    if len(annotations) == 0:
        raise InputError(
            "evaluate: no held-out ROIs, expected at least one: no ROI in split.csv is in a fold of split.held_out; "
            "hold out other folds, or lower split.folds"
        )
    if not all(np.isfinite(logits).all() for options in views.values() for logits in options.values()):
        raise InputError("evaluate: the model's logits are not finite; train again with a lower train.lr")


def _decoders_table(
    held_out: CrossFitting, options: Mapping[str, np.ndarray], decoder: Decoder, config: EvaluateConfig
) -> pd.DataFrame:
    """Every decoder with the configured transforms, then the configured decoder with every other set of transforms."""
    decoders = compare_decoders(held_out, decoder)
    decoders.insert(0, "transforms", config.test_time_augmentation)
    others = {
        name: CrossFitting(logits, held_out.labels, held_out.groups)
        for name, logits in options.items()
        if name != config.test_time_augmentation
    }
    if not others:
        return decoders
    transforms = compare_transforms(
        others, decoder, config.decoder, calibrate=config.calibrate, fit=config.fit_thresholds
    )
    return pd.concat([decoders, transforms], ignore_index=True)


def _view_figures(
    views: Mapping[str, Mapping[str, np.ndarray]],
    held_out: CrossFitting,
    chosen: Transforms,
    decoder: Decoder,
    config: EvaluateConfig,
) -> dict[str, float]:
    """The MHD of each view, decoded as the view that `held_out` was fitted on."""
    truth = decoder.class_nodes[held_out.labels]
    figures = {}
    for name, options in views.items():
        logits = rows_of_parts(options, held_out.groups, chosen.of_parts)
        nodes = held_out.decode(
            config.decoder, decoder, calibrate=config.calibrate, fit=config.fit_thresholds, view=logits
        )
        figures[f"mhd_{name}"] = float(decoder.taxonomy.row_distances(truth, nodes).mean())
    return figures


def _rule_for_new_rois(
    options: Mapping[str, np.ndarray],
    labels: np.ndarray,
    decoder: Decoder,
    config: EvaluateConfig,
    chosen: Transforms,
    fallback: str,
) -> DecisionRule:
    """The rule for new ROIs, fitted to all held-out ones."""
    logits = options[chosen.for_new_rois]
    temperature = fit_temperature(logits, labels) if config.calibrate else 1.0
    thresholds = dict(config.thresholds)
    if config.fit_thresholds:
        thresholds = fit_thresholds(decoder, probabilities(logits, temperature), decoder.class_nodes[labels])
    orientations = list(ORIENTATION_SETS[chosen.for_new_rois])
    return DecisionRule(config.decoder, decoder.candidates, temperature, thresholds, fallback, orientations)
