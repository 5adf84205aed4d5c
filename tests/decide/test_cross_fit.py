from dataclasses import replace

import numpy as np
import pytest

from fathomline.decide.calibrate import fit_temperature, probabilities
from fathomline.decide.cross_fit import CrossFitting
from fathomline.decide.decode import Decoder
from fathomline.decide.thresholds import fit_thresholds
from tests.decide.conftest import CLASSES, THRESHOLDS
from tests.decide.test_calibrate import drawn


def test_a_group_does_not_influence_its_own_temperature():
    logits, labels = drawn(4.0, rois=500)
    groups = np.arange(500) // 5
    before = CrossFitting(logits, labels, groups)
    changed = np.where(groups == 7, (labels + 1) % 5, labels)
    after = CrossFitting(logits, changed, groups)
    mine = groups == 7
    assert (before.probabilities(True)[mine] == after.probabilities(True)[mine]).all()
    assert (before.probabilities(True) != after.probabilities(True)).any()


def test_each_part_has_the_temperature_fitted_on_the_other_parts():
    logits, labels = drawn(3.0, rois=200)
    groups = np.array([f"dive {number % 10}" for number in range(200)])
    held_out = CrossFitting(logits, labels, groups)
    of_dive_6 = groups == "dive 6"
    rest = ~np.isin(groups, ["dive 1", "dive 6"])  # the second and the seventh dive share a part
    expected = probabilities(logits[of_dive_6], fit_temperature(logits[rest], labels[rest]))
    assert held_out.probabilities(True)[of_dive_6] == pytest.approx(expected)
    assert held_out.probabilities(False) == pytest.approx(probabilities(logits))


def test_a_single_group_has_temperature_one():
    logits, labels = drawn(4.0, rois=20)
    assert CrossFitting(logits, labels, np.zeros(20)).temperatures.tolist() == [1.0]


@pytest.mark.parametrize("calibrate", [False, True])
def test_each_part_is_decoded_with_thresholds_and_temperature_fitted_on_the_others(taxonomy, calibrate):
    generator = np.random.default_rng(5)
    decoder = Decoder(taxonomy, CLASSES, "tree", THRESHOLDS)
    logits, labels = 2 * generator.normal(size=(40, 6)), generator.integers(6, size=40)
    groups = np.arange(40) // 4
    held_out = CrossFitting(logits, labels, groups)
    answers = held_out.decode("threshold", decoder, calibrate=calibrate, fit=True)
    differing = 0
    for part in range(5):
        mine, truth = groups % 5 == part, decoder.class_nodes[labels]
        temperature = fit_temperature(logits[~mine], labels[~mine]) if calibrate else 1.0
        thresholds = fit_thresholds(decoder, probabilities(logits[~mine], temperature), truth[~mine])
        expected = replace(decoder, thresholds=thresholds).threshold(probabilities(logits[mine], temperature))
        assert answers[mine].tolist() == expected.tolist()
        leaking = fit_thresholds(decoder, probabilities(logits, temperature), truth)
        leaked = replace(decoder, thresholds=leaking).threshold(probabilities(logits[mine], temperature))
        differing += int((leaked != expected).any())
    assert differing, "fitting on all ROIs would give the same answers, so this test proves nothing"


def test_fitting_thresholds_does_not_change_the_other_decoders(taxonomy):
    generator = np.random.default_rng(0)
    logits, labels, groups = generator.normal(size=(60, 6)), generator.integers(6, size=60), np.arange(60) // 3
    held_out = CrossFitting(logits, labels, groups)
    decoder = Decoder(taxonomy, CLASSES, "tree", THRESHOLDS)
    for name in ("argmax", "risk"):
        fitted, given = (held_out.decode(name, decoder, calibrate=True, fit=fit) for fit in (True, False))
        assert (fitted == given).all()


@pytest.mark.parametrize("calibrate", [False, True])
@pytest.mark.parametrize("fit", [False, True])
@pytest.mark.parametrize("name", ["argmax", "threshold", "risk"])
def test_another_view_is_decoded_with_settings_fitted_on_this_one(taxonomy, name, fit, calibrate):
    generator = np.random.default_rng(5)
    decoder = Decoder(taxonomy, CLASSES, "tree", THRESHOLDS)
    logits, labels = 2 * generator.normal(size=(60, 6)), generator.integers(6, size=60)
    view = 2 * generator.normal(size=(60, 6))
    held_out = CrossFitting(logits, labels, np.arange(60) // 4)
    answers = held_out.decode(name, decoder, calibrate=calibrate, fit=fit, view=view)
    for part in range(5):
        mine = held_out.parts == part
        temperature = held_out.temperatures[part] if calibrate else 1.0
        fitted = decoder
        if fit and name == "threshold":
            others, truth = probabilities(logits[~mine], temperature), decoder.class_nodes[labels[~mine]]
            fitted = replace(decoder, thresholds=fit_thresholds(decoder, others, truth))
        assert answers[mine].tolist() == fitted.decode(name, probabilities(view[mine], temperature)).tolist()
    settings = {"calibrate": calibrate, "fit": fit}
    without_view = held_out.decode(name, decoder, **settings)
    assert (held_out.decode(name, decoder, **settings, view=logits) == without_view).all()
    assert (answers != without_view).any()
