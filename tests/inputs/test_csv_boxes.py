"""Boxes from a CSV."""

import csv
import io

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathomline.answers.table import ROI
from fathomline.files import write_report_csv
from fathomline.inputs.csv_boxes import csv_rows
from tests.inputs.files import boxes, by_row, read, reasons, refused, touched, written

ROWS = "a.png,1,2.5,3,4e1\nb.png,,,,\na.png,0,0,1,1\n"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_and_line_ends_of_spreadsheets_are_read(tmp_path, separator, mark, end):
    text = mark + ("Path,X,y, W ,H\n" + ROWS).replace(",", separator).replace("\n", end)
    path = written(tmp_path / "boxes.csv", text.encode())
    frames = read(path)
    assert boxes(frames) == [("a.png", [1, 2.5, 3, 40]), ("b.png", None), ("a.png", [0, 0, 1, 1])]
    assert [frame.location for frame in frames] == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_other_encodings_of_spreadsheets_are_read(tmp_path, encoding, capsys):
    path = written(tmp_path / "boxes.csv", "path;x;y;w;h\nærø.png;1,5;2;3;4\n".encode(encoding))
    assert boxes(read(path)) == [("ærø.png", [1.5, 2, 3, 4])]
    assert ("read as Windows-1252, such as 'ærø.png'" in capsys.readouterr().err) == (encoding == "cp1252")


def test_paths_are_relative_to_the_folder_given_or_that_of_the_csv_or_absolute_or_urls(tmp_path):
    path = written(tmp_path / "deep/boxes.csv", "path\na.png\n../b.png\n/c/d.png\nhttps://x.org/e.png\n")
    kept = ["/c/d.png", "https://x.org/e.png"]
    assert [frame.location for frame in read(path)] == [
        str(tmp_path / "deep/a.png"),
        f"{tmp_path}/deep/../b.png",
        *kept,
    ]
    (tmp_path / "i").mkdir()
    assert [frame.location for frame in read(path, images=tmp_path / "i")][:1] == [str(tmp_path / "i/a.png")]


def test_pictures_stored_by_image_id_are_found_as_for_a_coco_json(tmp_path):
    touched(tmp_path, "images/7.png", "images/b.png")
    path = written(tmp_path / "answers.csv", "path,image_id\na.png,7\nb.png,7\nc.png,8\nd.png,\n")
    found = [frame.location for frame in read(path, images=tmp_path / "images")]
    assert found == [f"{tmp_path}/images/{name}" for name in ("7.png", "b.png", "c.png", "d.png")]


def test_a_csv_of_paths_is_one_of_whole_pictures(tmp_path):
    assert boxes(read(written(tmp_path / "a.csv", "path\na.png\nb.png\n"))) == [("a.png", None), ("b.png", None)]


def test_tracks_ids_and_sizes_are_read_and_other_columns_ignored(tmp_path):
    text = "note,path,x,y,w,h,track,annotation_id,image_id,frame_w,frame_h\n"
    text += "n,a.png,1,2,3,4,left,7,12,40,30\nn,a.png,1,2,3,4,,uuid-1,12,40,30\nn,b.png,1,2,3,4,2,,x,0,0\n"
    rows = by_row(read(written(tmp_path / "a.csv", text)))
    assert [(roi.track, roi.annotation_id) for _, roi in rows] == [("left", 7), (None, "uuid-1"), ("2", None)]
    assert [(frame.image_id, frame.size) for frame, _ in rows] == [(12, (40, 30)), (12, (40, 30)), ("x", None)]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("a.png,1,2,nan,4", "row 2, column w: 'nan', expected a finite number"),
        ("a.png,1,2,3,inf", "row 2, column h: 'inf', expected a finite number"),
        ("a.png,x,2,3,4", "row 2, column x: 'x', expected a finite number"),
        ("a.png,1,,3,4", "row 2, column y: empty, expected a finite number"),
        ("a.png,1", "row 2, column y: empty, expected a finite number"),
        ("a.png,1_0,2,3,4", "row 2, column x: '1_0', expected a finite number"),
        ('a.png,"1,5",2,3,4', "row 2, column x: '1,5', expected a finite number; write decimals with a point"),
        (",1,2,3,4", "row 2, column path: empty, expected the path of a picture"),
        ("a.png,1,2,3,4,,5", "row 2 has more cells than the header, such as '5'"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_and_the_others_are_read(tmp_path, cells, reason):
    path = written(tmp_path / "a.csv", f"path,x,y,w,h\n{cells}\nb.png,1,2,3,4\n")
    assert reasons(read(path)) == [reason, ""]


def test_rows_are_numbered_as_in_a_spreadsheet_and_empty_ones_ignored(tmp_path):
    path = written(tmp_path / "a.csv", 'path,x,y,w,h\n\n"a\nb.png",1,2,3,4\n,,,,\nc.png,1,2,3,?\n,,,,\n\n')
    assert reasons(read(path)) == ["", "row 5, column h: '?', expected a finite number"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,x,y\na,1,2\n", r"lacks the column\(s\) w, h; it has path, x, y$"),
        ("file,x,y,w,h\n", r"lacks the column\(s\) path; it has file, x, y, w, h"),
        ("file\n", r"lacks the column\(s\) path; it has file; expected path, x, y, w, h, or path alone"),
        ("path,x,X,y,w,h\n", r"the header repeats the column\(s\) x"),
        ("path,x,y,w,h\n,,,,\n", "no rows below the header"),
        ("", "the file is empty; expected a CSV with the columns path, x, y, w, h"),
        ("path,annotation_id\na,1\nb,2\nc,1\n", r"several boxes have the same id: 1 \(2 times\)"),
        (b"path\n\x81\n", "not in UTF-8, UTF-16 or Windows-1252; save it as CSV UTF-8"),
        (b"PK\x03\x04\x14\x00", r"a workbook \(.xlsx, .ods, .numbers\) or a .zip, expected a CSV with the columns"),
        ('path\n"a.png\nb.png\n', "not a CSV"),
    ],
)
def test_a_file_that_is_no_csv_of_boxes_is_refused(tmp_path, content, message):
    refused(message, written(tmp_path / "a.csv", content))


names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), min_size=1).filter(
    lambda name: name == name.strip() and name[0] not in "'=+-@＝＋－＠"  # noqa: RUF001
)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
tables = st.lists(
    st.fixed_dictionaries({"path": names, **dict.fromkeys("xywh", numbers), "track": st.none() | st.integers(0, 9)}),
    min_size=1,
)


@settings(max_examples=50, deadline=None)
@given(tables, st.sampled_from(",;\t"))
def test_a_csv_that_pandas_writes_is_read_back(tmp_path_factory, table, separator):
    path = tmp_path_factory.getbasetemp() / "pandas.csv"
    pd.DataFrame(table).astype({"track": "Int64"}).to_csv(path, index=False, sep=separator)
    assert [(row.picture.path, row.box, row.track) for row in csv_rows(path, None)] == [
        (row["path"], [row[side] for side in "xywh"], None if row["track"] is None else str(row["track"]))
        for row in table
    ]


def test_a_file_of_answers_is_read_again(tmp_path):
    cells = {
        "path": ["a, b.png", "=c.png", "d.png"],
        "image_id": [1, 2, None],
        "annotation_id": [7, "uuid", None],
        **{side: [1.25, 2.0, float("nan")] for side in "xywh"},
        "frame_w": [40, 40, 0],
        "frame_h": [30, 30, 0],
        "track": ["-1", None, None],
        "concept_name": ["Pandalus", "NA", "x"],
    }
    ids = {name: pd.Series(cells[name], dtype=object) for name in ("image_id", "annotation_id", "track")}
    table = pd.DataFrame(cells | ids)
    assert set(ROI) <= set(table.columns)
    write_report_csv(table, tmp_path / "answers.csv")
    rows = by_row(read(tmp_path / "answers.csv"))
    assert [(frame.path, frame.image_id, frame.size) for frame, _ in rows] == [
        *(("a, b.png", 1, (40, 30)), ("=c.png", 2, (40, 30)), ("d.png", None, None))
    ]
    assert [(roi.box, roi.annotation_id, roi.track, roi.reason) for _, roi in rows] == [
        *(([1.25] * 4, 7, "-1", ""), ([2.0] * 4, "uuid", None, ""), (None, None, None, ""))
    ]


@settings(max_examples=50, deadline=None)
@given(st.text())
def test_any_text_is_read_or_refused_and_no_row_is_lost(tmp_path_factory, text):
    stream = io.StringIO()
    csv.writer(stream).writerows([["path", "x", "y", "w", "h"], [f"a{text}", text, 1, 1, 1], ["b.png", 1, 1, 1, 1]])
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(stream.getvalue().encode("utf-8", "ignore").replace(b"\0", b""))
    assert len(csv_rows(path, None)) == 2
