"""Our own table of ROIs."""

import json

import pytest

from tests.sources.tables import document, refused, rois


def test_rows_of_a_picture_are_one_image_and_a_row_without_a_box_is_the_whole_frame(tmp_path):
    text = "path,label,x,y,w,h\nb.png,Sebastes,1,2.5,3,4\na.png,Aves,,,,\nb.png,Aves,0,0,1,1\n"
    read = document(tmp_path, text)
    assert read.content["images"] == [{"id": 1, "file_name": "b.png"}, {"id": 2, "file_name": "a.png"}]
    assert read.content["categories"] == [{"id": 1, "name": "Aves"}, {"id": 2, "name": "Sebastes"}]
    assert read.content["annotations"] == [
        {"id": 2, "image_id": 1, "category_id": 2, "bbox": [1, 2.5, 3, 4]},
        {"id": 3, "image_id": 2, "category_id": 1, "bbox": "frame"},
        {"id": 4, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]},
    ], "without ids of their own, annotations have the numbers of their rows in a spreadsheet"
    assert (read.box_format, read.notes) == (None, ())


def test_a_table_of_pictures_and_labels_needs_no_boxes(tmp_path):
    assert rois(document(tmp_path, "path,label\na.png,Aves\n")) == [("a.png", "Aves", "frame")]


def test_an_excel_table_with_semicolons_decimal_commas_and_utf_16_is_read(tmp_path):
    text = "Path;Label;X;Y;W;H;\r\nlæ\\ø.png;Aves;1,5;2;3;4;\r\n;;;;;;\r\n".encode("utf-16")
    assert rois(document(tmp_path, text)) == [("læ/ø.png", "Aves", [1.5, 2, 3, 4])]


@pytest.mark.parametrize("header", ["x1,y1,x2,y2", "xmin,ymin,xmax,ymax"])
def test_corners_prescribe_the_format_of_boxes(tmp_path, header):
    read = document(tmp_path, f"path,label,{header}\na.png,Aves,1,2,30,40\n")
    assert (read.box_format, rois(read)) == ("xyxy", [("a.png", "Aves", [1, 2, 30, 40])])


def test_the_csv_of_tensorflow_is_read(tmp_path):
    read = document(tmp_path, "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,640,480,puffin,1,2,30,40\n")
    assert read.content["images"] == [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}]
    assert (read.box_format, rois(read)) == ("xyxy", [("a.jpg", "puffin", [1, 2, 30, 40])])


def test_width_and_height_are_the_box_only_if_there_is_no_other(tmp_path):
    read = document(tmp_path, "path,label,x,y,width,height\na.jpg,Aves,1,2,3,4\n")
    assert (read.content["images"][0], rois(read)[0][2]) == ({"id": 1, "file_name": "a.jpg"}, [1, 2, 3, 4])
    read = document(tmp_path, "path,label,x,y,w,h,width,height\na.jpg,Aves,1,2,3,4,640,480\n")
    assert (read.content["images"][0]["width"], rois(read)[0][2]) == (640, [1, 2, 3, 4])


@pytest.mark.parametrize("path", ["path", "File_Name", "filename", "image", "Image Path"])
@pytest.mark.parametrize("label", ["label", "concept_name", "Concept", "species", "taxon", "name", "ScientificName"])
def test_the_two_columns_have_other_usual_names(tmp_path, path, label):
    assert rois(document(tmp_path, f"{label},{path}\nAves,a.png\n")) == [("a.png", "Aves", "frame")]


def test_the_exact_name_is_used_beside_others_which_become_fields(tmp_path):
    read = document(tmp_path, "path,label,species,image\na.png,Aves,A. b,7\n")
    assert read.content["images"] == [{"id": 1, "file_name": "a.png", "species": "A. b", "image": "7"}]
    assert rois(read) == [("a.png", "Aves", "frame")]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("file,species,taxon", "species, taxon may each be the column `label`; rename the one that is to `label`"),
        ("file,image,label", "file, image may each be the column `path`"),
        (
            "picture,label",
            "lacks the column(s) path; it has picture, label; expected a CSV with the columns path, label",
        ),
        ("path,x,y,w,h", "lacks the column(s) label; it has path, x, y, w, h"),
        ("a,b", "lacks the column(s) path, label; it has a, b"),
        ("path,label,x,y,w", "lacks the column(s) h of a box; it has path, label, x, y, w"),
        ("pfad,x,y,breite,w", "lacks the column(s) path, label and h of a box; it has pfad, x, y, breite, w"),
        ("path,label,x1,y1,x2", "lacks the column(s) y2 of a box"),
        ("path,label,x,y,w,h,x1,y1,x2,y2", "has x, y, w, h and x1, y1, x2, y2; expected one kind of box"),
        ("path,label", "no rows below the header"),
    ],
)
def test_a_header_that_is_not_clear_is_refused_with_what_it_has(tmp_path, header, message):
    refused(tmp_path, f"{header}\n", message)


def test_all_faults_of_rows_are_reported_at_once(tmp_path):
    rows = ["a.png,,1,2,3,4,1", "b.png,Aves,1,,3,4,2", "c.png,Aves,x,2,3,4,3", ",Aves,1,2,3,4,3", "d.mp4,Aves,,,,,"]
    refused(
        tmp_path,
        "path,label,x,y,w,h,annotation_id\n" + "\n".join([*rows, "e.png,Aves,1,2,3,4,9,,8"]),
        "2 row(s) have a box that is not four finite numbers: row 3, `y`: empty, row 4, `x`: 'x'",
        "1 row(s) have more cells than the header; put cells that contain the separator in quotes: row 7, such as '8'",
        "1 row(s) have no label, which training requires; fill it in, or remove them: row 2",
        "2 row(s) repeat the id of an annotation; expected a different one in each: row 4: 3, row 5: 3",
        "1 row(s) name no picture; fill in its path: row 5",
        "1 row(s) name a video, not a picture; extract the annotated frames",
        "1 row(s) have no annotation id, but others do; fill it in, or remove the column: row 6",
    )


def test_the_test_subset_needs_no_labels(tmp_path):
    read = document(tmp_path, "path,x,y,w,h\na.png,1,2,3,4\n", labelled=False)
    assert (rois(read), read.content["categories"]) == ([("a.png", None, [1, 2, 3, 4])], [])
    read = document(tmp_path, "path,label\na.png,\nb.png,Aves\n", labelled=False)
    assert rois(read) == [("a.png", None, "frame"), ("b.png", "Aves", "frame")]
    refused(tmp_path, "label\nAves\n", "lacks the column(s) path; it has label", labelled=False)


def test_a_picture_is_one_image_whichever_way_its_path_is_written(tmp_path):
    read = document(tmp_path, "path,label\ndive/a.png,Aves\ndive\\a.png,Aves\n./dive/a.png,Aves\n")
    assert read.content["images"] == [{"id": 1, "file_name": "dive/a.png"}]
    assert len(read.content["annotations"]) == 3


def test_integer_ids_are_kept_and_others_numbered_and_kept_as_source_id(tmp_path):
    read = document(tmp_path, "path,label,annotation_id\na.png,Aves,70\nb.png,Aves,3\n")
    assert [one["id"] for one in read.content["annotations"]] == [70, 3]
    read = document(tmp_path, "path,label,annotation_id\na.png,Aves,70\nb.png,Aves,u-1\n")
    assert [(one["id"], one["source_id"]) for one in read.content["annotations"]] == [(1, "70"), (2, "u-1")]


def test_a_url_is_the_coco_url_and_its_last_part_the_file_name(tmp_path):
    read = document(tmp_path, "path,label\nhttps://x.org/dive%201/a%20b.png?size=1,Aves\nHTTP://x.org,Aves\n")
    assert read.content["images"] == [
        {"id": 1, "coco_url": "https://x.org/dive%201/a%20b.png?size=1", "file_name": "a b.png"},
        {"id": 2, "coco_url": "HTTP://x.org"},
    ]


def test_further_columns_are_fields_of_the_picture_if_they_are_the_same_in_all_its_rows(tmp_path):
    text = "path,label,dive,depth,id,empty\na.png,Aves,007,10,1,\na.png,Aves,007,11,2,\nb.png,Aves,8,12,3,\n"
    read = document(tmp_path, text)
    assert read.content["images"] == [
        {"id": 1, "file_name": "a.png", "dive": "007"},
        {"id": 2, "file_name": "b.png", "dive": "8"},
    ]
    assert read.notes == (
        "1 column(s) differ within a picture and are not kept: depth",
        "1 column(s) are not kept, because a picture has its own: id",
    )


def test_the_content_is_strict_json(tmp_path):
    content = document(tmp_path, "path,label,x,y,w,h,dive\na.png,Aves,1,2,3,4,é\n").content
    assert json.loads(json.dumps(content, allow_nan=False)) == content
