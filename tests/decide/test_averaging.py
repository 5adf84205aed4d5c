import numpy as np
import pytest
from scipy.special import log_softmax

from fathomline.decide.averaging import averaged, averaged_by_set, ensemble_probabilities
from fathomline.decide.calibrate import probabilities
from fathomline.model.orientations import ORIENTATION_SETS, ORIENTATIONS


def test_probabilities_are_averaged_over_orientations():
    logits = np.random.default_rng(0).normal(size=(4, 10, 6)).astype(np.float32)
    expected = np.mean([probabilities(one) for one in logits], axis=0)
    assert probabilities(averaged(logits)) == pytest.approx(expected, abs=1e-6)
    assert averaged(logits[:1]) == pytest.approx(log_softmax(logits[0], axis=1), abs=1e-6)


def test_a_set_is_averaged_if_all_its_orientations_are_stored():
    logits = np.random.default_rng(0).normal(size=(8, 5, 6)).astype(np.float32)
    names = list(ORIENTATIONS)
    by_set = averaged_by_set(logits, names)
    assert list(by_set) == list(ORIENTATION_SETS)
    for name, orientations in ORIENTATION_SETS.items():
        assert (by_set[name] == averaged(logits[[names.index(one) for one in orientations]])).all()
    assert list(averaged_by_set(logits[:4], names[:4])) == ["none", "mirror", "flips"]
    assert list(averaged_by_set(logits[:1], names[:1])) == ["none"]


def test_the_ensemble_is_the_mean_of_its_models_calibrated_probabilities():
    logits = np.random.default_rng(0).normal(size=(2, 3, 7, 6)).astype(np.float32)
    each = [probabilities(averaged(of_fold), 2.0) for of_fold in logits]
    assert ensemble_probabilities({4: logits[0], 1: logits[1]}, 2.0) == pytest.approx((each[0] + each[1]) / 2)
