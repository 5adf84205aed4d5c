from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from fathomline.learn.appearance import rescaled
from fathomline.learn.detail import coarsened, remaining_detail
from tests.crops import with_views


@pytest.fixture
def boxes(crops):
    """Three ROIs of 30 by 40, 60 by 80 and 160 by 120 pixels in frames of 640 by 480, and of 480 by 640."""
    table = pd.DataFrame({"w": [30.0, 60.0, 160.0], "h": [40.0, 80.0, 120.0]})
    table["frame_w"], table["frame_h"] = [640, 640, 480], [480, 480, 640]
    return with_views(crops, 1.0, 3.0, "frame", annotations=table)


MEDIAN = np.sqrt(60.0 * 80.0)


def test_frames_are_scaled_down_until_the_median_roi_has_the_size_asked_for(boxes):
    detail = remaining_detail(boxes, MEDIAN / 2)
    assert detail.tolist() == [[20, 60, 320], [40, 120, 320], [80, 240, 320]]
    assert detail.dtype == np.int64


def test_pixels_are_rounded_to_the_nearest(boxes):
    # 0.63 times 40, 120 and 640; 80 and 240; 160 and 480.
    assert remaining_detail(boxes, 0.63 * MEDIAN).tolist() == [[25, 76, 403], [50, 151, 403], [101, 302, 403]]


def test_every_roi_is_scaled_by_the_factor_of_the_median_one(boxes):
    table = boxes.annotations.assign(w=[30.0, 60.0, 1600.0])  # the mean grows, the median stays
    changed = remaining_detail(replace(boxes, annotations=table), MEDIAN / 2)
    assert changed.tolist() == [[20, 60, 320], [40, 120, 320], [800, 2400, 320]]


def test_frames_are_never_scaled_up(boxes):
    as_it_is = [[40, 120, 640], [80, 240, 640], [160, 480, 640]]
    assert remaining_detail(boxes, MEDIAN).tolist() == as_it_is
    assert remaining_detail(boxes, 10 * MEDIAN).tolist() == as_it_is


def test_a_view_keeps_a_pixel_at_least(boxes):
    assert remaining_detail(boxes, MEDIAN / 1000).tolist() == [[1, 1, 1]] * 3


@pytest.fixture
def images() -> torch.Tensor:
    """Three ROIs in two views of 16 px."""
    return 255 * torch.rand(3, 2, 3, 16, 16, generator=torch.Generator().manual_seed(2))


def test_pictures_with_pixels_enough_stay_bit_for_bit(images):
    assert torch.equal(coarsened(images, np.full((3, 2), 16)), images)
    assert torch.equal(coarsened(images, np.full((3, 2), 500)), images)


def test_each_picture_is_coarsened_to_its_own_detail(images):
    detail = np.array([[4, 16], [7, 4], [100, 1]])
    result = coarsened(images, detail)
    assert result.shape == images.shape
    for roi, view in np.ndindex(3, 2):
        expected = rescaled(images[roi, [view]], min(16, int(detail[roi, view])))[0]
        assert torch.allclose(result[roi, view], expected, atol=1e-3)
    assert result[2, 1].std(dim=(1, 2)).max() < 1e-3, "of one pixel, one colour is left"
    untouched = [(roi, view) for roi, view in np.ndindex(3, 2) if torch.equal(result[roi, view], images[roi, view])]
    assert untouched == [(0, 1), (2, 0)]


@pytest.mark.parametrize("as_stored", [torch.float32, torch.uint8])
def test_the_pictures_given_are_not_changed(images, as_stored):
    images = images.to(as_stored)
    before = images.clone()
    result = coarsened(images, np.full((3, 2), 3))
    assert torch.equal(images, before)
    assert result.dtype == torch.float32
    assert not torch.equal(result, before.float())
