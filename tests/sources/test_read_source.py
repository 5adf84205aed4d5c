"""A subset from its files: where frames lie, which format boxes have, what cannot be read."""

import json
from copy import deepcopy

import pytest

from fathomline.errors import InputError
from fathomline.sources.read_source import SourceRequest, read_source
from tests.sources.coco_exports import CVAT, FATHOMNET, no_fetch, read


def test_boxes_in_other_formats_are_converted(written):
    content = deepcopy(CVAT)
    content["annotations"][0]["bbox"] = [10, 20, 110, 220]
    assert read(written(content), box_format="xyxy").coco.annotations[0]["bbox"] == [10, 20, 100, 200]
    content["annotations"][0]["bbox"] = [0.5, 0.25, 0.125, 0.125]
    assert read(written(content), box_format="xywh_normalized").coco.annotations[0]["bbox"] == [384, 256, 96, 128]
    with pytest.raises(InputError, match=r"annotations.json: the boxes do not look like `xywh`"):
        read(written(content))


def test_normalized_boxes_take_the_size_of_the_frame_from_its_file_if_the_json_has_none(written):
    content = deepcopy(CVAT)
    content["annotations"][0]["bbox"] = [0.5, 0.25, 0.125, 0.125]
    del content["images"][0]["width"]
    data = read(written(content, "dive1/frame_000001.png"), box_format="xywh_normalized")
    assert data.coco.annotations[0]["bbox"] == [384, 256, 96, 128]
    content["images"][0]["coco_url"] = "http://host/1.png"
    with pytest.raises(InputError, match=r"1 of 1 images have no `width` and `height`: images 1; add them"):
        read(written(content), box_format="xywh_normalized")


def test_a_json_that_cannot_be_read_and_a_wrong_folder_are_reported(written, tmp_path):
    with pytest.raises(InputError, match=r"none\.json: no such file; expected a COCO JSON"):
        read(tmp_path / "none.json")
    with pytest.raises(InputError, match=r"nowhere: no such folder; set `source\.images`"):
        read(written(CVAT), images=str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"expected a local path; only `source.name: coco` takes a URL"):
        read_source(SourceRequest("table", "http://x/a.csv"), labelled=True, fetch=no_fetch)


def test_a_json_by_url_keeps_its_address_for_relative_urls_of_frames():
    content = json.dumps(FATHOMNET).encode()
    request = SourceRequest("coco", "http://host/sets/reef.json")
    data = read_source(request, labelled=True, fetch=lambda url: (content, url + "?final"))
    assert data.base == "http://host/sets/reef.json?final"
    assert data.frames is None
