from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from fathomline.config import with_values
from fathomline.model import degrade
from fathomline.model.degrade import degraded, degraded_scale, multiplied_to, resized_to, view_spans
from fathomline.model.transforms import full_views
from fathomline.train.augment import augmented
from fathomline.train.inputs import PixelInputs

MEDIAN = np.sqrt(60.0 * 80.0)


def rescaled(images: torch.Tensor, size: int) -> torch.Tensor:
    """The definition: (pictures, 3, side, side) scaled down with antialiasing, and up again."""
    side = images.shape[-1]
    down = functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return functional.interpolate(down, size=(side, side), mode="bilinear", align_corners=False)


def test_spans_are_the_longer_sides_of_the_views(boxes):
    spans = view_spans(boxes)
    assert spans.tolist() == [[40, 120, 640], [80, 240, 640], [160, 480, 640]]
    assert spans.dtype == np.float64


def test_frames_are_scaled_to_give_the_median_roi_the_requested_size(boxes):
    assert degraded_scale(boxes, MEDIAN / 2) == pytest.approx(0.5)
    assert degraded_scale(boxes, 0.63 * MEDIAN) == pytest.approx(0.63)


def test_the_scale_follows_the_median_roi_rather_than_the_mean(boxes):
    table = boxes.annotations.assign(w=[30.0, 60.0, 1600.0])  # the mean grows, the median stays
    assert degraded_scale(replace(boxes, annotations=table), MEDIAN / 2) == pytest.approx(0.5)


def test_frames_are_never_scaled_up(boxes):
    assert degraded_scale(boxes, MEDIAN) == pytest.approx(1.0)
    assert degraded_scale(boxes, 10 * MEDIAN) == 1.0


@pytest.fixture
def images() -> torch.Tensor:
    """Three ROIs in two views of 16 px."""
    return 255 * torch.rand(3, 2, 3, 16, 16, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("remaining", [16, 15.6, 500, np.inf])
def test_pictures_with_enough_remaining_pixels_are_unchanged(images, remaining):
    assert torch.equal(degraded(images, np.full((3, 2), remaining)), images)


@pytest.fixture(params=["resized", "multiplied"])
def every_method(request, monkeypatch) -> None:
    """Runs a test with the method for CPUs, then with the method for GPUs."""
    if request.param == "multiplied":
        monkeypatch.setattr(degrade, "resized_to", multiplied_to)


@pytest.mark.usefixtures("every_method")
def test_each_picture_is_degraded_to_its_rounded_number_of_remaining_pixels(images):
    remaining = np.array([[4.4, 16], [6.6, 7.5], [100, 0.2]])
    result = degraded(images, remaining)
    assert result.shape == images.shape
    for (roi, view), size in {(0, 0): 4, (1, 0): 7, (1, 1): 8, (2, 1): 1}.items():
        assert torch.allclose(result[roi, view], rescaled(images[roi, [view]], size)[0], atol=1e-2)
    assert result[2, 1].std(dim=(1, 2)).max() < 1e-3, "a single pixel has one colour"
    untouched = [(roi, view) for roi, view in np.ndindex(3, 2) if torch.equal(result[roi, view], images[roi, view])]
    assert untouched == [(0, 1), (2, 0)]


@pytest.mark.parametrize("side", [7, 16, 33])
def test_matrix_products_give_the_same_pictures_as_resizing(side):
    pictures = 255 * torch.rand(2 * side, 3, side, side, generator=torch.Generator().manual_seed(5))
    sizes = np.tile(np.arange(1, side + 1), 2)
    expected = torch.cat([resized_to(picture[None], sizes[[place]]) for place, picture in enumerate(pictures)])
    assert torch.allclose(multiplied_to(pictures, sizes), expected, atol=1e-2)
    assert torch.allclose(expected[:5], torch.cat([rescaled(pictures[[n]], n + 1) for n in range(5)]), atol=1e-3)


def test_operators_never_exceed_their_memory_limit(images, monkeypatch):
    seen = []

    def record(pictures, sizes):
        seen.append(len(sizes))
        return multiplied_to(pictures, sizes)

    monkeypatch.setattr(degrade, "_of_one_size", lambda chosen, sizes: degrade._of_limited_memory(chosen, 16))
    monkeypatch.setattr(degrade, "resized_to", record)
    monkeypatch.setattr(degrade, "OPERATOR_BYTES", 2 * 2 * 4 * 16**2)
    remaining = np.array([[4, 5], [6, 16], [7, 8]])
    result = degraded(images, remaining)
    assert seen == [2, 2, 1]
    assert torch.allclose(result[2, 1], rescaled(images[2, [1]], 8)[0], atol=1e-2)
    degrade._operators.cache_clear()
    operator = degrade._operators(16, images.device)
    assert operator.cache_info().maxsize == 4
    degrade._operators.cache_clear()


@pytest.mark.parametrize("as_stored", [torch.float32, torch.uint8])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_input_pictures_are_not_modified(images, as_stored, layout):
    images = images.to(as_stored).flatten(0, 1).contiguous(memory_format=layout).unflatten(0, (3, 2))
    before = images.clone()
    result = degraded(images, np.full((3, 2), 3))
    assert torch.equal(images, before)
    assert result.dtype == torch.float32
    assert torch.allclose(result.flatten(0, 1), rescaled(before.float().flatten(0, 1), 3), atol=1e-2)


@pytest.fixture
def still(config):
    """Training in which only the degradation is random."""
    return with_values(
        config,
        image_size=32,
        augment={"min_crop": 1.0, "horizontal_flip": False, "vertical_flip": False, "degradation": 1.0},
    )


SCALE = 0.21
"""Leaves 8, 25 and 134 pixels of the first ROI's views, 17, 50 and 134 of the second's, at least 34 of the third's."""


def test_training_and_validation_degrade_pictures_alike(boxes, still, cpu, monkeypatch):
    monkeypatch.setattr("fathomline.train.augment.drawn_scales", lambda rois, *_: np.full(rois, SCALE))
    inputs, rows = PixelInputs(boxes.pixels, view_spans(boxes), SCALE, still, cpu), np.arange(3)
    trained = inputs.batch(rows, torch.Generator())
    seen = []
    classifier = torch.nn.Module()
    classifier.head = torch.nn.Linear(1, 2)
    classifier.forward = lambda views: seen.append(views) or torch.zeros(len(views), 2)
    inputs.logits(classifier, rows, degraded=True)
    assert torch.equal(torch.cat(seen), trained)
    stored = full_views(boxes.pixels, rows, 32, cpu).float()
    changed = (trained != stored).flatten(2).any(dim=2)
    assert changed.tolist() == [[True, True, False], [True, False, False], [False, False, False]]
    assert torch.allclose(trained[0, 0], rescaled(stored[0, [0]], 8)[0], atol=1e-2)
    assert torch.allclose(trained[0, 1], rescaled(stored[0, [1]], 25)[0], atol=1e-2)


@pytest.fixture
def remaining_in_training(monkeypatch) -> list[np.ndarray]:
    """The `remaining` of each batch in training."""
    seen = []
    monkeypatch.setattr("fathomline.train.augment.degraded", lambda images, left: seen.append(left) or images.float())
    return seen


def test_each_roi_draws_one_frame_scale_for_all_its_views(boxes, still, cpu, remaining_in_training):
    spans, generator = view_spans(boxes), torch.Generator().manual_seed(0)
    for _ in range(100):
        augmented(boxes.pixels, np.array([2, 0, 1, 2]), spans, still, generator, cpu)
    scales = np.stack(remaining_in_training) / spans[[2, 0, 1, 2]]
    assert np.allclose(scales, scales[..., :1])
    drawn = scales[..., 0]
    assert 0.01 <= drawn.min() < 0.05
    assert 0.95 < drawn.max() <= 1
    assert drawn.mean() == pytest.approx(0.505, abs=0.06)
    assert np.abs(drawn[:, 0] - drawn[:, 3]).mean() > 0.2, "the ROIs of a batch have different scales"


def test_a_random_crop_leaves_only_the_pixels_of_its_window(boxes, still, cpu, remaining_in_training, monkeypatch):
    monkeypatch.setattr("fathomline.train.augment.drawn_scales", lambda rois, *_: np.full(rois, 0.5))
    spans, windows = view_spans(boxes), set()
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        augmented(boxes.pixels, np.arange(3), spans, with_values(still, augment={"min_crop": 0.25}), generator, cpu)
        share = remaining_in_training[-1] / (0.5 * spans)
        assert np.allclose(share, share[:, :1])
        windows |= set((32 * share[:, 0]).round(6))
    assert windows <= {float(side) for side in range(8, 33)}, "whole numbers of stored pixels"
    assert len(windows) > 10


def test_the_requested_share_of_rois_is_degraded(boxes, still, cpu, remaining_in_training):
    spans, generator = np.full((400, 3), 20.0), torch.Generator().manual_seed(1)
    pixels = np.zeros((400, 3, 32, 32, 3), dtype=np.uint8)
    augmented(pixels, np.arange(400), spans, with_values(still, augment={"degradation": 0.3}), generator, cpu)
    chosen = np.isfinite(remaining_in_training[0])
    assert (chosen == chosen[:, :1]).all()
    assert chosen[:, 0].mean() == pytest.approx(0.3, abs=0.06)
