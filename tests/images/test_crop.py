from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fathomline.errors import InputError
from fathomline.files import write_json
from fathomline.images.annotations import read_annotations
from fathomline.images.coco import read_coco
from fathomline.images.crop import CropConfig, crop
from fathomline.images.download import download
from fathomline.images.manifest import Record, write_manifest
from tests.images.world import dataset, download_config, encoded, picture, tree


def crop_config(**changes) -> CropConfig:
    values = {"views": [1.0, 3.0, "frame"], "size": 16, "square": True, "padding": "edge", "workers": 1}
    return CropConfig(**values | changes)


def box(identity: int, image_id: int, bbox: object, category_id: int | None = 7) -> dict:
    return {"id": identity, "image_id": image_id, "category_id": category_id, "bbox": bbox}


class Raw:
    """A folder as the download leaves it, with frames of 40x30 pixels."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.images, self.records = folder, [], []
        (folder / "images").mkdir(parents=True)

    def frame(self, image_id: int, body: bytes | None = None, **fields) -> None:
        body = encoded(picture(40, 30, image_id)) if body is None else body
        (self.folder / f"images/{image_id}.png").write_bytes(body)
        self.images.append({"id": image_id, **fields})
        self.records.append(Record(image_id, "u", f"images/{image_id}.png", len(body), "", "ok", ""))

    def failed(self, image_id: int) -> None:
        self.images.append({"id": image_id})
        self.records.append(Record(image_id, "u", "", 0, "", "failed", "status 404"))

    def write(self, annotations: list[dict]) -> Path:
        write_json(dataset(self.images, annotations), self.folder / "dataset.json")
        write_manifest(self.records, self.folder / "manifest.csv")
        return self.folder


@pytest.fixture
def raw(tmp_path) -> Raw:
    raw = Raw(tmp_path / "raw")
    raw.frame(2, video_id="V")
    raw.frame(1, video_id="W")
    return raw


def quarantine(folder: Path) -> dict[int, str]:
    table = pd.read_csv(folder / "quarantine.csv")
    return dict(zip(table["annotation_id"], table["reason"], strict=True))


def test_a_roi_is_the_box_as_pillow_crops_it(raw, tmp_path):
    folder = raw.write([box(5, 1, [3.4, 4.6, 10.2, 12.1])])
    crop(folder, tmp_path / "crops", crop_config(), None)
    roi = Image.open(tmp_path / "crops/rois/1_5.png")
    assert np.array_equal(np.asarray(roi), np.asarray(picture(40, 30, 1).crop((3.4, 4.6, 13.6, 16.7))))


def test_rows_follow_the_json_and_pixels_follow_the_rows(raw, tmp_path):
    folder = raw.write(
        [
            box(9, 1, [0, 0, 16, 16]),
            box(3, 2, [8, 8, 16, 16], 9),
            box(4, 1, [0, 0, 0, 0]),
            box(6, 1, [30, 20, 16, 16], None),
            box(5, 2, [50, 50, 4, 4]),
            box(1, 2, [4, 4, 16, 16]),
        ]
    )
    done = crop(folder, tmp_path / "crops", crop_config(), None)
    table = read_annotations(tmp_path / "crops/annotations.csv")
    assert table["path"].tolist() == ["rois/1_9.png", "rois/2_3.png", "rois/1_6.png", "rois/2_1.png"]
    assert table["label"].tolist() == ["Pandalus", "NA", "", "Pandalus"]
    assert table["group"].tolist() == ["1", "2", "1", "2"]
    assert table[["x", "y", "w", "h", "frame_w", "frame_h"]].iloc[2].tolist() == [30, 20, 10, 10, 40, 30]
    pixels = np.load(tmp_path / "crops/pixels.npy", mmap_mode="r")
    assert pixels.shape == (4, 3, 16, 16, 3)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels[1, 0], np.asarray(picture(40, 30, 2).crop((8, 8, 24, 24))))
    assert np.array_equal(pixels[3, 0], np.asarray(picture(40, 30, 2).crop((4, 4, 20, 20))))
    assert np.array_equal(pixels[1, 2], pixels[3, 2])
    assert quarantine(tmp_path / "crops").keys() == {4, 5}
    assert (done.frames, done.rois, done.quarantined, done.clipped, done.resized) == (2, 4, 2, 1, 0)


def test_bad_boxes_are_quarantined_with_a_reason_and_good_ones_kept(raw, tmp_path, capsys):
    bad = [["1", 2, 3, 4], [1, 2, 3], None, ["NaN", 0, 1, 1], [1, 1, -4, -4], [1, 1, 0, 2], [-9, 0, 9, 9]]
    folder = raw.write([box(1, 1, [1, 1, 1, 1]), *(box(10 + place, 1, bbox) for place, bbox in enumerate(bad))])
    done = crop(folder, tmp_path / "crops", crop_config(), None)
    assert (done.rois, done.quarantined) == (1, 7)
    assert quarantine(tmp_path / "crops")[14] == "bbox has width -4 and height -4, expected both above 0"
    assert "warning: crop: 7 annotation(s) quarantined" in capsys.readouterr().err


def test_frames_that_cannot_be_used_are_quarantined_by_name(raw, tmp_path):
    raw.frame(3, encoded(picture(40, 30))[:-200])
    raw.frame(4, b"")
    raw.frame(5, b"<html>")
    raw.failed(6)
    raw.frame(7)
    (raw.folder / "images/7.png").unlink()
    raw.images.append({"id": 8})
    folder = raw.write([box(100 + image_id, image_id, [1, 1, 9, 9]) for image_id in range(1, 9)])
    crop(folder, tmp_path / "crops", crop_config(), None)
    assert read_annotations(tmp_path / "crops/annotations.csv")["annotation_id"].tolist() == [101, 102]
    reasons = quarantine(tmp_path / "crops")
    assert reasons[103].startswith("broken image")
    assert reasons[104] == "zero bytes"
    assert reasons[105].startswith("not an image")
    assert reasons[106] == "frame not downloaded: status 404"
    assert reasons[107] == "frame cannot be read: No such file or directory"
    assert reasons[108] == "frame not downloaded: not in manifest.csv"


def test_the_result_does_not_depend_on_the_number_of_processes(raw, tmp_path):
    for image_id in range(3, 30):
        raw.frame(image_id)
    folder = raw.write([box(5 * i + j, i, [j, 2 * j, 9 + i, 20 - 3 * j]) for i in range(1, 30) for j in range(5)])
    results = []
    for workers in (1, 2, 3):
        crop(folder, tmp_path / str(workers), crop_config(workers=workers), None)
        results.append(tree(tmp_path / str(workers)))
    assert results[0] == results[1] == results[2]


def test_a_second_crop_leaves_nothing_of_the_first(raw, tmp_path):
    crop(raw.write([box(5, 1, [1, 1, 9, 9]), box(6, 1, [1, 1, 9, 9])]), tmp_path / "crops", crop_config(), None)
    (tmp_path / "crops/.pixels.npy.0123.part").write_bytes(b"left by a killed crop")
    folder = raw.write([box(6, 1, [1, 1, 9, 9])])
    crop(folder, tmp_path / "crops", crop_config(), None)
    crop(folder, tmp_path / "fresh", crop_config(), None)
    assert tree(tmp_path / "crops") == tree(tmp_path / "fresh")


def test_the_group_is_a_field_of_the_image_when_one_is_named(raw, tmp_path):
    crop(raw.write([box(5, 1, [1, 1, 9, 9]), box(6, 2, [1, 1, 9, 9])]), tmp_path / "crops", crop_config(), "video_id")
    assert read_annotations(tmp_path / "crops/annotations.csv")["group"].tolist() == ["W", "V"]


def test_images_without_the_group_field_are_counted_and_named(raw, tmp_path):
    raw.frame(3, video_id=None)
    raw.frame(4)
    with pytest.raises(InputError, match=r"2 of 4 images lack the field `video_id` .* images 3, 4; .* id, video_id"):
        crop(raw.write([box(5, 1, [1, 1, 9, 9])]), tmp_path / "crops", crop_config(), "video_id")


def test_nothing_to_cut_is_an_error_that_says_why(raw, tmp_path):
    for bbox, reason in (([0, 0, 0, 0], "width 0"), ([90, 0, 5, 5], "outside the frame")):
        with pytest.raises(InputError, match=f"none of 1 annotations could be cut: 1 × bbox.*{reason}"):
            crop(raw.write([box(5, 1, bbox)]), tmp_path / "crops", crop_config(), None)
        assert not list((tmp_path / "crops").glob("*.*"))


def test_a_frame_of_another_size_than_the_json_says_is_told(raw, tmp_path, capsys):
    raw.frame(3, width=80, height=60)
    done = crop(raw.write([box(5, 3, [30, 20, 20, 20])]), tmp_path / "crops", crop_config(), None)
    assert done.resized == 1
    assert "1 frame(s) have another size than the JSON says" in capsys.readouterr().err
    assert read_annotations(tmp_path / "crops/annotations.csv").loc[0, ["w", "frame_w"]].tolist() == [10, 40]


def test_the_same_animal_is_cut_whether_boxes_refer_to_stored_or_upright_pixels(raw, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to view: stored (x, y) of 40x30 is upright (29 - y, x) of 30x40
    raw.frame(3, encoded(picture(40, 30, 3), exif=exif), width=40, height=30)
    raw.frame(4, encoded(picture(40, 30, 3), exif=exif), width=30, height=40)
    folder = raw.write([box(5, 3, [4, 6, 16, 16]), box(6, 4, [30 - 6 - 16, 4, 16, 16])])
    crop(folder, tmp_path / "crops", crop_config(views=[1.0]), None)
    stored, upright = np.load(tmp_path / "crops/pixels.npy")[:, 0]
    assert np.array_equal(stored, upright)
    assert np.array_equal(stored, np.rot90(np.asarray(picture(40, 30, 3).crop((4, 6, 20, 22))), -1))
    rois = [np.asarray(Image.open(tmp_path / f"crops/rois/{name}.png")) for name in ("3_5", "4_6")]
    assert np.array_equal(*rois)
    assert np.array_equal(rois[0], stored)


@pytest.mark.parametrize(("name", "count"), [("train", 909), ("test", 584)])
def test_every_box_of_the_aquarium_is_cut_or_quarantined(shared, tmp_path, name, count):
    source = shared / "aquarium"
    labelled = name == "train"
    download(
        str(source / f"{name}.json"), str(source / "images"), tmp_path / "raw", download_config(), labelled=labelled
    )
    done = crop(tmp_path / "raw", tmp_path / "crops", crop_config(workers=0), None)
    table = read_annotations(tmp_path / "crops/annotations.csv")
    left_out = quarantine(tmp_path / "crops")
    coco = read_coco(source / f"{name}.json", labelled=labelled)
    assert Counter([*table["annotation_id"], *left_out]) == Counter(entry["id"] for entry in coco.annotations)
    assert len(table) + len(left_out) == count == done.rois + done.quarantined
    assert len(list((tmp_path / "crops/rois").iterdir())) == len(table)
    empty = [entry["id"] for entry in coco.annotations if min(entry["bbox"][2:]) <= 0]
    assert list(left_out) == empty
