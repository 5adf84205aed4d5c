"""The CSV of localizations that Tator downloads."""

from tests.sources.tables import document, refused, rois

HEADER = "id,project,version,media,user,frame,x,y,width,height,u,v,points,parent,{label},Quality\n"
ROWS = (
    "901,7,3,dive1_000123.jpg,ada@example.org,0,0.25,0.5,0.125,0.25,,,,,Sebastes,good\n"
    "902,7,3,dive1_000124.jpg,ada@example.org,0,0.1,0.2,,,,,,,Caridea,\n"
)


def test_localizations_are_read_with_ids_and_boxes_as_fractions(tmp_path):
    read = document(tmp_path, HEADER.format(label="Label") + ROWS)
    assert rois(read) == [
        ("dive1_000123.jpg", "Sebastes", [0.25, 0.5, 0.125, 0.25]),
        ("dive1_000124.jpg", "Caridea", [0.1, 0.2, 0, 0]),
    ]
    assert read.box_format == "xywh_normalized"
    assert [one["id"] for one in read.content["annotations"]] == [901, 902]
    assert read.notes == (
        "read as localizations of Tator",
        "1 localization(s) are points, which have no extent, and will be left out by crop",
    )


def test_the_attribute_of_the_label_has_any_usual_name(tmp_path):
    for label in ("Species", "Scientific Name", "concept", "Taxon"):
        assert [name for _, name, _ in rois(document(tmp_path, HEADER.format(label=label) + ROWS))] == [
            *("Sebastes", "Caridea")
        ]


def test_without_a_column_of_labels_the_attribute_is_to_be_renamed(tmp_path):
    text = HEADER.format(label="What") + ROWS
    refused(tmp_path, text, "expected one column of labels, found none; rename the attribute with the concepts to")
    assert [label for _, label, _ in rois(document(tmp_path, text, labelled=False))] == [None, None]
    both = HEADER.format(label="Species").replace("Quality", "Taxon") + ROWS
    refused(tmp_path, both, "expected one column of labels, found Species, Taxon; rename")


def test_numbers_instead_of_pictures_and_videos_are_refused(tmp_path):
    text = HEADER.format(label="Label") + ROWS
    numbers = text.replace("dive1_000123.jpg", "55").replace("dive1_000124.jpg", "56")
    refused(tmp_path, numbers, "`media` has numbers, expected the names of pictures; download the CSV from the page")
    refused(
        tmp_path,
        text.replace(".jpg", ".MP4"),
        "2 row(s) name a video, not a picture; extract the annotated frames, and name their files in a column `path`: "
        "row 2 has 'dive1_000123.MP4', row 3 has 'dive1_000124.MP4'",
    )
