"""Ids that are file names or UUIDs, in the COCO JSON of a subset."""

from copy import deepcopy

import pytest

from fathomline.errors import InputError
from tests.sources.coco_exports import CVAT, ROBOFLOW, read

UUIDS = ["5f0c9d3e-1111-4a4a-9b9b-0123456789ab", "9a8b7c6d-2222-4a4a-9b9b-0123456789ab"]


def as_uuids(content: dict) -> dict:
    """FathomNet's, BIIGLE's or SQUIDLE+'s database ids, or file names, in place of integers."""
    changed = deepcopy(content)
    for image, name in zip(changed["images"], [*UUIDS, "third.jpg"], strict=False):
        for annotation in changed["annotations"]:
            if annotation["image_id"] == image["id"]:
                annotation["image_id"] = name
        image["id"] = name
    for annotation in changed["annotations"]:
        annotation["id"] = f"a-{annotation['id']}"
        annotation["category_id"] = f"taxon {annotation['category_id']}"
    for category in changed["categories"]:
        category["id"] = f"taxon {category['id']}"
    return changed


def test_ids_that_are_file_names_or_uuids_are_numbered_and_kept(written):
    data = read(written(as_uuids(ROBOFLOW)))
    assert [(image["id"], image["source_id"]) for image in data.coco.images] == [
        (1, UUIDS[0]),
        (2, UUIDS[1]),
        (3, "third.jpg"),
    ]
    assert [(each["id"], each["source_id"], each["image_id"]) for each in data.coco.annotations] == [
        (1, "a-0", 1),
        (2, "a-1", 2),
        (3, "a-2", 3),
    ]
    names = {category["id"]: category["name"] for category in data.coco.categories}
    assert [names[each["category_id"]] for each in data.coco.annotations] == ["Asteroidea", "Asteroidea", "Selachii"]


def test_text_ids_that_repeat_or_lead_nowhere_are_reported(written):
    content = as_uuids(ROBOFLOW)
    content["images"][1]["id"] = UUIDS[0]
    content["annotations"][2]["image_id"] = "fourth.jpg"
    with pytest.raises(InputError) as caught:
        read(written(content))
    message = str(caught.value)
    assert f"1 `id` values in `images` are not unique: {UUIDS[0]} (2 times)" in message
    assert "annotations have `image_id` values that the JSON does not define: " in message
    assert "annotations[2] has 'fourth.jpg'" in message


def test_an_id_of_the_users_own_named_source_id_is_not_taken_for_ours(written):
    content = deepcopy(CVAT)
    content["images"][0]["source_id"] = "camera 3"
    assert "source_id" not in read(written(content)).coco.images[0]


def test_annotations_without_any_id_are_numbered(written):
    content = deepcopy(ROBOFLOW)
    for annotation in content["annotations"]:
        del annotation["id"]
    data = read(written(content))
    assert [annotation["id"] for annotation in data.coco.annotations] == [1, 2, 3]
    assert "the 3 annotations have no `id`; numbered in the order of the file" in data.notes


def test_pictures_of_a_test_subset_without_annotations_keep_their_ids(written):
    data = read(written(as_uuids(ROBOFLOW) | {"annotations": []}), labelled=False)
    found = [(one["image_id"], one["source_id"]) for one in data.coco.annotations]
    assert found == [(1, UUIDS[0]), (2, UUIDS[1]), (3, "third.jpg")]
