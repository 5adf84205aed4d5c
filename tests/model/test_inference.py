from dataclasses import replace

import numpy as np
import pytest
import torch

from fathomline.model.backbone import build
from fathomline.model.classifier import Classifier
from fathomline.model.degrade import degraded
from fathomline.model.inference import predict_logits
from fathomline.model.orientations import ORIENTATION_SETS
from fathomline.model.transforms import full_views
from fathomline.train.design import design
from tests.colored_crops import CLASSES

ROWS = np.array([7, 3, 99, 3, 50, 8, 11])


@pytest.fixture
def classifier(config) -> Classifier:
    torch.manual_seed(0)
    return build(design(replace(config, backbone="test_vit"), views=2, classes=len(CLASSES)))


def logits_of(classifier: Classifier, views: torch.Tensor) -> np.ndarray:
    classifier.eval()
    with torch.no_grad():
        return classifier(views).numpy()


def test_logits_are_in_the_order_of_the_rows(classifier, two_views, cpu):
    logits = predict_logits(classifier.train(), two_views.pixels, ROWS, 16)
    assert logits.shape == (1, 7, 3)
    assert logits.dtype == np.float32
    assert logits[0] == pytest.approx(logits_of(classifier, full_views(two_views.pixels, ROWS, 16, cpu)), abs=1e-5)
    assert np.ptp(logits[0], axis=0).min() > 1e-3, "otherwise the order would not matter"
    assert not classifier.training


def test_each_orientation_has_its_own_logits(classifier, two_views, cpu):
    pixels = two_views.pixels[ROWS]
    oriented_pixels = {
        "transpose": pixels.transpose(0, 1, 3, 2, 4),
        "identity": pixels,
        "flip_left_right": pixels[:, :, :, ::-1],
        "rotate_180": pixels[:, :, ::-1, ::-1],
    }
    logits = predict_logits(classifier, two_views.pixels, ROWS, 16, orientations=tuple(oriented_pixels))
    assert logits.shape == (4, 7, 3)
    for found, picture in zip(logits, oriented_pixels.values(), strict=True):
        views = full_views(np.ascontiguousarray(picture), np.arange(7), 16, cpu)
        assert found == pytest.approx(logits_of(classifier, views), abs=2e-2)
    assert np.abs(logits[0] - logits[1]).max() > 0.03
    every = predict_logits(classifier, two_views.pixels, ROWS, 16, orientations=ORIENTATION_SETS["turns"])
    assert every.shape == (8, 7, 3)
    assert every[0] == pytest.approx(logits[1], abs=1e-6)


def test_views_are_degraded_to_the_remaining_pixels_of_their_rows(classifier, two_views, cpu):
    remaining = np.random.default_rng(0).uniform(1, 20, (120, 2))
    logits = predict_logits(classifier, two_views.pixels, ROWS, 16, remaining=remaining)
    views = degraded(full_views(two_views.pixels, ROWS, 16, cpu), remaining[ROWS])
    assert logits[0] == pytest.approx(logits_of(classifier, views), abs=1e-5)
    assert np.abs(logits - predict_logits(classifier, two_views.pixels, ROWS, 16)).max() > 1e-3


def test_no_rows_give_an_empty_array_of_logits(classifier, two_views):
    rows = np.zeros(0, dtype=np.int64)
    assert predict_logits(classifier, two_views.pixels, rows, 16, orientations=("identity", "transpose")).shape == (
        2,
        0,
        3,
    )


def test_no_batch_exceeds_the_largest_size(classifier, two_views, monkeypatch):
    seen, forward = [], Classifier.forward
    monkeypatch.setattr(Classifier, "forward", lambda model, views: seen.append(len(views)) or forward(model, views))
    assert predict_logits(classifier, two_views.pixels, ROWS, 16, largest_batch=3).shape == (1, 7, 3)
    assert seen == [3, 3, 1]


def test_logits_are_computed_in_inference_mode(classifier, two_views, monkeypatch):
    modes, forward = [], Classifier.forward

    def record(model, views):
        modes.append(torch.is_inference_mode_enabled())
        return forward(model, views)

    monkeypatch.setattr(Classifier, "forward", record)
    predict_logits(classifier, two_views.pixels, ROWS, 16, largest_batch=3)
    assert not torch.is_inference_mode_enabled(), "the caller's mode is restored"
    assert modes == [True] * 3


def test_the_batch_is_halved_when_the_classifier_runs_out_of_memory(classifier, two_views, monkeypatch, capsys):
    expected = predict_logits(classifier, two_views.pixels, np.arange(60), 16)
    forward = Classifier.forward

    def limited(model, views):
        if len(views) > 10:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(model, views)

    monkeypatch.setattr(Classifier, "forward", limited)
    logits = predict_logits(classifier, two_views.pixels, np.arange(60), 16)
    assert logits == pytest.approx(expected, abs=1e-5)
    assert "continuing with 7" in capsys.readouterr().err
