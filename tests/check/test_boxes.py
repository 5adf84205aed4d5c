"""The sizes of boxes against those of views."""

import pytest

from fathomline.sources.read_source import SourceRequest
from tests.check.world import World, texts


def boxes_of(*box: float):
    """A change that gives all annotations one box."""

    def change(coco):
        for annotation in coco["annotations"]:
            annotation["bbox"] = list(box)

    return change


def surprises(world: World, *box: float, **sections) -> list[str]:
    return texts(world.check(boxes_of(*box), **sections), "surprise")


def test_boxes_near_the_size_of_the_input_do_not_surprise(world):
    assert surprises(world, 9, 9, 60, 50) == []


def test_boxes_that_are_enlarged_surprise_with_the_parameter_to_change(world):
    (said,) = surprises(world, 9, 9, 31, 25)
    assert said.startswith("most training boxes are enlarged more than 2 times (2.1 times in the median)")
    assert "a train.image_size near 32" in said


def test_a_wider_view_of_a_small_box_is_not_enlarged(world):
    assert surprises(world, 9, 9, 31, 25, crop={"views": [2.0]}) == []


def test_boxes_that_are_shrunk_surprise_with_the_parameter_to_change(world):
    (said,) = surprises(world, 0, 0, 280, 190)
    assert said.startswith("most training boxes are shrunk more than 4 times (4.4 times in the median)")
    assert "raise train.image_size" in said


def test_small_boxes_in_large_frames_surprise_unless_their_surroundings_are_seen(world):
    train, crop = {"image_size": 16}, {"size": 16}
    (said,) = surprises(world, 9, 9, 20, 20, train=train, crop=crop)
    assert said.startswith("training boxes are small parts of their frames (0.67 % in the median)")
    assert surprises(world, 9, 9, 20, 20, train=train, crop=crop | {"views": [1.0, "frame"]}) == []


def test_views_of_whole_frames_of_unknown_size_are_not_judged(world, recwarn):
    def forget_sizes(coco):
        for image in coco["images"]:
            del image["width"], image["height"]
            image["coco_url"] = "https://example.org/1.png"

    request = SourceRequest("coco", world.request("train", forget_sizes).annotations)
    findings = world.check_requests({"train": request}, crop={"views": ["frame"]})
    assert texts(findings, "surprise") == []
    assert any("crop unknown, as the sizes of the frames are unknown" in said for said in texts(findings, "expected"))
    assert not list(recwarn)


def test_median_and_quartiles_of_the_boxes_are_told(world):
    def vary(coco):
        for annotation, side in zip(coco["annotations"], (40, 40, 50, 60, 60, 70, 80, 80), strict=True):
            annotation["bbox"] = [0, 0, side, 30]

    said = texts(world.check(vary), "expected")
    assert (
        "training boxes: longer side 60 px (median; half of them 48 to 72 px), stored at crop.size 72, seen by the "
        "model at train.image_size 64"
    ) in said


def test_boxes_that_cannot_be_cut_are_counted_and_all_of_them_stop(world):
    def flatten(coco):
        coco["annotations"][2]["bbox"] = [9, 9, 0, 60]
        coco["annotations"][3]["bbox"] = [900, 9, 20, 60]

    (said,) = texts(world.check(flatten), "surprise")
    assert said == (
        "2 of 8 training boxes cannot be cut and will be left out; the first, annotation 21: box has width 0 and "
        "height 60, expected both above 0"
    )
    (said,) = texts(world.check(boxes_of(9, 9, 0, 60)), "stop")
    assert said.startswith("8 of 8 training boxes cannot be cut")


@pytest.mark.parametrize(("degraded_size", "said"), [(60.0, True), (59.0, False), (None, False)])
def test_a_degraded_view_that_degrades_nothing_surprises(world, degraded_size, said):
    found = surprises(world, 9, 9, 60, 60, train={"validation.degraded_size": degraded_size})
    assert [line.split(",")[0] for line in found] == ["train.validation.degraded_size is 60"] * said


@pytest.mark.parametrize(
    ("side", "degraded_size", "said"), [(29, None, True), (31, None, False), (29, 25.0, False), (29, 50.0, True)]
)
def test_much_smaller_test_boxes_surprise_unless_the_degraded_view_has_their_size(world, side, degraded_size, said):
    requests = {"train": world.request(), "test": world.request("test", boxes_of(9, 9, side, side))}
    train = {"image_size": 32, "validation.degraded_size": degraded_size}
    found = texts(world.check_requests(requests, train=train), "surprise")
    assert bool(found) == said
    assert all("median size 29 px against 60 px; set train.validation.degraded_size: 29" in line for line in found)
