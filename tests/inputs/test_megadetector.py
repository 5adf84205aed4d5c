"""Detections in MegaDetector's JSON."""

import pytest

from tests.inputs.files import boxes, by_row, read, reasons, refused, touched, written

CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}


def found(category: str, *bbox: float, **fields) -> dict:
    return {"category": category, "conf": 0.926, "bbox": list(bbox), **fields}


def results(tmp_path, images: object, **fields):
    info = {"format_version": "1.6", "detector": "MDV5A", "detector_metadata": {"typical_detection_threshold": 0.2}}
    content = {"info": info, "detection_categories": CATEGORIES, "images": images} | fields
    return written(tmp_path / "results.json", content)


def test_detections_of_animals_are_boxes_in_fractions_whatever_their_confidence(tmp_path, capsys):
    touched(tmp_path, "a/1.jpg", "a/2.jpg")
    images = [
        {"file": "a/2.jpg", "detections": [found("1", 0.0, 0.27, 0.15, 0.28), found("2", 0, 0, 1, 1)]},
        {"file": "a/empty.jpg", "detections": [], "failure": None},
        {"file": "a/car.jpg", "detections": [found("3", 0, 0, 1, 1)]},
        {"file": "a\\1.jpg", "detections": [found("1", 0.1, 0.2, 0.3, 0.4, conf=0.01)], "width": 40, "height": 30},
    ]
    path = results(tmp_path, images)
    frames = read(path)
    assert boxes(frames) == [("a/2.jpg", [0.0, 0.27, 0.15, 0.28]), ("a\\1.jpg", [0.1, 0.2, 0.3, 0.4])]
    assert [(frame.location, frame.fractions, frame.size) for frame in frames] == [
        *((str(tmp_path / "a/2.jpg"), True, None), (str(tmp_path / "a/1.jpg"), True, (40, 30)))
    ]
    assert capsys.readouterr().err == (
        f"warning: {path}: 2 of 4 pictures have no detection of an animal and are left out\n"
    )


def test_every_category_but_persons_and_vehicles_is_an_animal(tmp_path):
    categories = {"0": "Empty", "1": "fish", "2": "Person", "3": "crab", "4": "human"}
    images = [{"file": "a.jpg", "detections": [found(key, int(key), 0, 1, 1) for key in "01234"]}]
    touched(tmp_path, "a.jpg")
    path = results(tmp_path, images, detection_categories=categories)
    assert [roi.box[0] for _, roi in by_row(read(path))] == [1, 3]


def test_files_are_found_in_the_given_folder_or_by_absolute_paths(tmp_path):
    touched(tmp_path, "frames/a.jpg")
    absolute = f"{tmp_path}/frames/a.jpg"
    path = results(tmp_path, [{"file": name, "detections": [found("1", 0, 0, 1, 1)]} for name in ("a.jpg", absolute)])
    frames = read(path, images=tmp_path / "frames")
    assert [(frame.path, frame.location) for frame in frames] == [("a.jpg", absolute), (absolute, absolute)]


def test_what_cannot_be_used_is_a_row_with_the_reason(tmp_path):
    touched(tmp_path, "a.jpg", "v.mp4")
    images = [
        {"file": "a.jpg", "failure": "Failure image access", "detections": None},
        {"file": "v.mp4", "frame_rate": 20, "frames_processed": [0], "detections": [found("1", 0, 0, 1, 1)]},
        {"file": "../up.jpg", "detections": [found("1", 0, 0, 1, 1)]},
        {"file": "none.jpg", "detections": [found("1", 0, 0, 1, 1)]},
        {"detections": [found("1", 0, 0, 1, 1)]},
        {"file": "a.jpg", "detections": [{"category": "1"}, 7]},
        {"file": "a.jpg"},
    ]
    assert reasons(read(results(tmp_path, images))) == [
        "MegaDetector failed: 'Failure image access'",
        "a video; extract its frames, and run MegaDetector on them",
        "refused: `file` '../up.jpg' leads outside the folder",
        f"no such file in {tmp_path}",
        "the JSON gives no `file`",
        "the detection has no `bbox`",
        "`detections[1]` is 7, expected an object",
        "`detections` is null, expected a list",
    ]


def test_a_json_without_categories_has_megadetectors(tmp_path):
    touched(tmp_path, "a.jpg")
    images = [{"file": "a.jpg", "detections": [found("2", 0, 0, 1, 1), found("1", 0.5, 0, 1, 1)]}]
    path = written(tmp_path / "old.json", {"images": images})
    assert boxes(read(path)) == [("a.jpg", [0.5, 0, 1, 1])]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"detection_categories": ["animal"]}, r"`detection_categories` is \['animal'\], expected names by category"),
        ({"images": {}}, "`images` is a dict, expected a list"),
        ({"images": ["a.jpg"]}, r"1 of 1 entries of `images` are not JSON objects"),
    ],
)
def test_a_malformed_json_is_refused(tmp_path, fields, message):
    refused(message, results(tmp_path, **({"images": [{"file": "a"}]} | fields)))
