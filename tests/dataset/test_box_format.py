import pytest

from fathomline.dataset.box_format import in_pixels, refuse_other_format
from fathomline.errors import InputError

FRAME = (200, 100)
CORNERS = [[110, 40, 150, 90], [120, 10, 190, 60], [20, 60, 80, 99], [150, 55, 199, 95]]
COCO = [[left, top, right - left, bottom - top] for left, top, right, bottom in CORNERS]


def refuse(boxes: list, box_format: str = "xywh", sizes: list | None = None) -> None:
    refuse_other_format(boxes, [FRAME] * len(boxes) if sizes is None else sizes, box_format, "train.json")


@pytest.mark.parametrize(
    ("box", "box_format"),
    [
        ([20, 30, 40, 10], "xywh"),
        ([20, 30, 60, 40], "xyxy"),
        ([0.1, 0.3, 0.2, 0.1], "xywh_normalized"),
        ([0.2, 0.35, 0.2, 0.1], "cxcywh_normalized"),
    ],
)
def test_each_format_becomes_left_top_width_height_in_pixels(box, box_format):
    assert in_pixels(box, box_format, FRAME) == pytest.approx([20, 30, 40, 10])


@pytest.mark.parametrize("box", ["frame", None, [1, 2, 3], [1, 2, "3", 4], [1, 2, True, 4], [1, 2, float("nan"), 4]])
def test_anything_but_four_finite_numbers_stays_for_crop_to_report(box):
    assert in_pixels(box, "xyxy", FRAME) is box
    refuse([box] * 9)


@pytest.mark.parametrize("box_format", ["xyxy", "xywh_normalized", "cxcywh_normalized"])
def test_a_box_whose_pixels_exceed_a_float_is_left_to_crop_to_report(box_format):
    assert in_pixels([-1.5e308, 0, 1.5e308, 1], box_format, FRAME) is None


def test_a_normalized_box_needs_the_size_of_its_frame():
    with pytest.raises(ValueError, match="size of its frame"):
        in_pixels([0.1, 0.1, 0.2, 0.2], "xywh_normalized", None)


def test_fractions_are_not_taken_for_pixels():
    fractions = [[x / 200, y / 100, w / 200, h / 100] for x, y, w, h in COCO]
    for box_format in ("xywh", "xyxy"):
        with pytest.raises(InputError, match=r"train\.json: .*`source.box_format: xywh_normalized`"):
            refuse(fractions, box_format, sizes=[None] * 4)
    refuse(fractions, "xywh_normalized")


def test_fractions_around_a_centre_are_told_from_those_with_a_corner():
    centred = [[0.9, 0.9, 0.2, 0.2], [0.5, 0.5, 0.1, 0.1]]
    with pytest.raises(InputError, match=r"`source\.box_format: cxcywh_normalized`"):
        refuse(centred)


@pytest.mark.parametrize("flawed", [[0.5, 0.5, 0.5, 1.004], [-0.003, 0.2, 0.1, 0.1], [0.5, 0.5, 80, 0.1]])
def test_a_fraction_beyond_the_edge_does_not_hide_that_the_others_are_fractions(flawed):
    fractions = [[0.7, 0.6, 0.2, 0.1], [0.1, 0.2, 0.3, 0.3]] * 10
    with pytest.raises(InputError, match=r"`source\.box_format: xywh_normalized`"):
        refuse([*fractions, flawed])


CORNER_FRACTIONS = [[x / 200, y / 100, right / 200, bottom / 100] for x, y, right, bottom in CORNERS]


@pytest.mark.parametrize("box_format", ["xywh", "xyxy", "xywh_normalized", "cxcywh_normalized"])
def test_corners_as_fractions_are_not_taken_for_another_format(box_format):
    with pytest.raises(InputError, match="corners as fractions of the frame, which no"):
        refuse(CORNER_FRACTIONS * 3, box_format)


def test_fractions_around_a_centre_are_not_taken_for_those_with_a_corner():
    centred = [[0.9, 0.5, 0.2, 0.2], [0.8, 0.9, 0.3, 0.2], [0.5, 0.5, 0.1, 0.1]]
    with pytest.raises(InputError, match=r"8 of 12 boxes would extend beyond .*`source.box_format: cxcywh_normalized`"):
        refuse(centred * 4, "xywh_normalized")
    refuse(centred * 3, "xywh_normalized")
    refuse(centred, "cxcywh_normalized")


def test_corners_are_not_taken_for_widths_and_heights():
    with pytest.raises(InputError, match=r"4 of 4 boxes would end beyond their frame.*`source.box_format: xyxy`"):
        refuse(CORNERS)
    refuse(CORNERS, "xyxy")


def test_widths_and_heights_are_not_taken_for_corners():
    with pytest.raises(InputError, match=r"4 of 4 boxes would end before they begin.*`source.box_format: xywh`"):
        refuse(COCO, "xyxy")


def test_pixels_are_not_taken_for_fractions():
    with pytest.raises(InputError, match=r"4 of 4 boxes have numbers above 2.*`source.box_format: xywh`"):
        refuse(COCO, "xywh_normalized")


def test_boxes_that_cross_the_edge_of_their_frame_are_no_reason_to_stop():
    crossing = [[x, y, w * 2, h] for x, y, w, h in COCO]
    refuse(crossing)
    refuse([[190, 90, 12, 12], [195, 40, 8, 8]])


def test_one_flawed_box_does_not_hide_that_the_others_are_corners():
    with pytest.raises(InputError, match="xyxy"):
        refuse([*CORNERS * 10, [50, 50, 50, 50]])
    with pytest.raises(InputError, match="41 of 41 boxes would end beyond their frame, and 1 would as corners"):
        refuse([*[[110, 40, 150, 90]] * 40, [20, 10, 206, 50]])


def test_corners_in_frames_of_unknown_size_are_left_to_crop():
    refuse(CORNERS, sizes=[None] * 4)


def test_a_format_that_the_file_prescribes_cannot_be_changed_by_a_parameter():
    with pytest.raises(InputError, match="The header of the file says `xyxy`; correct the numbers") as caught:
        refuse_other_format(COCO, [FRAME] * 4, "xyxy", "boxes.csv", prescribed=True)
    assert "source.box_format" not in str(caught.value)
