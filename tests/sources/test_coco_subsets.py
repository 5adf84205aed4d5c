"""What a training and a test subset need in a COCO JSON."""

import time
from copy import deepcopy

import pytest

from fathomline.errors import InputError
from tests.sources.coco_exports import CVAT, ROBOFLOW, read


@pytest.mark.parametrize("categories", [[], None, [{"id": 77, "name": "fish"}], [{"id": 1}], "missing"])
def test_a_test_subset_needs_no_categories_and_may_have_its_own(written, categories):
    content = deepcopy(CVAT) | {"categories": categories}
    if categories == "missing":
        del content["categories"]
    content["annotations"][0]["category_id"] = None
    assert read(written(content), labelled=False).coco.categories == []
    content["annotations"][0]["category_id"] = 5
    data = read(written(content), labelled=False)
    assert data.coco.annotations[0]["category_id"] is None
    assert "1 annotation(s) have a `category_id` that the JSON does not define" in data.notes[-1]


@pytest.mark.parametrize(
    "repeated", [[{"id": 1, "name": "a"}, {"id": "1", "name": "b"}], [{"id": 1, "name": "a"}, {"id": 2, "name": " a"}]]
)
def test_categories_of_a_test_subset_that_cannot_be_told_apart_are_ignored(written, repeated):
    content = deepcopy(CVAT) | {
        "categories": [*repeated, {"name": "no id"}, {"id": 5, "name": 5}, {"id": "x", "name": "c"}]
    }
    data = read(written(content), labelled=False)
    assert data.coco.categories == []
    assert all(annotation["category_id"] is None for annotation in data.coco.annotations)
    assert "or whose id or name it repeats; this is fine in a test subset" in data.notes[-1]
    with pytest.raises(InputError, match="categories"):
        read(written(content))


def test_the_labels_of_a_test_subset_are_kept_if_its_categories_define_them(written):
    assert read(written(CVAT), labelled=False).coco.annotations[0]["category_id"] == 1


@pytest.mark.parametrize("annotations", [[], None])
def test_a_test_subset_without_annotations_is_answered_picture_by_picture(written, annotations):
    content = ROBOFLOW | {"annotations": annotations}
    data = read(written(content), labelled=False)
    found = [(one["id"], one["image_id"], one["bbox"]) for one in data.coco.annotations]
    assert found == [(0, 0, "frame"), (1, 1, "frame"), (2, 2, "frame")]
    assert data.notes == ("no annotations: each of the 3 images is one ROI, the whole frame",)
    with pytest.raises(InputError, match="`annotations` is"):
        read(written(content))


def test_a_missing_section_is_reported_as_the_user_wrote_it(written):
    for section in ("images", "annotations", "categories"):
        with pytest.raises(InputError, match=f"`{section}` is missing"):
            read(written({name: entries for name, entries in CVAT.items() if name != section}))
        with pytest.raises(InputError, match=f"`{section}` is a dict, expected a list"):
            read(written(CVAT | {section: {}}))
    with pytest.raises(InputError, match="expected an object with images"):
        read(written([1]))


@pytest.mark.parametrize("annotations", [{}, "", 0, False])
def test_annotations_of_the_wrong_type_are_an_error_and_not_none(written, annotations):
    with pytest.raises(InputError, match=r"`annotations` is a .*, expected a list"):
        read(written(CVAT | {"annotations": annotations}), labelled=False)


def test_many_categories_of_a_test_subset_take_no_longer_than_reading_them(written):
    categories = [{"id": number, "name": f"taxon {number}"} for number in range(30_000)]
    started = time.process_time()
    assert read(written(CVAT | {"categories": categories}), labelled=False).coco.categories == [
        {"id": 1, "name": "taxon 1"}
    ]
    assert time.process_time() - started < 3, "comparing each with each takes about 30 s"
