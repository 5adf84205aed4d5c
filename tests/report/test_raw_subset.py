import json

import pytest

from fathomline.dataset.coco import Coco
from fathomline.dataset.manifest import Record, write_manifest
from fathomline.report.raw_subset import RawSubset, read_raw_subset, without_folder


@pytest.fixture
def subset(tmp_path) -> RawSubset:
    coco = Coco(
        [{"id": 1, "width": "640", "height": 480.0, "source_id": "/home/ann/a7.jpg"}, {"id": 2}],
        [{"id": 1, "image_id": 1, "category_id": None, "bbox": [0, 0, 1, 1], "source_id": "6f2e"}],
        [{"id": 1, "name": "Porifera"}],
        {"description": "Dive 7"},
    )
    (tmp_path / "dataset.json").write_text(json.dumps(coco.content()))
    write_manifest([Record(1, "dive-7/a.JPG", "images/1.jpg", 3, "", "ok", "")], tmp_path / "manifest.csv")
    return read_raw_subset(tmp_path)


def test_a_subset_is_read_as_it_was_downloaded(subset, tmp_path):
    assert subset.coco.info == {"description": "Dive 7"}
    assert subset.frame_path(1) == tmp_path / "images/1.jpg"
    assert (subset.stated_size(1), subset.stated_size(2)) == ((640, 480), None)


def test_a_frame_is_named_by_its_file_else_by_its_location_else_by_its_id(subset):
    assert subset.frame_name(1, "/data/dive-7/a.jpg") == "…/a.jpg"
    assert subset.frame_name(1, " ") == subset.frame_name(1) == "dive-7/a.JPG"
    assert subset.frame_name(2, float("nan")) == "image 2"


def test_ids_are_those_of_the_file_of_the_user(subset):
    assert (subset.image_id(1), subset.image_id(2)) == ("…/a7.jpg", "2")
    assert (subset.annotation_id(1), subset.annotation_id(9)) == ("6f2e", "9")


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("a.jpg", "a.jpg"),
        ("dive-7/a b.jpg", "dive-7/a b.jpg"),
        ("/home/ann/dive-7/a.jpg", "…/a.jpg"),
        ("C:\\Users\\ann\\a.jpg", "…/a.jpg"),
        ("C:a.jpg", "…/a.jpg"),
        ("\\\\server\\share\\a.jpg", "…/a.jpg"),
        ("~/dive-7/a.jpg", "…/a.jpg"),
        ("../../ann/a.jpg", "…/a.jpg"),
        ("dive/../../ann/a.jpg", "…/a.jpg"),
        ("file:///home/ann/a.jpg", "…/a.jpg"),
        ("https://ann:secret@example.org/x/a%20b.jpg?token=secret#1", "…/a b.jpg"),
        ("https://example.org/", "…"),
        ("s3://bucket/ann/a.jpg", "…/a.jpg"),
    ],
)
def test_no_absolute_path_host_or_password_is_shown(location, shown):
    assert without_folder(location) == shown
