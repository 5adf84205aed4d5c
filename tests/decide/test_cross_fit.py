from dataclasses import replace

import numpy as np
import pytest

from fathomline.decide.calibrate import fit_temperature, probabilities
from fathomline.decide.cross_fit import CrossFitting
from fathomline.decide.decode import Decoder
from fathomline.decide.thresholds import fit_thresholds
from tests.decide.test_calibrate import drawn
from tests.decide.test_thresholds import CLASSES, SEED_THRESHOLDS


def test_a_row_does_not_take_part_in_its_own_temperature():
    logits, labels = drawn(4.0, rois=500)
    groups = np.arange(500) // 5
    before = CrossFitting(logits, labels, groups)
    changed = np.where(groups == 7, (labels + 1) % 5, labels)
    after = CrossFitting(logits, changed, groups)
    mine = groups == 7
    assert (before.probabilities(True)[mine] == after.probabilities(True)[mine]).all()
    assert (before.probabilities(True) != after.probabilities(True)).any()


def test_each_part_has_the_temperature_that_the_rest_asks_for():
    logits, labels = drawn(3.0, rois=200)
    groups = np.array([f"dive {number % 10}" for number in range(200)])
    held_out = CrossFitting(logits, labels, groups)
    of_dive_6 = groups == "dive 6"
    rest = ~np.isin(groups, ["dive 1", "dive 6"])  # five parts: the second and the seventh of ten dives share one
    expected = probabilities(logits[of_dive_6], fit_temperature(logits[rest], labels[rest]))
    assert held_out.probabilities(True)[of_dive_6] == pytest.approx(expected)
    assert held_out.probabilities(False) == pytest.approx(probabilities(logits))


def test_a_single_group_leaves_the_logits_as_they_are():
    logits, labels = drawn(4.0, rois=20)
    assert CrossFitting(logits, labels, np.zeros(20)).temperatures.tolist() == [1.0]


@pytest.mark.parametrize("calibrate", [False, True])
def test_a_part_is_judged_by_thresholds_and_temperature_that_its_own_truth_has_no_part_in(taxonomy, calibrate):
    generator = np.random.default_rng(5)
    decoder = Decoder(taxonomy, CLASSES, "tree", SEED_THRESHOLDS)
    logits, labels = 2 * generator.normal(size=(40, 6)), generator.integers(6, size=40)
    groups = np.arange(40) // 4
    held_out = CrossFitting(logits, labels, groups)
    answers = held_out.decode("threshold", decoder, calibrate=calibrate, fit=True)
    told_apart = 0
    for part in range(5):
        mine, truth = groups % 5 == part, decoder.class_nodes[labels]
        temperature = fit_temperature(logits[~mine], labels[~mine]) if calibrate else 1.0
        thresholds = fit_thresholds(decoder, probabilities(logits[~mine], temperature), truth[~mine])
        judged = replace(decoder, thresholds=thresholds).threshold(probabilities(logits[mine], temperature))
        assert answers[mine].tolist() == judged.tolist()
        leaking = fit_thresholds(decoder, probabilities(logits, temperature), truth)
        leaked = replace(decoder, thresholds=leaking).threshold(probabilities(logits[mine], temperature))
        told_apart += int((leaked != judged).any())
    assert told_apart, "fitting on its own truth would have been seen"


def test_fitting_thresholds_leaves_the_other_decoders_alone(taxonomy):
    generator = np.random.default_rng(0)
    logits, labels, groups = generator.normal(size=(60, 6)), generator.integers(6, size=60), np.arange(60) // 3
    held_out = CrossFitting(logits, labels, groups)
    decoder = Decoder(taxonomy, CLASSES, "tree", SEED_THRESHOLDS)
    for name in ("argmax", "risk"):
        fitted, given = (held_out.decode(name, decoder, calibrate=True, fit=fit) for fit in (True, False))
        assert (fitted == given).all()


@pytest.mark.parametrize("calibrate", [False, True])
@pytest.mark.parametrize("fit", [False, True])
@pytest.mark.parametrize("name", ["argmax", "threshold", "risk"])
def test_another_view_is_judged_by_what_these_logits_ask_for(taxonomy, name, fit, calibrate):
    generator = np.random.default_rng(5)
    decoder = Decoder(taxonomy, CLASSES, "tree", SEED_THRESHOLDS)
    logits, labels = 2 * generator.normal(size=(60, 6)), generator.integers(6, size=60)
    view = 2 * generator.normal(size=(60, 6))
    held_out = CrossFitting(logits, labels, np.arange(60) // 4)
    answers = held_out.decode(name, decoder, calibrate=calibrate, fit=fit, view=view)
    for part in range(5):
        mine = held_out.parts == part
        temperature = held_out.temperatures[part] if calibrate else 1.0
        judge = decoder
        if fit and name == "threshold":
            others, truth = probabilities(logits[~mine], temperature), decoder.class_nodes[labels[~mine]]
            judge = replace(decoder, thresholds=fit_thresholds(decoder, others, truth))
        assert answers[mine].tolist() == judge.decode(name, probabilities(view[mine], temperature)).tolist()
    settings = {"calibrate": calibrate, "fit": fit}
    as_they_are = held_out.decode(name, decoder, **settings)
    assert (held_out.decode(name, decoder, **settings, view=logits) == as_they_are).all()
    assert (answers != as_they_are).any()
