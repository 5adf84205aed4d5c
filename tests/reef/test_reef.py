"""The reef is a data set in FathomNet's form, determined by its seed."""

from collections import Counter, defaultdict
from statistics import median

import pytest

from reef.reef import Reef
from reef.taxa import CONCEPTS


def boxes(coco):
    return [annotation["bbox"] for annotation in coco["annotations"]]


def test_a_frame_depends_on_its_seed_and_id_but_not_on_the_size_of_the_reef_or_the_order_of_drawing():
    one, other = Reef(frames=10, seed=3), Reef(frames=20, seed=3)
    forwards = [one.frame("train", image_id) for image_id in (1, 2, 3)]
    backwards = [other.frame("train", image_id) for image_id in (3, 2, 1)]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) == 3


def test_a_frame_differs_between_seeds_and_between_subsets():
    frames = {Reef(10, 3).frame("train", 1), Reef(10, 4).frame("train", 1), Reef(10, 3).frame("test", 1)}
    assert len(frames) == 3


def test_annotations_depend_on_the_seed(reef, test):
    assert Reef(reef.frames, reef.seed).coco("test") == test
    assert boxes(Reef(reef.frames, reef.seed + 1).coco("test")) != boxes(test)


def test_a_larger_reef_starts_with_the_annotations_of_a_smaller_one(train):
    small = Reef(frames=24, seed=2025).coco("train")
    assert small["annotations"] == train["annotations"][: len(small["annotations"])]


@pytest.mark.parametrize(("frames", "expected"), [(8, 2), (11, 2), (40, 8), (320, 64)])
def test_test_frames_are_a_fifth_of_the_training_frames_but_at_least_two(frames, expected):
    reef = Reef(frames, seed=0)
    assert len(reef.image_ids("test")) == expected
    assert len(reef.image_ids("train")) == frames


def test_a_frame_outside_the_subset_raises_a_key_error(reef):
    for image_id in (0, 65):
        with pytest.raises(KeyError, match="1 to 64"):
            reef.frame("test", image_id)


def test_coco_has_the_keys_that_fathomnet_writes(train):
    assert set(train) == {"info", "images", "licenses", "annotations", "categories"}
    assert train["images"][0] == {
        "id": 1,
        "width": 640,
        "height": 360,
        "file_name": "000001.png",
        "license": 0,
        "coco_url": "images/train/000001.png",
        "date_captured": None,
    }
    assert list(train["annotations"][0]) == [
        "id",
        "image_id",
        "category_id",
        "segmentation",
        "area",
        "bbox",
        "iscrowd",
    ]


def test_categories_are_numbered_alphabetically_from_one(train, test):
    assert [category["name"] for category in train["categories"]] == list(CONCEPTS)
    assert [category["id"] for category in train["categories"]] == list(range(1, 27))
    assert test["categories"] == train["categories"]


def test_annotation_ids_count_from_one_and_every_frame_has_annotations(train, test):
    for coco in (train, test):
        ids = [annotation["id"] for annotation in coco["annotations"]]
        assert ids == list(range(1, len(ids) + 1))
        assert {annotation["image_id"] for annotation in coco["annotations"]} == {
            image["id"] for image in coco["images"]
        }


def test_boxes_lie_inside_their_frames_and_areas_match_them(train, test):
    for annotation in train["annotations"] + test["annotations"]:
        left, top, width, height = annotation["bbox"]
        assert left >= 0
        assert top >= 0
        assert width >= 3
        assert height >= 3
        assert left + width <= 640
        assert top + height <= 360
        assert annotation["area"] == width * height


def test_fewer_than_three_percent_of_boxes_overlap_another_by_more_than_30_percent(train):
    by_frame = defaultdict(list)
    for annotation in train["annotations"]:
        by_frame[annotation["image_id"]].append(annotation["bbox"])
    largest = [
        max(overlap(one, other) for other in frame if other is not one)
        for frame in by_frame.values()
        for one in frame
        if len(frame) > 1
    ]
    assert sum(share > 0.3 for share in largest) < 0.03 * len(largest)


def overlap(one, other):
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(width, 0) * max(height, 0) / min(one[2] * one[3], other[2] * other[3])


def test_test_annotations_have_no_category_but_labels_returns_it(reef, test, train):
    assert all(annotation["category_id"] is None for annotation in test["annotations"])
    assert list(reef.labels("test")) == [annotation["id"] for annotation in test["annotations"]]
    names = {category["id"]: category["name"] for category in train["categories"]}
    expected = {annotation["id"]: names[annotation["category_id"]] for annotation in train["annotations"]}
    assert reef.labels("train") == expected


def test_every_concept_has_twelve_individuals_in_eight_frames_of_the_default_training_set(train):
    frames = defaultdict(list)
    for annotation in train["annotations"]:
        frames[annotation["category_id"]].append(annotation["image_id"])
    assert set(frames) == set(range(1, 27))
    assert min(len(ids) for ids in frames.values()) >= 12
    assert min(len(set(ids)) for ids in frames.values()) >= 8


def test_eight_training_frames_or_forty_test_frames_show_every_concept():
    assert set(Reef(frames=8, seed=5).labels("train").values()) == set(CONCEPTS)
    assert set(Reef(frames=200, seed=5).labels("test").values()) == set(CONCEPTS)


def test_the_most_common_concept_is_two_to_six_times_as_common_as_the_rarest(reef):
    counts = Counter(reef.labels("train").values()).values()
    assert 2 < max(counts) / min(counts) < 6


def test_frames_hold_one_to_six_individuals(train):
    counts = Counter(annotation["image_id"] for annotation in train["annotations"]).values()
    assert set(counts) == {1, 2, 3, 4, 5, 6}
    assert sum(counts) / len(counts) == pytest.approx(3.375)


def test_test_animals_have_about_half_the_area_of_training_animals_as_in_the_competition(train):
    test = Reef(frames=640, seed=2025).coco("test")
    assert median(annotation["area"] for annotation in train["annotations"]) == pytest.approx(4950, rel=0.15)
    assert median(annotation["area"] for annotation in test["annotations"]) == pytest.approx(2500, rel=0.2)


def test_box_areas_span_more_than_an_order_of_magnitude(train):
    areas = sorted(annotation["area"] for annotation in train["annotations"])
    assert areas[len(areas) * 95 // 100] > 10 * areas[len(areas) * 5 // 100]
