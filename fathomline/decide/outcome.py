"""The answers of the decoders for held-out ROIs, as rows, tables and figures."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fathomline.decide import metrics
from fathomline.decide.breakdown import by_clade, by_concept, by_meeting_rank, by_rank
from fathomline.decide.cross_fit import CrossFitting
from fathomline.decide.curves import reliability_curve, threshold_curve
from fathomline.decide.decode import DECODERS, Decoder, DecoderName

MOST_PROBABLE = 5
"""Maximum number of concepts that each row lists with their probabilities."""


@dataclass(frozen=True)
class Outcome:
    """The answers of each decoder for the held-out ROIs, and their distances from the truth."""

    decoder: Decoder
    headline: DecoderName
    """The decoder whose answers are the predictions."""
    probabilities: np.ndarray
    """(rois, classes) float64, as the decoders got them"""
    truth: np.ndarray
    """(rois,) int64, nodes"""
    nodes: dict[DecoderName, np.ndarray]
    """(rois,) int64 by decoder"""
    distances: dict[DecoderName, np.ndarray]
    """(rois,) int64 by decoder, in edges"""

    @property
    def predicted(self) -> np.ndarray:
        """(rois,) int64, the nodes that the headline decoder answers."""
        return self.nodes[self.headline]

    def most_probable_taxon(self) -> tuple[np.ndarray, np.ndarray]:
        """(rois,) float64, the probability of each ROI's most probable taxon, and (rois,) bool, whether it is correct.

        Two concepts of one taxon count as one.
        """
        taxa = np.unique(self.decoder.class_nodes)
        by_taxon = self.probabilities @ (self.decoder.class_nodes[:, None] == taxa)
        return by_taxon.max(axis=1), taxa[by_taxon.argmax(axis=1)] == self.truth


def decode_all(
    held_out: CrossFitting, decoder: Decoder, headline: DecoderName, *, calibrate: bool, fit: bool
) -> Outcome:
    """Decode the held-out ROIs with every decoder. Args: as for `CrossFitting.decode`."""
    truth = decoder.class_nodes[held_out.labels]
    nodes = {name: held_out.decode(name, decoder, calibrate=calibrate, fit=fit) for name in DECODERS}
    distances = {name: decoder.taxonomy.row_distances(truth, answers) for name, answers in nodes.items()}
    return Outcome(decoder, headline, held_out.probabilities(calibrate), truth, nodes, distances)


def outcome_rows(annotations: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """One row per ROI: the columns of `annotations`, the answers, their distances, and the most probable concepts."""
    decoder, probabilities = outcome.decoder, outcome.probabilities
    rows = annotations.rename(columns={"label": "truth"}).reset_index(drop=True)
    every_roi = np.arange(len(rows))
    rows["prediction"] = decoder.names(outcome.predicted)
    rows["distance"] = outcome.distances[outcome.headline]
    rows["confidence"] = decoder.masses(probabilities)[every_roi, outcome.predicted]
    for name in DECODERS:
        rows[name], rows[f"{name}_distance"] = decoder.names(outcome.nodes[name]), outcome.distances[name]
    concepts = np.array(decoder.classes, dtype=object)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :MOST_PROBABLE]
    for place, columns in enumerate(order.T, start=1):
        rows[f"concept_{place}"] = concepts[columns]
        rows[f"probability_{place}"] = probabilities[every_roi, columns]
    return rows


def outcome_tables(outcome: Outcome, rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The breakdowns and curves of the headline decoder, by name. Args: rows, those of `outcome_rows`."""
    decoder, taxonomy, truth = outcome.decoder, outcome.decoder.taxonomy, outcome.truth
    masses = decoder.mass_at_ranks(outcome.probabilities, outcome.predicted)
    return {
        "concepts": by_concept(taxonomy, decoder.classes, rows["truth"], rows["prediction"]),
        "clades": by_clade(taxonomy, rows["truth"], rows["prediction"]),
        "ranks": by_rank(taxonomy, truth, outcome.predicted, masses),
        "mistakes": by_meeting_rank(taxonomy, truth, outcome.predicted),
        "thresholds": threshold_curve(decoder, outcome.probabilities, truth),
        "reliability": reliability_curve(*outcome.most_probable_taxon()),
    }


def distance_figures(outcome: Outcome, groups: np.ndarray) -> dict[str, float]:
    """The headline MHD, its 95 % interval (left out for a single group, which has none), and the MHD per decoder."""
    distances = outcome.distances[outcome.headline]
    low, high = metrics.bootstrap_interval(distances, groups)
    return {
        "mhd": float(distances.mean()),
        **({} if math.isnan(low) else {"mhd_low": low, "mhd_high": high}),
        **{f"mhd_{name}": float(values.mean()) for name, values in outcome.distances.items()},
    }


def rank_figures(outcome: Outcome, tables: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """Accuracy and calibration error by rank, depth, and where mistakes meet their truth.

    Figures that cannot be computed are left out: JSON has no NaN.
    """
    depths, truth, predicted = outcome.decoder.taxonomy.depths, outcome.truth, outcome.predicted
    ranks, mistakes = tables["ranks"].set_index("rank"), tables["mistakes"].set_index("meets_at")
    return {
        "accuracy": float((predicted == truth).mean()),
        **{f"accuracy_{rank}": share for rank, share in ranks["accuracy"].dropna().items()},
        **{f"ece_{rank}": error for rank, error in ranks["ece"].dropna().items()},
        "depth": float(depths[predicted].mean()),
        "depth_truth": float(depths[truth].mean()),
        **{f"mistakes_meet_at_{rank}": share for rank, share in mistakes["share"].dropna().items()},
    }
