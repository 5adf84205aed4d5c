import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fathomline.crop.crop import crop
from fathomline.dataset.coco import read_coco
from fathomline.dataset.image_file import TO_UPRIGHT, decode_image
from fathomline.dataset.manifest import write_manifest
from fathomline.download.download import DownloadConfig, download
from fathomline.errors import InputError, visible
from fathomline.files import write_json
from fathomline.rois.annotations import COLUMNS, read_annotations, read_quarantine
from fathomline.rois.crops import read_crops
from fathomline.sources.read_source import SourceRequest
from tests.frames import MACHINE, box, crop_config, encoded, picture, tree


def quarantine(folder: Path) -> dict[int, str]:
    table = pd.read_csv(folder / "quarantine.csv")
    return dict(zip(table["annotation_id"], table["reason"], strict=True))


def test_an_roi_picture_is_the_box_as_pillow_crops_it(raw, tmp_path):
    folder = raw.write([box(5, 1, [3.4, 4.6, 10.2, 12.1])])
    crop(folder, tmp_path / "crops", crop_config())
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
    done = crop(folder, tmp_path / "crops", crop_config())
    table = read_annotations(tmp_path / "crops/annotations.csv")
    assert table["path"].tolist() == ["rois/1_9.png", "rois/2_3.png", "rois/1_6.png", "rois/2_1.png"]
    assert table["label"].tolist() == ["Pandalus", "NA", "", "Pandalus"]
    assert table["frame_id"].tolist() == [1, 2, 1, 2]
    assert table[["x", "y", "w", "h", "frame_w", "frame_h"]].iloc[2].tolist() == [30, 20, 10, 10, 40, 30]
    pixels = np.load(tmp_path / "crops/pixels.npy", mmap_mode="r")
    assert pixels.shape == (4, 3, 16, 16, 3)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels[1, 0], np.asarray(picture(40, 30, 2).crop((8, 8, 24, 24))))
    assert np.array_equal(pixels[3, 0], np.asarray(picture(40, 30, 2).crop((4, 4, 20, 20))))
    assert np.array_equal(pixels[1, 2], pixels[3, 2])
    assert quarantine(tmp_path / "crops").keys() == {4, 5}
    assert (done.frames, done.rois, done.quarantined, done.clipped, done.resized) == (2, 4, 2, 1, 0)


def test_a_box_may_be_the_whole_frame(raw, tmp_path):
    folder = raw.write([box(5, 1, "frame"), box(6, 2, [30, 20, 16, 16])])
    done = crop(folder, tmp_path / "crops", crop_config())
    table = read_annotations(tmp_path / "crops/annotations.csv")
    assert table.loc[0, ["x", "y", "w", "h"]].tolist() == [0, 0, 40, 30]
    assert (done.rois, done.clipped, done.quarantined) == (2, 1, 0), "the whole frame is not clipped"
    roi = Image.open(tmp_path / "crops/rois/1_5.png")
    assert np.array_equal(np.asarray(roi), np.asarray(picture(40, 30, 1)))
    first, _, frame = np.load(tmp_path / "crops/pixels.npy")[0]
    assert np.array_equal(first, frame)


def test_another_text_than_frame_is_no_box(raw, tmp_path):
    crop(raw.write([box(5, 1, "frames"), box(6, 2, "frame")]), tmp_path / "crops", crop_config())
    assert quarantine(tmp_path / "crops") == {5: "box is 'frames', expected [x, y, width, height]"}


def test_without_a_test_subset_every_file_is_there_and_empty(tmp_path):
    (tmp_path / "raw").mkdir()
    write_json({"images": [], "annotations": [], "categories": []}, tmp_path / "raw/dataset.json")
    write_manifest([], tmp_path / "raw/manifest.csv")
    done = crop(tmp_path / "raw", tmp_path / "crops", crop_config())
    assert (done.frames, done.rois, done.quarantined, done.median_size) == (0, 0, 0, 0.0)
    read = read_crops(tmp_path / "crops")
    assert read.pixels.shape == (0, 3, 16, 16, 3)
    assert list(read.annotations.columns) == COLUMNS
    assert len(read_quarantine(tmp_path / "crops/quarantine.csv")) == 0
    with pytest.raises(InputError, match="no rows, expected at least one"):
        read_crops(tmp_path / "crops", labelled=True)


OTHER_FORMATS = {
    "corners": ([[20, 10, 38, 28], [25, 15, 39, 29], [22, 3, 30, 20], [1, 2, 9, 9]], "box_format: xyxy"),
    "fractions": ([[0.2, 0.1, 0.3, 0.4], [0.5, 0.5, 0.2, 0.2], [0, 0, 1, 1]], "box_format: xywh_normalized"),
}


@pytest.mark.parametrize(("boxes", "remedy"), OTHER_FORMATS.values(), ids=OTHER_FORMATS)
def test_boxes_in_another_format_stop_the_crop(raw, tmp_path, boxes, remedy):
    folder = raw.write([box(place, 1 + place % 2, bbox) for place, bbox in enumerate(boxes)])
    with pytest.raises(InputError, match=rf"raw/dataset\.json: the boxes do not look like .*`source\.{remedy}`"):
        crop(folder, tmp_path / "crops", crop_config())
    assert not list((tmp_path / "crops").glob("*.*"))


def test_crops_json_lists_the_views_in_the_order_of_the_pixels(raw, tmp_path):
    folder = raw.write([box(5, 1, [8, 8, 16, 16])])
    crop(folder, tmp_path / "crops", crop_config(views=["frame", 1.0]))
    assert read_crops(tmp_path / "crops").views == ("frame", 1.0)
    first, second = np.load(tmp_path / "crops/pixels.npy")[0]
    assert json.loads((tmp_path / "crops/crops.json").read_text())["views"] == ["frame", 1.0]
    assert np.array_equal(second, np.asarray(picture(40, 30, 1).crop((8, 8, 24, 24))))
    assert not np.array_equal(first, second)


def test_the_summary_states_the_median_size_of_the_rois(raw, tmp_path):
    # Sides of 1 and 4, 8 and 8, 10 and 10 (of 20, at the frame's edge), and one that is quarantined.
    boxes = [[1, 1, 1, 4], [1, 1, 8, 8], [30, 20, 20, 20], [0, 0, 0, 0]]
    folder = raw.write([box(place, 1, bbox) for place, bbox in enumerate(boxes, start=1)])
    done = crop(folder, tmp_path / "crops", crop_config())
    assert done.median_size == pytest.approx(8.0)
    assert str(done) == "3 ROIs of median size 8 px from 1 frames; 1 clipped at the frame's edge, 1 quarantined"


def test_invalid_boxes_are_quarantined_with_a_reason(raw, tmp_path, capsys):
    bad = [["1", 2, 3, 4], [1, 2, 3], None, ["NaN", 0, 1, 1], [1, 1, -4, -4], [1, 1, 0, 2], [-9, 0, 9, 9]]
    folder = raw.write([box(1, 1, [1, 1, 1, 1]), *(box(10 + place, 1, bbox) for place, bbox in enumerate(bad))])
    done = crop(folder, tmp_path / "crops", crop_config())
    assert (done.rois, done.quarantined) == (1, 7)
    assert quarantine(tmp_path / "crops")[14] == "box has width -4 and height -4, expected both above 0"
    assert "warning: crop: 7 annotation(s) quarantined" in capsys.readouterr().err


def test_annotations_of_unusable_frames_are_quarantined_with_the_reason(raw, tmp_path):
    raw.frame(3, encoded(picture(40, 30))[:-200])
    raw.frame(4, b"")
    raw.frame(5, b"<html>")
    raw.failed(6)
    raw.frame(7)
    (raw.folder / "images/7.png").unlink()
    raw.images.append({"id": 8})
    folder = raw.write([box(100 + image_id, image_id, [1, 1, 9, 9]) for image_id in range(1, 9)])
    crop(folder, tmp_path / "crops", crop_config())
    assert read_annotations(tmp_path / "crops/annotations.csv")["annotation_id"].tolist() == [101, 102]
    reasons = quarantine(tmp_path / "crops")
    assert reasons[103].startswith("broken image")
    assert reasons[104] == "zero bytes"
    assert reasons[105].startswith("not an image")
    assert reasons[106] == "frame not downloaded: status 404"
    assert reasons[107] == "frame cannot be read: No such file or directory"
    assert reasons[108] == "frame not downloaded: it was not tried"


def test_quarantined_annotations_are_named_by_the_ids_of_the_users_file(raw, tmp_path, capsys):
    named = [box(1, 1, [1, 1, 9, 9]), box(2, 2, [90, 1, 9, 9]) | {"source_id": "b-7f3"}]
    crop(raw.write(named), tmp_path / "crops", crop_config())
    assert "1 × box lies outside the frame of 40x30 pixels (annotation b-7f3)" in capsys.readouterr().err
    assert pd.read_csv(tmp_path / "crops/quarantine.csv")["source_id"].tolist() == ["b-7f3"]
    assert read_quarantine(tmp_path / "crops/quarantine.csv")["annotation_id"].tolist() == [2]


def test_the_result_does_not_depend_on_the_number_of_processes(raw, tmp_path):
    for image_id in range(3, 30):
        raw.frame(image_id)
    folder = raw.write([box(5 * i + j, i, [j, 2 * j, 9 + i, 20 - 3 * j]) for i in range(1, 30) for j in range(5)])
    results = []
    for workers in (1, 2, 3):
        crop(folder, tmp_path / str(workers), crop_config(), workers=workers)
        results.append(tree(tmp_path / str(workers)))
    assert results[0] == results[1] == results[2]


def test_a_second_crop_removes_the_files_of_the_first(raw, tmp_path):
    crop(raw.write([box(5, 1, [1, 1, 9, 9]), box(6, 1, [1, 1, 9, 9])]), tmp_path / "crops", crop_config())
    (tmp_path / "crops/.pixels.npy.0123.part").write_bytes(b"left by a killed crop")
    folder = raw.write([box(6, 1, [1, 1, 9, 9])])
    crop(folder, tmp_path / "crops", crop_config())
    crop(folder, tmp_path / "fresh", crop_config())
    assert tree(tmp_path / "crops") == tree(tmp_path / "fresh")


def test_the_table_has_the_scalar_fields_of_the_images(raw, tmp_path):
    raw.frame(3, video_id=7.0, night=True, depth=1.5, tags=["a"], coco_url="http://127.0.0.1:8000/3")
    raw.frame(4, video_id="a\rb", night=None)
    crop(raw.write([box(5, 3, [1, 1, 9, 9]), box(6, 4, [1, 1, 9, 9])]), tmp_path / "crops", crop_config())
    table = read_annotations(tmp_path / "crops/annotations.csv")
    assert table["image.video_id"].tolist() == ["7", "a\\rb"], "7.0 is written as 7, and a line break is escaped"
    assert table["image.night"].tolist() == ["true", ""]
    assert table["image.depth"].tolist() == ["1.5", ""]
    left_out = {"image.id", "image.width", "image.height", "image.coco_url", "image.tags"}
    assert not left_out & set(table)


def test_no_usable_box_is_an_error_that_gives_the_reasons(raw, tmp_path):
    for bbox, reason in (([0, 0, 0, 0], "width 0"), ([90, 0, 5, 5], "outside the frame")):
        with pytest.raises(InputError, match=f"none of 1 annotations could be cut: 1 × box.*{reason}"):
            crop(raw.write([box(5, 1, bbox)]), tmp_path / "crops", crop_config())
        assert not list((tmp_path / "crops").glob("*.*"))


def test_a_frame_whose_size_differs_from_the_json_is_reported(raw, tmp_path, capsys):
    raw.frame(3, width=80, height=60, source_id="dive 3")
    done = crop(raw.write([box(5, 3, [30, 20, 20, 20])]), tmp_path / "crops", crop_config())
    assert done.resized == 1
    said = capsys.readouterr().err
    assert "1 frame(s) differ in size from the JSON" in said
    assert "images dive 3" in said
    assert read_annotations(tmp_path / "crops/annotations.csv").loc[0, ["w", "frame_w"]].tolist() == [10, 40]


def test_boxes_may_refer_to_stored_or_upright_pixels(raw, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to view: stored (x, y) of 40x30 is upright (29 - y, x) of 30x40
    raw.frame(3, encoded(picture(40, 30, 3), exif=exif), width=40, height=30)
    raw.frame(4, encoded(picture(40, 30, 3), exif=exif), width=30, height=40)
    folder = raw.write([box(5, 3, [4, 6, 16, 16]), box(6, 4, [30 - 6 - 16, 4, 16, 16])])
    crop(folder, tmp_path / "crops", crop_config(views=[1.0]))
    stored, upright = np.load(tmp_path / "crops/pixels.npy")[:, 0]
    assert np.array_equal(stored, upright)
    assert np.array_equal(stored, np.rot90(np.asarray(picture(40, 30, 3).crop((4, 6, 20, 22))), -1))
    rois = [np.asarray(Image.open(tmp_path / f"crops/rois/{name}.png")) for name in ("3_5", "4_6")]
    assert np.array_equal(*rois)
    assert np.array_equal(rois[0], stored)


@pytest.mark.parametrize(("width", "height"), [(40.0, 30.0), ("40", "30")])
def test_a_frame_size_may_be_a_float_or_a_string(raw, tmp_path, width, height):
    exif = Image.Exif()
    exif[0x0112] = 6
    raw.frame(3, encoded(picture(40, 30, 3), exif=exif), width=width, height=height)
    crop(raw.write([box(5, 3, [4, 6, 16, 16])]), tmp_path / "crops", crop_config(views=[1.0]))
    table = read_annotations(tmp_path / "crops/annotations.csv")
    assert table.loc[0, ["frame_w", "frame_h"]].tolist() == [40, 30], "boxes refer to the stored grid"


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_of_every_format_is_cut_upright(raw, tmp_path, form, orientation):
    smooth = Image.fromarray(np.add.outer(np.arange(30) * 4, np.arange(40) * 3).astype(np.uint8)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = encoded(smooth, form, exif=exif, **({"quality": 100} if form in ("JPEG", "WEBP") else {}))
    raw.frame(3, body, width=40, height=30)
    crop(raw.write([box(5, 3, [4, 6, 16, 16])]), tmp_path / "crops", crop_config(views=[1.0]))
    expected = smooth.crop((4, 6, 20, 22))
    if orientation > 1:
        expected = expected.transpose(TO_UPRIGHT[orientation])
    shown = np.load(tmp_path / "crops/pixels.npy")[0, 0].astype(int)
    assert np.abs(shown - np.asarray(expected).astype(int)).max() <= 4


def test_tiny_wide_and_animated_pictures_are_cut(raw, tmp_path):
    raw.frame(3, encoded(Image.new("RGB", (1, 1), "red")))
    raw.frame(4, encoded(Image.new("RGB", (20_000, 1), "red")))
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    raw.frame(5, encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True))
    raw.frame(6, encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    folder = raw.write([box(image_id, image_id, [0, 0, 1, 2]) for image_id in (3, 4, 5, 6)])
    assert crop(folder, tmp_path / "crops", crop_config()).rois == 4
    assert (np.load(tmp_path / "crops/pixels.npy")[:, 0] == [255, 0, 0]).all()


def test_a_frame_that_changed_since_its_download_is_quarantined(raw, tmp_path):
    folder = raw.write([box(5, 1, [1, 1, 9, 9]), box(6, 2, [1, 1, 9, 9])])
    path = folder / "images/1.png"
    path.write_bytes(encoded(picture(40, 30, 99)))
    crop(folder, tmp_path / "crops", crop_config())
    assert quarantine(tmp_path / "crops")[5].startswith("frame has changed since its download")
    assert read_annotations(tmp_path / "crops/annotations.csv")["annotation_id"].tolist() == [6]


def test_images_with_the_same_bytes_are_one_frame(raw, tmp_path):
    raw.frame(3, encoded(picture(40, 30, 1)))
    folder = raw.write([box(4 + image_id, image_id, [1, 1, 9, 9]) for image_id in (3, 1, 2)])
    crop(folder, tmp_path / "crops", crop_config())
    table = read_annotations(tmp_path / "crops/annotations.csv")
    assert dict(zip(table["image_id"], table["frame_id"], strict=True)) == {1: 1, 2: 2, 3: 1}


def test_each_frame_is_opened_once_for_all_its_boxes_and_views(raw, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("fathomline.crop.cut.decode_image", lambda body: opened.append(body) or decode_image(body))
    folder = raw.write([box(number, 1 + number % 2, [number, 1, 9, 9]) for number in range(12)])
    crop(folder, tmp_path / "crops", crop_config(padding="mean"))
    assert len(opened) == 2


@pytest.mark.parametrize("obstacle", ["a file", "a folder"])
def test_a_file_or_folder_in_the_way_of_an_output_is_named(raw, tmp_path, obstacle):
    if obstacle == "a file":
        (tmp_path / "crops").write_text("no folder")
    else:
        (tmp_path / "crops/annotations.csv").mkdir(parents=True)
    with pytest.raises(InputError, match=r"crops.*; crop stopped"):
        crop(raw.write([box(5, 1, [1, 1, 9, 9])]), tmp_path / "crops", crop_config())


@pytest.mark.parametrize("values", [("D1", "D1 "), (" D1", "D1"), ("caf\u00e9", "cafe\u0301"), (7, "7")])
def test_spellings_that_look_alike_are_one_value_of_a_field(raw, tmp_path, values):
    for image_id, value in zip((3, 4), values, strict=True):
        raw.frame(image_id, **{"dive\u3000": value})
    crop(raw.write([box(5, 3, [1, 1, 9, 9]), box(6, 4, [1, 1, 9, 9])]), tmp_path / "crops", crop_config())
    column = read_annotations(tmp_path / "crops/annotations.csv")["image." + visible("dive\u3000")]
    assert column.nunique() == 1


def test_a_file_removed_by_another_crop_is_reported(raw, tmp_path, monkeypatch):
    def removed(pixels, rows):
        pixels.path.unlink()

    monkeypatch.setattr("fathomline.crop.crop.keep_rows", removed)
    with pytest.raises(InputError, match="removed while crop was running, most likely by another crop"):
        crop(raw.write([box(5, 1, [1, 1, 9, 9])]), tmp_path / "crops", crop_config())


@pytest.mark.parametrize("view", [0.0, 1e-300, 1.7e308])
def test_a_view_outside_the_allowed_range_is_refused(view):
    with pytest.raises(ValueError, match=r"greater than or equal to 0.1|less than or equal to 100"):
        crop_config(views=[view])


@pytest.mark.parametrize(("name", "count"), [("train", 909), ("test", 584)])
def test_every_box_of_the_aquarium_is_cut_or_quarantined(shared, tmp_path, name, count):
    source = shared / "aquarium"
    labelled = name == "train"
    annotations, images = str(source / f"{name}.json"), str(source / "images")
    request = SourceRequest("coco", annotations, images)
    download(request, tmp_path / "raw", DownloadConfig(), machine=MACHINE, labelled=labelled)
    done = crop(tmp_path / "raw", tmp_path / "crops", crop_config(), workers=0)
    table = read_annotations(tmp_path / "crops/annotations.csv")
    left_out = quarantine(tmp_path / "crops")
    coco = read_coco(source / f"{name}.json", labelled=labelled)
    assert Counter([*table["annotation_id"], *left_out]) == Counter(entry["id"] for entry in coco.annotations)
    assert len(table) + len(left_out) == count == done.rois + done.quarantined
    assert len(list((tmp_path / "crops/rois").iterdir())) == len(table)
    empty = [entry["id"] for entry in coco.annotations if min(entry["bbox"][2:]) <= 0]
    assert list(left_out) == empty
