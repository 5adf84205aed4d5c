"""Boxes from a COCO JSON."""

import pytest

from tests.inputs.files import boxes, by_row, read, reasons, refused, touched, written


def image(image_id: object, name: str | None = None, **fields) -> dict:
    return {"id": image_id, "file_name": f"{image_id}.png" if name is None else name, **fields}


def box(annotation_id: object, image_id: object, bbox: object = (1, 2, 3, 4), **fields) -> dict:
    return {"id": annotation_id, "image_id": image_id, "bbox": bbox, **fields}


def coco(tmp_path, images: list[dict], annotations: object = None, **sections):
    content = {"images": images, **sections} | ({} if annotations is None else {"annotations": annotations})
    return written(tmp_path / "data.json", content)


@pytest.fixture
def frames(tmp_path):
    """A folder of pictures."""
    touched(tmp_path, "frames/1.png", "frames/2.png", "frames/deep/3.png")
    return tmp_path / "frames"


def test_rows_are_in_the_order_of_annotations_and_a_frame_has_all_its_boxes(tmp_path, frames):
    images = [image(1, width=40, height=30.0), image(2), image(3, "deep/3.png", width="40", height=0)]
    path = coco(tmp_path, images, [box(7, 2, [9, 9, 9, 9]), box(5, 1), box(6, 2, [0, 0, 1, 1])])
    read_frames = read(path, images=frames)
    assert boxes(read_frames) == [("2.png", [9, 9, 9, 9]), ("1.png", [1, 2, 3, 4]), ("2.png", [0, 0, 1, 1])]
    assert [roi.annotation_id for _, roi in by_row(read_frames)] == [7, 5, 6]
    two, one = read_frames
    assert (one.location, one.size, one.image_id, one.fractions) == (str(frames / "1.png"), (40, 30), 1, False)
    assert (two.size, len(two.rois)) == (None, 2)


def test_images_are_whole_pictures_only_if_there_are_no_annotations(tmp_path, frames):
    images = [image(2), image(1)]
    for annotations in (None, []):
        assert boxes(read(coco(tmp_path, images, annotations), images=frames)) == [("2.png", None), ("1.png", None)]
    assert boxes(read(coco(tmp_path, images, [box(1, 1)]), images=frames)) == [("1.png", [1, 2, 3, 4])]


@pytest.mark.parametrize("categories", [None, [], "anything", [{"id": "x"}]])
def test_categories_are_not_used(tmp_path, frames, categories):
    path = coco(tmp_path, [image(1)], [box(1, 1, category_id="any")], categories=categories)
    assert len(read(path, images=frames)) == 1


def test_ids_are_integers_or_text(tmp_path, frames):
    images = [image("17", "1.png"), image("frame-a", "2.png")]
    path = coco(tmp_path, images, [box("9", 17), box("uuid-1", "frame-a"), box("09", "17"), box(None, 17)])
    rows = by_row(read(path, images=frames))
    assert [(frame.image_id, roi.annotation_id) for frame, roi in rows] == [
        *((17, 9), ("frame-a", "uuid-1"), (17, "09"), (17, None))
    ]


def test_a_track_is_read_from_the_annotation_or_its_attributes(tmp_path, frames):
    fields = [
        {"track_id": 3},
        {"attributes": {"track_id": 0, "keyframe": True}},
        {"track_id": "left"},
        {"attributes": "none"},
        {"track_id": None},
        {"track_id": [1]},
    ]
    path = coco(tmp_path, [image(1)], [box(place, 1, **field) for place, field in enumerate(fields)])
    rows = by_row(read(path, images=frames))
    assert [roi.track for _, roi in rows] == ["3", "0", "left", None, None, None]
    assert [roi.reason for _, roi in rows] == [""] * 5 + ["`track_id` is [1], expected an integer or text"]


def test_pictures_come_from_usable_urls_unless_there_is_a_folder(tmp_path):
    url = "https://x.org/images/a.png"
    touched(tmp_path, "a.png", "b.png")
    images = [image(1, "a.png", coco_url=url), image(2, "b.png", coco_url="images/b.png"), {"id": 3, "coco_url": url}]
    images += [image(4, "c.png", coco_url="file:///etc/passwd")]
    path = coco(tmp_path, images)
    found = [(frame.path, frame.location) for frame in read(path)]
    assert found == [("a.png", url), ("b.png", str(tmp_path / "b.png")), (url, url), ("c.png", "")]
    assert reasons(read(path)) == ["", "", "", f"no such file in {tmp_path}"]
    assert read(path, images=tmp_path)[0].location == str(tmp_path / "a.png")


def test_pictures_stored_by_image_id_are_found_and_a_mixture_is_warned_of(tmp_path, frames, capsys):
    by_id = [image(1, "000001.jpg"), image(2, "../2.png")]
    assert [frame.location for frame in read(coco(tmp_path, by_id), images=frames)] == [
        *(str(frames / "1.png"), str(frames / "2.png"))
    ]
    assert capsys.readouterr().err == ""
    path = coco(tmp_path, [*by_id, image(3, "deep/3.png")])
    assert reasons(read(path, images=frames)) == ["", "", ""]
    assert capsys.readouterr().err == (
        f"warning: {path}: 2 of 3 pictures were found by image id, not by `file_name`, in {frames}\n"
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../secret.png", "refused: `file_name` '../secret.png' leads outside the folder"),
        ("/etc/passwd", "refused: `file_name` '/etc/passwd' leads outside the folder"),
        ("out.png", "refused: `file_name` 'out.png' is a link that leads outside the folder"),
        ("", "the JSON gives no `file_name`"),
        ("none.png", "no such file in "),
        ("deep", "no such file in "),
        ("x" * 5000, "cannot be read: File name too long"),
    ],
)
def test_a_picture_that_cannot_be_found_is_a_row_with_the_reason(tmp_path, frames, name, reason):
    (frames / "out.png").symlink_to(written(tmp_path / "secret.png", ""))
    rows = by_row(read(coco(tmp_path, [image(9, name)], [box(1, 9), box(2, 9)]), images=frames))
    assert [reason in roi.reason for _, roi in rows] == [True, True]
    assert {frame.location for frame, _ in rows} == {""}


def test_a_box_is_not_checked_but_must_be_there(tmp_path, frames):
    text = (
        '{"images": [{"id": 1, "file_name": "1.png"}], "annotations": [{"id": 1, "image_id": 1, "bbox": [NaN, 1, 1]},'
    )
    path = written(tmp_path / "a.json", text + '{"id": 2, "image_id": 1}, {"id": 3, "image_id": 1, "bbox": "x"}]}')
    rows = by_row(read(path, images=frames))
    assert [roi.box for _, roi in rows] == [["NaN", 1, 1], None, "x"]
    assert [roi.reason for _, roi in rows] == ["", "the annotation has no `bbox`", ""]


def test_a_whole_frame_of_the_download_stage_is_a_whole_picture(tmp_path, frames):
    rows = by_row(read(coco(tmp_path, [image(1)], [box(5, 1, "frame"), box(6, 1)]), images=frames))
    assert [(roi.annotation_id, roi.box, roi.reason) for _, roi in rows] == [(5, None, ""), (6, [1, 2, 3, 4], "")]


@pytest.mark.parametrize(
    ("images", "annotations", "message"),
    [
        (
            [image(1)],
            [box(5, 1), box("5", 1), box(6, 1)],
            r"several boxes have the same id: 5 \(2 times\); give each box its own id",
        ),
        ([image(1)], [box("a", 1), box("a", 1)], r"several boxes have the same id: a \(2 times\)"),
        ([image(1), image("1")], [], r"1 `id` values in `images` are not unique: 1 \(2 times\)"),
        ([image(1)], [box(1, 2)], "1 annotations have `image_id` values that the JSON does not define: annotation 1"),
        ([image(None)], [], r"1 `id` values in `images` are missing or invalid: images\[0\]"),
        ([image(1)], [{"bbox": [1]}], r"1 `image_id` values in `annotations` are missing or invalid: annotations\[0\]"),
        ([image(1)], [box([2], 1)], r"1 `id` values in `annotations` are neither integers nor text: \[2\]"),
        ([image(1)], {"a": 1}, "`annotations` is a dict, expected a list"),
        ([image(1)], [1], r"1 of 1 entries of `annotations` are not JSON objects: annotations\[0\]"),
        ([], [], "`images` is empty, expected at least one entry"),
        ("x", [], "`images` is a str, expected a list"),
    ],
)
def test_a_json_with_contradictions_is_refused(tmp_path, images, annotations, message):
    refused(message, coco(tmp_path, images, annotations))
