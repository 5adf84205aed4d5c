from dataclasses import replace

import numpy as np
import pytest

from fathomline.decide.curves import reliability_curve, threshold_curve
from fathomline.decide.decode import Decoder
from fathomline.decide.metrics import expected_calibration_error
from fathomline.taxonomy.ranks import RANKS


@pytest.fixture
def decoder(taxonomy) -> Decoder:
    return Decoder(taxonomy, taxonomy.concepts, "tree", dict.fromkeys(map(str, RANKS), 0.5))


@pytest.fixture
def probabilities(taxonomy) -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.full(len(taxonomy.concepts), 0.5), size=40)


def test_each_point_uses_one_threshold_at_every_rank(taxonomy, decoder, probabilities):
    truth = decoder.class_nodes[np.arange(40) % len(taxonomy.concepts)]
    curve = threshold_curve(decoder, probabilities, truth)
    assert curve["threshold"].tolist() == [round(0.02 * step, 2) for step in range(51)]
    for row in curve.iloc[[0, 20, 35, 50]].itertuples():
        answers = replace(decoder, thresholds=dict.fromkeys(map(str, RANKS), row.threshold)).threshold(probabilities)
        assert row.mhd == taxonomy.row_distances(truth, answers).mean()
        assert row.accuracy == (answers == truth).mean()
        assert row.depth == taxonomy.depths[answers].mean()
    assert curve["depth"].is_monotonic_decreasing
    assert curve["mhd"].nunique() > 5


def test_the_gaps_of_the_reliability_curve_average_to_the_calibration_error():
    generator = np.random.default_rng(1)
    confidence = generator.uniform(0.3, 1, size=200)
    right = generator.random(200) < confidence**2
    curve = reliability_curve(confidence, right)
    assert curve["rois"].sum() == 200
    assert (curve["rois"] > 0).all(), "bins without ROIs are left out"
    gaps = (curve["confidence"] - curve["right"]).abs()
    assert np.average(gaps, weights=curve["rois"]) == pytest.approx(expected_calibration_error(confidence, right))
    assert curve["confidence"].is_monotonic_increasing


def test_equal_confidences_make_one_point():
    curve = reliability_curve(np.array([1.0, 1.0]), np.array([True, False]))
    assert curve.to_dict("records") == [{"confidence": 1.0, "right": 0.5, "rois": 2}]
