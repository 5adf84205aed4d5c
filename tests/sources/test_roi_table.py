"""Tables as sources: checked, with boxes in pixels of the frames beside them."""

import csv
import io
import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fathomline.errors import InputError, Unusable
from fathomline.sources.read_source import SourceRequest, read_source
from fathomline.sources.roi_table import read_roi_table
from tests.sources import test_biigle_table, test_squidle_table, test_tator_table, test_viame_table


@pytest.fixture
def boxes(tmp_path):
    """Read a table whose frames are 200 x 100 pixels; the boxes of its annotations by frame."""

    def read(text: str, *names: str) -> list[tuple[str, object]]:
        for name in names:
            Image.new("RGB", (200, 100)).save(tmp_path / name)
        path = tmp_path / "rois.csv"
        path.write_text(text, encoding="utf-8")
        data = read_source(SourceRequest("table", str(path), str(tmp_path)), labelled=True, fetch=pytest.fail)
        frames = {image["id"]: image["file_name"] for image in data.coco.images}
        return [(frames[one["image_id"]], one["bbox"]) for one in data.coco.annotations]

    return read


def test_the_user_says_what_the_numbers_are_and_whole_frames_stay(boxes):
    found = boxes("path,label,x,y,w,h\nd/a.png,Aves,1,2,30,40\nb.png,Aves,,,,\n", "a.png", "b.png")
    assert found == [("d/a.png", [1, 2, 30, 40]), ("b.png", "frame")]


def test_a_folder_is_refused_with_the_sources_that_read_folders(tmp_path):
    with pytest.raises(InputError, match=r"a folder, expected a CSV .* `source.name: folder` reads"):
        read_roi_table(tmp_path, labelled=True)


def test_columns_of_corners_need_no_parameter(boxes):
    assert boxes("path,label,x1,y1,x2,y2\na.png,Aves,1,2,30,40\n", "a.png") == [("a.png", [1, 2, 29, 38])]


def test_the_exports_of_tools_are_in_pixels(boxes):
    tator = test_tator_table.HEADER.format(label="Label") + test_tator_table.ROWS
    names = [f"dive1_00012{number}.jpg" for number in (3, 4)]
    assert boxes(tator, *names) == [(names[0], [50, 50, 25, 25]), (names[1], [20, 20, 0, 0])]
    assert boxes(test_viame_table.PIPELINE, "a.png") == [("a.png", [1.5, 2.5, 8.5, 17.5])]
    biigle = test_biigle_table.HEADER + test_biigle_table.row("Circle", "[10,20,5]", file="a.png")
    assert boxes(biigle, "a.png") == [("a.png", [5, 15, 10, 10])]
    squidle = test_squidle_table.HEADER + test_squidle_table.row("Ecklonia", test_squidle_table.BOX)
    ((name, box),) = boxes(squidle, "PR_0516.png")
    assert (name, box) == ("PR_0516.png", pytest.approx([90, 15, 20, 20]))


def test_ids_that_are_no_integers_stay_as_source_id(tmp_path):
    path = tmp_path / "rois.csv"
    path.write_text("path,label,annotation_id\na.png,Aves,u-1\n")
    data = read_source(SourceRequest("table", str(path)), labelled=True, fetch=pytest.fail)
    assert data.coco.annotations == [{"id": 1, "image_id": 1, "category_id": 1, "bbox": "frame", "source_id": "u-1"}]


def test_one_file_is_not_taken_for_two_pictures_of_different_folders(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    path = tmp_path / "rois.csv"
    path.write_text("path,label\ndive1/a.png,Aves\ndive2/a.png,Pinnipedia\n")
    data = read_source(SourceRequest("table", str(path)), labelled=True, fetch=pytest.fail)
    with pytest.raises(Unusable, match="also that of another path in the annotations"):
        data.frames.find("dive1/a.png")


def test_a_no_break_space_from_a_spreadsheet_is_a_space(tmp_path):
    path = tmp_path / "rois.csv"
    path.write_text("path,label\na.png,Aurelia\u00a0aurita\nb.png,Aurelia aurita\n", encoding="utf-8")
    data = read_source(SourceRequest("table", str(path)), labelled=True, fetch=pytest.fail)
    assert data.coco.categories == [{"id": 1, "name": "Aurelia aurita"}]


HEADERS = (
    ["path", "label", "x", "y", "w", "h", "annotation_id"],
    ["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"],
    test_viame_table.PIPELINE.splitlines()[0].split(","),
    next(csv.reader([test_biigle_table.HEADER])),
    next(csv.reader([test_squidle_table.HEADER])),
    next(csv.reader([test_tator_table.HEADER.format(label="Label")])),
)
cells = (
    st.sampled_from(["", "1", "0,5", "nan", "1e400", "[1,2]", "[[1,2],[3]]", "{}", "Circle", "#", "a.png"]) | st.text()
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(HEADERS), st.lists(st.lists(cells, max_size=18), max_size=4), st.booleans())
def test_any_cells_are_read_or_refused_by_name(tmp_path_factory, header, rows, labelled):
    stream = io.StringIO()
    csv.writer(stream).writerows([header, *rows])
    path = tmp_path_factory.getbasetemp() / "any_rois.csv"
    path.write_bytes(stream.getvalue().encode("utf-8", "ignore"))
    content, lines = None, []
    try:
        content = read_roi_table(path, labelled=labelled).content
    except InputError as error:
        lines = str(error).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines), lines
    if content is not None:
        json.dumps(content, allow_nan=False)
        ids = {category["id"] for category in content["categories"]} | (set() if labelled else {None})
        assert {one["category_id"] for one in content["annotations"]} <= ids


@settings(max_examples=150, deadline=None)
@given(st.binary())
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any_bytes.csv"
    path.write_bytes(b"path,label\n" + content)
    with suppress(InputError):
        assert read_roi_table(path, labelled=True).content["annotations"]
