import math
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fathomline.crop.views import clip, mean_colour, parse_box, render, view_rectangle, whole_pixels
from fathomline.errors import Unusable
from tests.frames import picture

FRAME = (40, 30)
numbers = st.floats(-100, 100) | st.integers(-100, 100)
boxes = st.lists(numbers, min_size=4, max_size=4)


def clipped(bbox: list, frame: tuple[int, int] = FRAME):
    return clip(parse_box(bbox), frame)


@pytest.mark.parametrize(
    ("bbox", "reason"),
    [
        (None, "box is null, expected"),
        ([1, 2, 3], r"box is \[1, 2, 3\], expected"),
        ([1, 2, 3, 4, 5], "expected"),
        ({"x": 1}, "expected"),
        ("1,2,3,4", "expected"),
        (["1", 2, 3, 4], "box has '1', expected four finite numbers"),
        ([1, 2, "NaN", 4], "box has 'NaN'"),
        ([math.nan, 2, 3, 4], "box has nan"),
        ([1, 2, math.inf, 4], "box has inf"),
        ([1, 2, 10**400, 4], "box has 1000"),
        ([1, 2, True, 4], "box has True"),
        ([1, 2, None, 4], "box has null"),
        ([1, 2, 0, 4], "box has width 0 and height 4, expected both above 0"),
        ([10, 20, -5, -6], "box has width -5 and height -6"),
    ],
)
def test_an_invalid_box_is_refused_with_the_reason(bbox, reason):
    with pytest.raises(Unusable, match=reason):
        parse_box(bbox)


@pytest.mark.parametrize("bbox", [[40, 0, 5, 5], [0, 30, 5, 5], [-5, 0, 5, 5], [0, -9, 5, 4], [1e308, 0, 1e308, 1]])
def test_a_box_outside_the_frame_is_refused(bbox):
    with pytest.raises(Unusable, match="outside the frame of 40x30 pixels"):
        clipped(bbox)


def test_a_box_across_the_edge_is_clipped_to_the_frame():
    assert clipped([-3.5, 10, 10, 50]) == (0, 10, 6.5, 30)
    assert clipped([1.5, 2.5, 3, 4]) == (1.5, 2.5, 4.5, 6.5)


def test_a_sliver_is_widened_to_a_pixel_inside_the_frame():
    assert clipped([39.9, 5.2, 0.05, 10]) == (39, 5.2, 40, 15.2)
    assert clipped([-9, -9, 9.1, 9.1]) == (0, 0, 1, 1)
    assert clipped([0, 0, 1e-300, 1e-300], (1, 1)) == (0, 0, 1, 1)


@given(boxes, st.integers(1, 60), st.integers(1, 60))
def test_a_clipped_box_is_inside_the_frame_and_at_least_a_pixel_in_size(bbox, width, height):
    try:
        rectangle = clipped(bbox, (width, height))
    except Unusable:
        return
    for left, top, right, bottom in (rectangle, whole_pixels(rectangle)):
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        assert right - left >= 1 - 1e-9
        assert bottom - top >= 1 - 1e-9


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.just("x"), st.lists, max_leaves=6))
def test_any_json_value_is_a_valid_box_or_unusable(bbox):
    with suppress(Unusable):
        assert all(map(math.isfinite, parse_box(bbox)[:2]))


def test_views_keep_their_centre():
    box = (10.0, 10.0, 14.0, 12.0)
    assert view_rectangle(box, 1.0, FRAME, square=False) == box
    assert view_rectangle(box, 1.0, FRAME, square=True) == (10, 9, 14, 13)
    assert view_rectangle(box, 3.0, FRAME, square=False) == (6, 8, 18, 14)
    assert view_rectangle(box, 3.0, FRAME, square=True) == (6, 5, 18, 17)
    assert view_rectangle(box, "frame", FRAME, square=False) == (0, 0, 40, 30)
    assert view_rectangle(box, "frame", FRAME, square=True) == (0, -5, 40, 35)


def test_a_view_that_needs_no_scaling_has_the_frames_own_pixels():
    image = picture(40, 30)
    shown = render(image, (8, 4, 24, 20), 16)
    assert np.array_equal(shown, np.asarray(image.crop((8, 4, 24, 20))))


def test_pixels_beyond_the_frame_are_its_nearest_pixel_or_its_mean_colour():
    image = picture(16, 16)
    pixels = np.asarray(image)
    edge, mean = (render(image, (-16, 0, 16, 32), 32, beyond) for beyond in (None, mean_colour(image)))
    for shown in (edge, mean):
        assert np.array_equal(shown[:16, 16:], pixels)
    assert np.array_equal(edge[:16, :16], np.repeat(pixels[:, :1], 16, axis=1))
    assert np.array_equal(edge[16:, 16:], np.repeat(pixels[-1:], 16, axis=0))
    assert (edge[16:, :16] == pixels[-1, 0]).all()
    assert np.abs(mean[16:, :16] - pixels.mean(axis=(0, 1))).max() <= 1


def test_shrinking_averages_pixels():
    stripes = np.zeros((240, 240, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    shown = render(Image.fromarray(stripes), (0, 0, 240, 240), 16)
    assert np.abs(shown.astype(int) - 127).max() <= 3


@settings(deadline=None)
@given(boxes, st.sampled_from([0.001, 1.0, 3.0, 1e6, "frame"]), st.booleans(), st.sampled_from(["edge", "mean"]))
def test_every_view_of_a_frame_of_one_colour_has_that_colour(bbox, view, square, padding):
    image = Image.new("RGB", FRAME, (7, 77, 177))
    try:
        rectangle = clipped(bbox)
    except Unusable:
        return
    shown = render(
        image, view_rectangle(rectangle, view, FRAME, square), 16, mean_colour(image) if padding == "mean" else None
    )
    assert shown.shape == (16, 16, 3)
    assert (shown == [7, 77, 177]).all()


@pytest.mark.parametrize("size", [(1, 1), (20_000, 1), (1, 20_000)])
@pytest.mark.parametrize("square", [True, False])
def test_frames_one_pixel_wide_or_high_can_be_shown_in_full(size, square):
    image = Image.new("RGB", size, (7, 77, 177))
    shown = render(image, view_rectangle((0, 0, 1, 1), "frame", size, square), 16)
    assert (shown == [7, 77, 177]).all()
