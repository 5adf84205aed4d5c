"""Pictures and folders; how inputs are told apart, mixed and numbered."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathomline.inputs.rows import Picture, Row, frames_of
from tests.inputs.files import boxes, by_row, read, reasons, refused, touched, written


def test_a_folder_is_read_recursively_sorted_and_without_hidden_and_other_files(tmp_path):
    touched(tmp_path, "b.PNG", "a/2.jpeg", "a/10.tif", ".hidden.png", ".git/c.png", "notes.md", "data.json", "z.WebP")
    frames = read(tmp_path)
    assert [frame.path for frame in frames] == [
        f"{tmp_path}/{name}" for name in ("a/10.tif", "a/2.jpeg", "b.PNG", "z.WebP")
    ]
    assert [frame.location for frame in frames] == [frame.path for frame in frames]
    assert {roi.box for _, roi in by_row(frames)} == {None}


def test_paths_are_named_as_given(tmp_path, monkeypatch):
    touched(tmp_path, "frames/a.png")
    monkeypatch.chdir(tmp_path)
    assert [frame.path for frame in read("frames", "frames/", "./frames", ".", "frames/a.png")] == ["frames/a.png"] * 5


@pytest.mark.parametrize("kind", ["empty", "without pictures", "with labels only"])
def test_a_folder_without_pictures_is_refused(tmp_path, kind):
    touched(tmp_path, *{"empty": [], "without pictures": ["a.md"], "with labels only": ["a.txt"]}[kind])
    hint = (
        r"; if it has YOLO labels, give the folder of their pictures with --images"
        if kind == "with labels only"
        else ""
    )
    refused(rf"has no picture with one of the usual extensions \(\.jpg, \.png, \.tif, …\){hint}$", tmp_path)


@pytest.mark.parametrize("name", ["a.xlsx", "a.txt", "a.zip", "photo", "a.mp4"])
def test_an_input_of_an_unknown_kind_is_refused(tmp_path, name):
    touched(tmp_path, name)
    refused("unknown kind of file; expected a picture .*, a folder of .*, or a CSV of boxes", tmp_path / name)


@pytest.mark.parametrize("name", ["nowhere", "none.json", "none.csv", "a\0.csv", "x" * 5000])
def test_an_input_that_does_not_exist_is_refused(tmp_path, name):
    refused("no such file|cannot be read|File name too long", tmp_path / name)


def test_a_picture_that_does_not_exist_is_a_row_to_be_skipped(tmp_path):
    assert boxes(read(tmp_path / "none.png")) == [(f"{tmp_path}/none.png", None)]


def test_a_url_is_a_picture():
    assert [(frame.path, frame.location) for frame in read("https://x.org/a")] == [("https://x.org/a",) * 2]


def test_a_folder_of_pictures_that_does_not_exist_is_refused(tmp_path):
    touched(tmp_path, "a.png")
    with pytest.raises(ValueError, match=r"^--images nowhere: no such folder; expected the folder of the pictures"):
        read(tmp_path, images=tmp_path.__class__("nowhere"))


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path, monkeypatch):
    touched(tmp_path, "a/b.png")
    real = os.scandir

    def scandir(path):
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    refused(r"/a: the folder cannot be listed \(Permission denied\); change its permissions", tmp_path)


def test_inputs_are_mixed_and_their_rows_numbered_in_the_order_of_inputs(tmp_path):
    touched(tmp_path, "folder/a.png", "folder/b.png", "c.png")
    table = written(tmp_path / "t.csv", "path,x,y,w,h\nc.png,1,2,3,4\nfolder/a.png,5,6,7,8\nc.png,9,9,9,9\n")
    frames = read(tmp_path / "c.png", table, tmp_path / "folder")
    assert [[roi.row for roi in frame.rois] for frame in frames] == [[0], [1, 3], [2], [4], [5]]
    assert [frame.path for frame, _ in by_row(frames)] == [
        *(f"{tmp_path}/c.png", "c.png", "folder/a.png", "c.png", f"{tmp_path}/folder/a.png", f"{tmp_path}/folder/b.png")
    ]


def test_a_track_in_several_inputs_is_warned_of(tmp_path, capsys):
    for name, track in (("a.csv", 1), ("b.csv", 1), ("c.csv", 2)):
        written(tmp_path / name, f"path,track\na.png,{track}\n")
    read(*(tmp_path / f"{name}.csv" for name in "abc"))
    assert capsys.readouterr().err == (
        "warning: tracks that occur in several inputs get one answer across all of them: 1\n"
    )


pictures = st.sampled_from([Picture(path, path, size) for path in "abc" for size in (None, (4, 3))])
rows = st.lists(st.builds(Row, pictures, st.none() | st.integers(), st.none() | st.text(max_size=2)))


@settings(max_examples=50, deadline=None)
@given(rows, st.integers(0, 99))
def test_every_row_is_in_exactly_one_frame_and_keeps_its_place(rows, first):
    frames = frames_of(rows, first)
    placed = {roi.row: (frame.path, frame.size, roi.box, roi.annotation_id) for frame in frames for roi in frame.rois}
    assert sum(len(frame.rois) for frame in frames) == len(rows)
    assert [placed[first + place] for place in range(len(rows))] == [
        (row.picture.path, row.picture.size, row.box, row.annotation_id) for row in rows
    ]
    assert len({(frame.path, frame.size) for frame in frames}) == len(frames)
    assert all([roi.row for roi in frame.rois] == sorted(roi.row for roi in frame.rois) for frame in frames)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([], "a list"),
        (7, "7"),
        ({}, "an object with no keys"),
        ([{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 1}], "a list of COCO results, .*put it under `annotations`"),
        ([{"file": "a.jpg", "detections": []}], "a list of detections in pixels: convert it to MegaDetector's batch"),
        ({"type": "FeatureCollection", "features": []}, "GeoJSON"),
        ({"annotations": []}, "annotations without `images`"),
        ({"predictions": [], "model": "x"}, "an object with predictions, model"),
        ("{", "not JSON"),
        (b"\xff\xfe{\x00", "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_json_of_another_program_is_refused(tmp_path, content, found):
    path = written(tmp_path / "a.json", content)
    refused(rf"a\.json: (found )?{found}.*expected a COCO JSON \(`images`, `annotations`\), or MegaDetector's", path)


def test_reasons_are_empty_for_rows_that_may_be_usable(tmp_path):
    touched(tmp_path, "a.png")
    assert reasons(read(tmp_path, tmp_path / "none.png")) == ["", ""]


def test_a_picture_whose_name_is_not_text_is_skipped_with_a_reason(tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.png"
    with open(name, "wb"):
        pass
    (frame,) = read(tmp_path)
    assert frame.path.endswith("caf\\udce9.png")
    assert frame.rois[0].reason == "its file name is not valid UTF-8; rename it"


def test_files_beside_whole_pictures_that_may_be_meant_are_warned_of(tmp_path, capsys):
    touched(tmp_path, "a.png", "notes.md")
    read(tmp_path)
    assert capsys.readouterr().err == ""
    touched(tmp_path, "_annotations.coco.json", "IMG_1.HEIC")
    assert len(read(tmp_path)) == 1
    boxes, unread = capsys.readouterr().err.splitlines()
    assert boxes.endswith(f"if {tmp_path}/_annotations.coco.json has boxes, give that file instead")
    assert "1 picture(s) are in a format that is not read" in unread
    assert unread.endswith("use them: IMG_1.HEIC")
