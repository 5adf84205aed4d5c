"""COCO JSONs in the real shape of what annotation tools export, read with frames in a folder beside them."""

import json
from copy import deepcopy

import pytest

from fathomline.errors import InputError
from fathomline.sources.read_source import SourceRequest, read_source
from tests.frames import as_json, png


def no_fetch(url: str):
    raise AssertionError(f"fetched {url}")


def read(path, *, labelled: bool = True, images: str | None = None, box_format: str = "xywh"):
    request = SourceRequest("coco", str(path), images, box_format)
    return read_source(request, labelled=labelled, fetch=no_fetch)


@pytest.fixture
def written(tmp_path):
    """Writes a JSON, and a frame under each name given, and returns the JSON's path."""

    def write(content: dict, *frames: str, name: str = "export/annotations.json"):
        path = tmp_path / name
        for frame in frames:
            (path.parent / frame).parent.mkdir(parents=True, exist_ok=True)
            (path.parent / frame).write_bytes(png(width=768, height=1024))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(as_json(content))
        return path

    return write


ROBOFLOW = {
    "info": {
        "year": "2024",
        "version": "2",
        "description": "Exported from roboflow.com",
        "contributor": "",
        "url": "https://public.roboflow.com/object-detection/undefined",
        "date_created": "2024-03-05T10:11:12+00:00",
    },
    "licenses": [{"id": 1, "url": "https://creativecommons.org/licenses/by/4.0/", "name": "CC BY 4.0"}],
    "categories": [
        {"id": 0, "name": "creatures", "supercategory": "none"},
        {"id": 1, "name": "Asteroidea", "supercategory": "creatures"},
        {"id": 2, "name": "Selachii", "supercategory": "creatures"},
    ],
    "images": [
        {
            "id": number,
            "license": 1,
            "file_name": name,
            "height": 1024,
            "width": 768,
            "date_captured": "2024-03-05T10:11:12+00:00",
            "extra": {"name": "IMG_2301.jpeg"},
        }
        for number, name in enumerate(
            [
                "IMG_2301_jpeg_jpg.rf.0b2bd0a1f6d4a6a4c9aac5b6a7fb0cf1.jpg",
                "IMG_2301_jpeg_jpg.rf.77aa1d0a1f6d4a6a4c9aac5b6a7fb0c2.jpg",
                "IMG_8599_MOV-3_jpg.rf.412a1f0a1f6d4a6a4c9aac5b6a7fb0c3.jpg",
            ]
        )
    ],
    "annotations": [
        {
            "id": 0,
            "image_id": 0,
            "category_id": 1,
            "bbox": [1, 2, 30, 40],
            "area": 1200,
            "segmentation": [],
            "iscrowd": 0,
        },
        {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "bbox": [5, 2, 30.5, 40],
            "area": 1220,
            "segmentation": [],
            "iscrowd": 0,
        },
        {
            "id": 2,
            "image_id": 2,
            "category_id": 2,
            "bbox": [9, 9, 90, 90],
            "area": 8100,
            "segmentation": [],
            "iscrowd": 0,
        },
    ],
}


def test_roboflow_the_unused_root_category_is_ignored_and_augmented_copies_are_reported(written):
    path = written(ROBOFLOW, *(image["file_name"] for image in ROBOFLOW["images"]), name="train/_annotations.coco.json")
    data = read(path)
    assert [category["name"] for category in data.coco.categories] == ["Asteroidea", "Selachii"]
    assert data.notes[1] == "1 categories have no annotations and are ignored: 'creatures'"
    assert data.notes[0].startswith("3 images are copies of 2 pictures, augmented by Roboflow; set `split.gr")
    assert [image["roboflow_original"] for image in data.coco.images] == ["IMG_2301_jpeg_jpg"] * 2 + [
        "IMG_8599_MOV-3_jpg"
    ]
    assert data.frames.find(ROBOFLOW["images"][2]["file_name"]).parent == path.parent
    assert data.coco.info["date_created"] == "2024-03-05T10:11:12+00:00"
    assert data.coco.info["description"] == "train/_annotations.coco.json"


def test_roboflow_the_folder_of_a_subset_stands_for_the_json_in_it(written):
    path = written(ROBOFLOW, name="train/_annotations.coco.json")
    assert read(path.parent).coco.content() | {"info": {}} == read(path).coco.content() | {"info": {}}
    assert read(path.parent).coco.info["description"] == f"{path.parent.parent.name}/train"
    with pytest.raises(InputError, match=rf"exactly one; found none, but there are some in {path.parent};"):
        read(path.parent.parent)
    (path.parent / "more.json").write_text("{}")
    with pytest.raises(InputError, match=r"exactly one; found _annotations\.coco\.json, more\.json"):
        read(path.parent)


CVAT = {
    "licenses": [{"name": "", "id": 0, "url": ""}],
    "info": {"contributor": "", "date_created": "", "description": "", "url": "", "version": "", "year": ""},
    "categories": [{"id": 1, "name": "Sebastes", "supercategory": ""}],
    "images": [
        {
            "id": 1,
            "width": 768,
            "height": 1024,
            "file_name": "dive1/frame_000001.PNG",
            "license": 0,
            "flickr_url": "",
            "coco_url": "",
            "date_captured": 0,
        }
    ],
    "annotations": [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "segmentation": [],
            "area": 100.0,
            "bbox": [10.5, 20.25, 10.0, 10.0],
            "iscrowd": 0,
            "attributes": {"occluded": False, "rotation": 0.0, "track_id": 4, "keyframe": True},
        }
    ],
}


def test_cvat_empty_urls_mean_frames_beside_the_json(written):
    data = read(written(CVAT, "dive1/frame_000001.png"))
    assert data.frames.find(data.coco.images[0]["file_name"]).name == "frame_000001.png"
    assert data.coco.annotations == [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10.5, 20.25, 10.0, 10.0]}]
    assert data.coco.info == {"description": "export/annotations.json"}


def test_cvat_frames_lie_in_a_folder_beside_that_of_the_annotations(written):
    path = written(CVAT, "../images/dive1/frame_000001.png", name="annotations/instances_default.json")
    data = read(path)
    assert data.frames.find(data.coco.images[0]["file_name"]) == path.parents[1] / "images/dive1/frame_000001.png"


LABEL_STUDIO = {
    "images": [
        {"width": 768, "height": 1024, "id": 0, "file_name": "/data/upload/3/5c9f27ab-crab_01.jpg"},
        {"width": 768, "height": 1024, "id": 1, "file_name": "..\\..\\data\\media\\upload\\3\\77aa27ab-crab_02.jpg"},
    ],
    "categories": [{"id": 0, "name": "Munida"}, {"id": 1, "name": "unused"}],
    "annotations": [
        {
            "id": 0,
            "image_id": 0,
            "category_id": 0,
            "segmentation": [],
            "bbox": [1.0, 2.0, 3.0, 4.0],
            "ignore": 0,
            "iscrowd": 0,
            "area": 12.0,
        },
        {
            "id": 1,
            "image_id": 1,
            "category_id": 0,
            "segmentation": [[5, 6, 25, 6, 25, 36]],
            "ignore": 0,
            "iscrowd": 0,
            "area": 300.0,
        },
    ],
    "info": {
        "year": 2024,
        "version": "1.0",
        "description": "",
        "contributor": "Label Studio",
        "url": "",
        "date_created": "2024-05-06 07:08:09.123456",
    },
}


def test_label_studio_upload_paths_lead_to_the_frames_and_polygons_to_boxes(written):
    data = read(written(LABEL_STUDIO, "images/crab_01.jpg", "images/crab_02.jpg"))
    names = [data.frames.find(image["file_name"]).name for image in data.coco.images]
    assert names == ["crab_01.jpg", "crab_02.jpg"]
    assert data.coco.annotations[1]["bbox"] == [5, 6, 20, 30]
    assert "1 annotation(s) have no `bbox`; using the box around their `segmentation`" in data.notes
    assert data.coco.info["year"] == "2024"


FATHOMNET = {
    "info": {
        "year": 2024,
        "version": "0",
        "description": "Generated by FathomNet",
        "contributor": "FathomNet",
        "url": "https://fathomnet.org",
        "date_created": "2024/05/06",
    },
    "licenses": [],
    "images": [
        {
            "id": 1,
            "width": 1920,
            "height": 1080,
            "file_name": "b1c2d3e4-0000-4000-8000-123456789abc.png",
            "license": 0,
            "flickr_url": "",
            "coco_url": "https://database.fathomnet.org/static/m3/framegrabs/Ventana/1.png",
            "date_captured": "2010-02-03T04:05:06.000Z",
        }
    ],
    "categories": [{"id": 1, "name": "Nanomia bijuga", "supercategory": ""}],
    "annotations": [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "segmentation": [],
            "area": 5000,
            "bbox": [100, 200, 50, 100],
            "iscrowd": 0,
        }
    ],
}


def test_fathomnet_frames_come_from_their_urls(written):
    data = read(written(FATHOMNET))
    assert data.frames is None
    assert data.coco.info["description"] == "Generated by FathomNet"
    assert read(written(FATHOMNET), images=str(written(FATHOMNET).parent)).frames is not None


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
    content = as_uuids(ROBOFLOW) | {"annotations": annotations}
    data = read(written(content), labelled=False)
    assert [(one["image_id"], one["source_id"], one["bbox"]) for one in data.coco.annotations] == [
        (1, UUIDS[0], "frame"),
        (2, UUIDS[1], "frame"),
        (3, "third.jpg", "frame"),
    ]
    assert data.notes == ("no annotations: each of the 3 images is one ROI, the whole frame",)
    with pytest.raises(InputError, match="`annotations` is"):
        read(written(content))


def test_annotations_without_any_id_are_numbered(written):
    content = deepcopy(ROBOFLOW)
    for annotation in content["annotations"]:
        del annotation["id"]
    data = read(written(content))
    assert [annotation["id"] for annotation in data.coco.annotations] == [1, 2, 3]
    assert "the 3 annotations have no `id`; numbered in the order of the file" in data.notes


def test_a_missing_section_is_reported_as_the_user_wrote_it(written):
    for section in ("images", "annotations", "categories"):
        with pytest.raises(InputError, match=f"`{section}` is missing"):
            read(written({name: entries for name, entries in CVAT.items() if name != section}))
        with pytest.raises(InputError, match=f"`{section}` is a dict, expected a list"):
            read(written(CVAT | {section: {}}))
    with pytest.raises(InputError, match="expected an object with images"):
        read(written([1]))


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
