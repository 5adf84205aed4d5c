"""The CSV that SQUIDLE+ exports."""

import pytest

from tests.sources.tables import document, refused, rois

HEADER = (
    "comment,label.id,label.lineage_names,label.name,likelihood,needs_review,point.data.polygon,point.id,"
    "point.is_targeted,point.media.deployment.campaign.key,point.media.deployment.key,point.media.id,point.media.key,"
    "point.media.path_best,point.pose.dep,point.t,point.x,point.y,tag_names,updated_at\n"
)


def row(label: str, polygon: str, x: str = "0.5", y: str = "0.25", picture: str = "PR_0516") -> str:
    return (
        f',10925,Biota > {label},{label},1.0,False,"{polygon}",5678,True,Batemans201011,r20101116,99,{picture},'
        f"https://data.example.org/{picture}.png,31.2,,{x},{y},,2021-05-03T02:13:30\n"
    )


BOX = "[[-0.05, 0.1], [-0.05, -0.1], [0.05, -0.1], [0.05, 0.1]]"


def test_outlines_give_boxes_as_fractions_of_the_picture(tmp_path):
    text = HEADER + row("Ecklonia radiata", BOX) + row("Evechinus", "[[0.1, 0.0], [-0.2, 0.05], [0.0, 0.3]]")
    read = document(tmp_path, text)
    (url, label, first), (_, _, second) = rois(read)
    assert (url, label) == ("https://data.example.org/PR_0516.png", "Ecklonia radiata")
    assert first == pytest.approx([0.45, 0.15, 0.1, 0.2])
    assert second == pytest.approx([0.3, 0.25, 0.3, 0.3])
    assert (read.box_format, read.notes) == ("xywh_normalized", ("read as an export of SQUIDLE+",))
    fields = {"deployment": "r20101116", "campaign": "Batemans201011"}
    assert read.content["images"] == [{"id": 1, "coco_url": url, "file_name": "PR_0516.png", **fields}]


def test_the_outline_may_be_in_the_data_of_the_point(tmp_path):
    header = "label.name,point.data,point.media.key,point.x,point.y\n"
    text = header + f'Aves,"{{\'polygon\': {BOX}}}",a.png,0.5,0.5\nAves,"{{""polygon"": null}}",a.png,0.5,0.5\n'
    boxes = [box for _, _, box in rois(document(tmp_path, text))]
    assert boxes[0] == pytest.approx([0.45, 0.4, 0.1, 0.2])
    assert boxes[1] == [0.5, 0.5, 0, 0]


def test_points_labels_of_frames_and_points_without_a_label(tmp_path):
    text = HEADER + row("Sand", "") + row("Reef", "", x="", y="") + row("", "")
    read = document(tmp_path, text)
    assert [(label, box) for _, label, box in rois(read)] == [("Sand", [0.5, 0.25, 0, 0]), ("Reef", "frame")]
    assert read.notes[1:] == (
        "1 annotation(s) have no label and are left out",
        "1 annotation(s) are points, which have no extent, and will be left out by crop",
    )
    assert [label for _, label, _ in rois(document(tmp_path, text, labelled=False))] == ["Sand", "Reef", None]


def test_an_export_without_pictures_says_how_to_export_again(tmp_path):
    refused(
        tmp_path,
        "label.name,point.x,point.y\nSand,0.1,0.2\n",
        "an export of SQUIDLE+ without the pictures; it has label.name, point.x, point.y; export it again with the "
        "column point.media.path_best",
    )


def test_places_that_cannot_be_read_are_named(tmp_path):
    refused(
        tmp_path,
        HEADER
        + row("Sand", "", x="left")
        + row("Sand", "[[1, 2, 3]]")
        + row("Sand", "__import__('os')")
        + row("Sand", "[[1e999, 0]]"),
        "1 row(s) have a point.x or point.y that is no number: row 2 has 'left', '0.25'",
        "3 row(s) have an outline that is not a list of [x, y]: row 3 has '[[1, 2, 3]]', row 4 has",
    )
