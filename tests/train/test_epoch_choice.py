"""Which epoch is chosen, and when training stops."""

from dataclasses import replace

import pytest
import torch

from fathomline.config import with_values
from fathomline.model.classifier import Classifier
from fathomline.train.train import train
from fathomline.train.validate import Validation
from tests.colored_crops import CLASSES, weights


class Scores:
    """Replaces validation: returns the given MHD for each epoch and records its weights."""

    def __init__(self, mhds: tuple[float, ...], degraded: tuple[float, ...]) -> None:
        self.mhds, self.degraded, self.heads = mhds, degraded, []

    def validate(self, classifier: Classifier, *_: object, degraded: bool) -> Validation:
        self.heads.append(classifier.head.weight.detach().clone())
        number = len(self.heads)
        mhd_degraded = self.degraded[number - 1] if degraded else None
        return Validation(1.0, 1.0, 1.0, self.mhds[number - 1], number / 100, mhd_degraded)


@pytest.fixture
def scores(monkeypatch):
    def make(*mhds: float, degraded: tuple[float, ...] = ()) -> Scores:
        stand_in = Scores(mhds, degraded)
        monkeypatch.setattr("fathomline.train.trainer.validate", stand_in.validate)
        return stand_in

    return make


def test_the_epoch_with_the_least_mhd_is_chosen(crops, rows, taxonomy, config, scores):
    given = scores(3.0, 1.0, 2.0)
    trained = train(crops, rows, taxonomy, CLASSES, config)
    assert trained.best.epoch == 2, "by MHD; the accuracy is highest in the last epoch"
    assert torch.equal(weights(trained)["head.weight"], given.heads[1])
    assert not torch.equal(given.heads[1], given.heads[2])


def test_the_first_of_equal_epochs_is_chosen(crops, rows, taxonomy, config, scores):
    scores(2.0, 1.0, 1.0)
    assert train(crops, rows, taxonomy, CLASSES, config).best.epoch == 2


def test_training_stops_when_patience_runs_out(crops, rows, taxonomy, config, scores):
    patient = with_values(config, epochs=8, validation={"patience": 2, "min_delta": 0.1})
    scores(3.0, 2.0, 1.95, 1.95, 1.0, 1.0, 1.0, 1.0)
    trained = train(crops, rows, taxonomy, CLASSES, patient)
    assert [epoch.epoch for epoch in trained.history] == [1, 2, 3, 4]
    assert trained.best.epoch == 3, "the best epoch, although it improves by less than min_delta"


def test_without_patience_all_epochs_run(crops, rows, taxonomy, config, scores):
    scores(1.0, 2.0, 3.0, 4.0)
    assert len(train(crops, rows, taxonomy, CLASSES, replace(config, epochs=4)).history) == 4


def test_the_epoch_is_chosen_on_the_selected_view(crops, rows, taxonomy, config, scores):
    for view, epoch in (("plain", 3), ("degraded", 2)):
        given = scores(3.0, 2.5, 1.0, degraded=(3.0, 1.0, 2.0))
        trained = train(
            crops, rows, taxonomy, CLASSES, with_values(config, validation={"select_on": view, "degraded_size": 5.0})
        )
        assert trained.best.epoch == epoch
        assert torch.equal(weights(trained)["head.weight"], given.heads[epoch - 1])


def test_patience_applies_to_the_selected_view(crops, rows, taxonomy, config, scores):
    patient = with_values(config, epochs=6, validation={"patience": 2, "min_delta": 0.1, "degraded_size": 5.0})
    for view, last in (("plain", 6), ("degraded", 4)):
        scores(6.0, 5.0, 4.0, 3.0, 2.0, 1.0, degraded=(3.0, 2.0, 1.95, 1.95, 1.0, 0.5))
        assert (
            train(crops, rows, taxonomy, CLASSES, with_values(patient, validation={"select_on": view}))
            .history[-1]
            .epoch
            == last
        )


def test_selecting_on_a_degraded_view_without_a_size_is_refused(config):
    with pytest.raises(
        ValueError, match=r"`validation.select_on` is degraded, but `validation.degraded_size` is null; set"
    ):
        with_values(config, validation={"select_on": "degraded"})
