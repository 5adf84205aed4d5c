"""The CSV that DIVE exports, and the one that VIAME's pipelines write."""

from tests.sources.tables import document, refused, rois

DIVE = """\
# 1: Detection or Track-id,2: Video or Image Identifier,3: Unique Frame Identifier,4-7: Img-bbox(TL_x,TL_y,BR_x,BR_y),\
8: Detection or Length Confidence,9: Target Length (0 or -1 if invalid),10-11+: Repeated Species,\
Confidence Pairs or Attributes
# metadata,fps: 1,"exported_by: ""dive:python"", 2024"
0,frame_0001.png,0,884,510,1219,737,1,-1,Sebastes,1,(kp) head 900 600,(atr) sex female
1,frame_0001.png,0,10.5,20,30,40,0.9,-1,Pandalus amplus,0.2,Caridea,0.75,"(poly) 10 20 30 20 30 40"
0,frame_0002.png,1,880,505,1210,730,1,-1,Sebastes,1
"""

PIPELINE = """\
# 1: Detection or Track-id,  2: Video or Image Identifier,  3: Unique Frame Identifier,  4-7: Img-bbox(TL_x,TL_y,\
BR_x,BR_y),  8: Detection or Length Confidence,  9: Target Length (0 or -1 if invalid),  10-11+: Repeated Species, \
Confidence Pairs or Attributes
# Written on: Thu Mar  7 16:20:02 2024   by: write_object_track_set_viame_csv
3,a.png,7,1.5,2.5,10,20,0.4,0,shrimp,0.4
"""


def test_the_most_confident_species_is_the_label_and_boxes_are_corners(tmp_path):
    read = document(tmp_path, DIVE)
    assert rois(read) == [
        ("frame_0001.png", "Sebastes", [884, 510, 1219, 737]),
        ("frame_0001.png", "Caridea", [10.5, 20, 30, 40]),
        ("frame_0002.png", "Sebastes", [880, 505, 1210, 730]),
    ]
    assert (read.box_format, read.notes) == ("xyxy", ("read as a CSV of VIAME",))
    assert [one["id"] for one in read.content["annotations"]] == [3, 4, 5]
    assert len(read.content["images"]) == 2


def test_the_csv_of_a_pipeline_is_read(tmp_path):
    assert rois(document(tmp_path, PIPELINE)) == [("a.png", "shrimp", [1.5, 2.5, 10, 20])]


def test_a_detection_without_a_species_has_no_label(tmp_path):
    text = PIPELINE.replace(",shrimp,0.4", "")
    assert rois(document(tmp_path, text, labelled=False)) == [("a.png", None, [1.5, 2.5, 10, 20])]
    refused(tmp_path, text, "1 row(s) have no label, which training requires; fill it in, or remove them: row 3")


def test_the_times_of_a_video_are_refused(tmp_path):
    refused(
        tmp_path,
        PIPELINE.replace("a.png", "00:00:01.400000"),
        "1 row(s) give the time in a video instead of a picture: row 3 has '00:00:01.400000'; extract",
    )


def test_damaged_rows_are_named(tmp_path):
    refused(
        tmp_path,
        PIPELINE + "4,b.png,8,1,2,x,4,1,-1,shrimp,1\n5,c.png\n6,d.png,9,1,2,3,4,1,-1,shrimp,high,squid,0.1\n",
        "1 row(s) have a box that is not four finite numbers: row 4, `BR_x`: 'x'",
        "1 row(s) have fewer than 9 cells, which VIAME never writes: row 5 has 2",
        "1 row(s) have a confidence that is no number: row 6: 'high' of 'shrimp'",
    )
