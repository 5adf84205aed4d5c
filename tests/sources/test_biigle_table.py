"""The CSV reports of BIIGLE."""

import math

import pytest

from tests.sources.tables import document, refused, rois

HEADER = (
    "annotation_label_id,label_id,label_name,label_hierarchy,user_id,firstname,lastname,image_id,filename,"
    "image_longitude,image_latitude,shape_id,shape_name,points,attributes,annotation_id,created_at\n"
)
ATTRIBUTES = '"{""width"":4000,""height"":3000,""size"":2104835,""mimetype"":""image\\/jpeg""}"'


def row(shape: str, points: str, **cells: object) -> str:
    """A row of the report; `cells` replace label, annotation and date."""
    label, annotation = cells.get("label", "Ophiuroidea"), cells.get("annotation", len(points))
    return (
        f'{annotation}7,31,{label},"Animalia > Echinodermata > {label}",4,Ada,Doe,12,{cells.get("file", "IMG_1.JPG")},'
        f'-12.5,28.1,5,{shape},"{points}",{ATTRIBUTES},{annotation},"{cells.get("date", "2023-06-05 16:21:15")}"\n'
    )


def test_the_report_on_annotations_is_read_with_a_box_around_each_shape(tmp_path):
    text = HEADER + row("Rectangle", "[679.24,246.12,732.77,408.79,595.3,454.03,541.76,291.37]")
    text += row("Polygon", "[10,20,40,25,30,60]") + row("Circle", "[100,200,15.5]") + row("LineString", "[1,2,11,22]")
    read = document(tmp_path, text)
    boxes = [box for _, _, box in rois(read)]
    assert boxes[0] == pytest.approx([541.76, 246.12, 732.77 - 541.76, 454.03 - 246.12])
    assert boxes[1:] == [[10, 20, 30, 40], [84.5, 184.5, 31, 31], [1, 2, 10, 20]]
    assert {label for _, label, _ in rois(read)} == {"Ophiuroidea"}
    assert (read.box_format, read.notes) == ("xywh", ("read as a CSV report of BIIGLE",))
    assert read.content["images"] == [
        {
            **{"id": 1, "file_name": "IMG_1.JPG", "width": 4000, "height": 3000},
            **{"image_longitude": "-12.5", "image_latitude": "28.1"},
        }
    ]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 1, 3), (3, 1, 0, 2)])
def test_the_box_of_an_ellipse_holds_all_of_it(tmp_path, order):
    centre, angle, halves = (100.0, 80.0), 0.6, (50.0, 20.0)
    across = [(math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))]
    ends = [
        (centre[0] + sign * half * x, centre[1] + sign * half * y)
        for half, (x, y) in zip(halves, across, strict=True)
        for sign in (1, -1)
    ]
    points = [number for place in order for number in ends[place]]
    (_, _, box), *_ = rois(document(tmp_path, HEADER + row("Ellipse", str(points))))
    outline = [
        [
            centre[axis] + sum(half * side[axis] * wave for half, side, wave in zip(halves, across, waves, strict=True))
            for waves in ((math.cos(turn / 500), math.sin(turn / 500)) for turn in range(3142))
        ]
        for axis in (0, 1)
    ]
    expected = [*map(min, outline), *(max(side) - min(side) for side in outline)]
    assert box == pytest.approx(expected, abs=1e-3)


def test_points_keep_a_box_without_extent_and_are_counted(tmp_path):
    read = document(tmp_path, HEADER + row("Point", "[5,6]") + row("WholeFrame", "[]"))
    assert [box for _, _, box in rois(read)] == [[5, 6, 0, 0], "frame"]
    assert read.notes[1:] == ("1 annotation(s) are points, which have no extent, and will be left out by crop",)


def test_of_several_labels_of_an_annotation_the_newest_is_used(tmp_path):
    old = row("Circle", "[9,9,2]", annotation=5, label="Asteroidea", date="2022-01-01 00:00:00")
    new = row("Circle", "[9,9,2]", annotation=5)
    same = row("Circle", "[9,9,3]", annotation=6, label="Aves")
    for text in (new + old + same + same, old + new + same + same):
        read = document(tmp_path, HEADER + text)
        assert [
            (one["id"], label) for one, (_, label, _) in zip(read.content["annotations"], rois(read), strict=True)
        ] == [*((5, "Ophiuroidea"), (6, "Aves"))]
        assert read.notes[1:] == ("1 annotation(s) have several labels; using the newest: 5",)


def test_the_report_on_image_labels_gives_whole_pictures(tmp_path):
    text = "image_label_id,image_id,filename,longitude,latitude,user_id,firstname,lastname,label_id,label_name,"
    text += 'label_hierarchy,created_at\n8,12,IMG_1.JPG,-12.5,28.1,4,Ada,Doe,31,Sebastes,"Fish > Sebastes",2023-06-05\n'
    assert rois(document(tmp_path, text)) == [("IMG_1.JPG", "Sebastes", "frame")]


def test_the_report_on_videos_is_refused(tmp_path):
    text = "video_annotation_label_id,label_id,label_name,label_hierarchy,user_id,firstname,lastname,video_id,"
    text += "video_filename,shape_id,shape_name,points,frames,annotation_id,created_at,attributes\n"
    refused(tmp_path, text, "a report of BIIGLE on a video, expected one on images; extract the annotated frames")


@pytest.mark.parametrize(
    ("shape", "points"),
    [("Circle", "[1,2]"), ("Polygon", "[1,2,3]"), ("Polygon", "[]"), ("Rectangle", "[[1,2]]"), ("Point", "1;2")],
)
def test_points_that_do_not_fit_their_shape_are_named(tmp_path, shape, points):
    fault = "1 row(s) have points that are not those of their shape: expected a JSON list"
    refused(tmp_path, HEADER + row(shape, points), fault)
