"""Boxes from folders of YOLO labels."""

import pytest

from fathomline.inputs.yolo_lines import LabelLine, parse_line, tracks
from tests.inputs.files import boxes, by_row, read, reasons, refused, touched, written

LINE = "0 0.5 0.5 0.2 0.4\n"
BOX = pytest.approx([0.4, 0.3, 0.2, 0.4])


@pytest.mark.parametrize(
    ("line", "box", "extra"),
    [
        ("0 0.5 0.5 0.2 0.4", BOX, ()),
        ("12\t0.5  0.5 0.2 0.4 0.87", BOX, (0.87,)),
        ("0 0.5 0.5 0.2 0.4 0.87 3", BOX, (0.87, 3)),
        ("0 0.5 0.5 0.2 0.4 1 0", BOX, (1, 0)),
        ("0 0.1 0.2 0.5 0.3 0.4 0.9", pytest.approx([0.1, 0.2, 0.4, 0.7]), ()),  # a triangle
        ("0 0.1 0.1 0.5 0.1 0.5 0.4 0.1 0.4", pytest.approx([0.1, 0.1, 0.4, 0.3]), ()),  # an oriented box
        ("0 0.1 0.1 0.5 0.1 0.5 0.4 0.1 0.4 0.9", pytest.approx([0.1, 0.1, 0.4, 0.3]), (0.9,)),
        ("0 0.1 0.1 0.5 0.1 0.5 0.4 0.1 0.4 7", pytest.approx([0.1, 0.1, 0.4, 0.3]), (7,)),
        ("0 0.1 0.1 0.5 0.1 0.5 0.4 0.1 0.4 0.9 7", pytest.approx([0.1, 0.1, 0.4, 0.3]), (0.9, 7)),
        ("0 0.5 0.5 0.2", None, ()),
        ("a shrimp on the left", None, ()),
        ("0 0.5 0.5 0.2 x", None, ()),
    ],
)
def test_a_line_is_a_box_or_the_box_around_a_polygon(line, box, extra):
    parsed = parse_line(line)
    assert (parsed.box, parsed.extra) == (box, pytest.approx(extra))


@pytest.mark.parametrize(
    ("extras", "expected"),
    [
        ([(), (0.9,)], [None, None]),
        ([(1.0,), (1.0,)], [None, None]),
        ([(1.0,), (2.0,), ()], ["1", "2", None]),
        ([(1.0,), (2.0,), (0.5,)], [None, None, None]),
        ([(0.9, 3.0), (0.8, 0.0)], ["3", "0"]),
        ([], []),
    ],
)
def test_a_single_number_after_the_box_is_a_track_only_if_it_cannot_be_a_confidence(extras, expected):
    assert tracks([LabelLine([0, 0, 1, 1], extra) for extra in extras]) == expected


@pytest.mark.parametrize(
    "labels",
    ["data/labels/train/a.txt", "data/images/train/labels/a.txt", "data/images/train/a.txt"],
    ids=["beside images", "below the pictures' folder", "next to the picture"],
)
@pytest.mark.parametrize("given", ["data", "data/images", "data/images/train"])
def test_labels_are_found_where_programs_put_them(tmp_path, labels, given):
    touched(tmp_path, "data/images/train/a.JPG")
    written(tmp_path / labels, LINE)
    frames = read(tmp_path / given)
    assert boxes(frames) == [(f"{tmp_path}/data/images/train/a.JPG", BOX)]
    assert [(frame.fractions, frame.size) for frame in frames] == [(True, None)]


def test_each_subset_of_a_dataset_may_have_its_own_labels(tmp_path):
    for subset in ("train", "valid"):
        touched(tmp_path, f"{subset}/images/a.png")
        written(tmp_path / f"{subset}/labels/a.txt", LINE)
    written(tmp_path / "data.yaml", "names: [shrimp]\n")
    written(tmp_path / "README.dataset.txt", "About 0 shrimps\n")
    assert [path for path, _ in boxes(read(tmp_path))] == [
        *(f"{tmp_path}/train/images/a.png", f"{tmp_path}/valid/images/a.png")
    ]


def test_lines_keep_their_order_and_pictures_without_a_label_are_left_out_and_counted(tmp_path, capsys):
    touched(tmp_path, *(f"{name}.png" for name in "abcd"))
    written(tmp_path / "b.txt", "0 0.5 0.5 0.2 0.4 0.9 4\n\n1 0.1 0.1 0.2 0.2 0.8 5\n")
    written(tmp_path / "a.txt", LINE)
    written(tmp_path / "c.txt", "\n")
    written(tmp_path / "classes.txt", "shrimp\n")
    rows = by_row(read(tmp_path))
    assert [frame.path[-5:] for frame, _ in rows] == ["a.png", "b.png", "b.png"]
    assert [roi.track for _, roi in rows] == [None, "4", "5"]
    assert capsys.readouterr().err == f"warning: {tmp_path}: 2 of 4 pictures have no label and are left out\n"


def test_a_line_that_is_no_label_is_a_row_with_the_reason(tmp_path):
    touched(tmp_path, "a.png")
    written(tmp_path / "a.txt", LINE + "\n0 0.5\n0 nan 0.5 0.2 0.2\n")
    rows = by_row(read(tmp_path))
    assert [roi.reason for _, roi in rows] == ["", "a.txt, line 3: expected `class x y width height`", ""]
    assert rows[2][1].box is not None, "whether numbers are finite is checked with the boxes of all inputs"


def test_a_folder_whose_labels_are_all_empty_has_no_rows(tmp_path, capsys):
    touched(tmp_path, "a.png", "a.txt")
    assert read(tmp_path) == []
    assert "1 of 1 pictures have no label" in capsys.readouterr().err


def test_texts_that_are_no_labels_do_not_make_a_folder_one_of_labels(tmp_path, capsys):
    touched(tmp_path, "a.png", "b.png", "b.txt")
    written(tmp_path / "a.txt", "a shrimp on the left\n")
    assert boxes(read(tmp_path)) == [(f"{tmp_path}/a.png", None), (f"{tmp_path}/b.png", None)]
    assert "not YOLO labels; predicting whole pictures" in capsys.readouterr().err


def test_a_folder_of_labels_names_pictures_in_the_given_folder(tmp_path, capsys):
    touched(tmp_path, "pictures/deep/a.png", "pictures/b.png", "pictures/c.png", "labels/b.txt")
    for name in ("deep/a", "gone"):
        written(tmp_path / f"labels/{name}.txt", LINE)
    written(tmp_path / "labels/classes.txt", "shrimp\n")
    frames = read(tmp_path / "labels", images=tmp_path / "pictures")
    assert [(frame.path, frame.location) for frame in frames] == [
        *(("deep/a.png", str(tmp_path / "pictures/deep/a.png")), ("gone", ""))
    ]
    assert reasons(frames) == ["", "no picture has the name of its label file, gone.txt"]
    assert "1 of 3 pictures have no label" in capsys.readouterr().err


def test_labels_without_any_of_the_pictures_are_refused(tmp_path):
    touched(tmp_path, "labels/a.txt", "pictures/b.png")
    refused("has no YOLO label for any of the 1 pictures in", tmp_path / "labels", images=tmp_path / "pictures")
