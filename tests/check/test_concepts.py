"""The names and numbers of the concepts."""

import json

import pytest

from tests.check.world import texts


def name(first: str):
    """A change that renames the first concept."""

    def change(coco):
        coco["categories"][0]["name"] = first

    return change


def test_an_unknown_name_stops_without_the_network_with_similar_ones(world):
    (said,) = texts(world.check(name("Amphipodaa")), "stop")
    assert said.startswith("taxonomy: 1 name(s) cannot be resolved; taxonomy.offline is true, so WoRMS was not asked:")
    assert "\n  'Amphipodaa': did you mean 'Amphipoda'" in said


def test_an_unknown_name_will_be_looked_up_if_there_is_a_network(world):
    findings = world.check(name("Amphipodaa"), taxonomy={"offline": False})
    assert texts(findings, "stop") == []
    (said,) = texts(findings, "surprise")
    assert said.startswith("1 of 2 concepts will be looked up in WoRMS")
    assert "'Amphipodaa' (similar: Amphipoda" in said
    command = f"`fathomline lineages {world.folder}/train.json > lineages.csv` writes a table"
    assert command in said


def test_the_command_for_more_lineages_reads_those_of_the_user_and_writes_another_file(world):
    path = world.folder / "my names.csv"
    path.write_text("concept_name,aphia_id,rank,kingdom,phylum,class,order,family,genus,species\n")
    sections = {"offline": False, "lineages": str(path)}
    (said,) = texts(world.check(name("Amphipodaa"), taxonomy=sections), "surprise")
    assert f"train.json --lineages '{path}' > lineages-new.csv`" in said


def test_a_name_in_the_csv_or_in_the_reference_of_an_earlier_run_is_known(world):
    header = "concept_name,aphia_id,rank,kingdom,phylum,class,order,family,genus,species\n"
    path = world.folder / "mine.csv"
    path.write_text(header + "red blob,,phylum,Animalia,Ctenophora,,,,,\n")
    assert texts(world.check(name("red blob"), taxonomy={"lineages": str(path)}), "stop") == []
    ranks = dict.fromkeys(("class", "order", "family", "genus", "species"))
    entry = {"accepted_name": "Ctenophora", "rank": "phylum", "aphia_id": None, "kingdom": "Animalia", **ranks}
    content = {"hash": "x", "concepts": {"red blob": entry | {"phylum": "Ctenophora", "origin": "worms"}}}
    (world.folder / "reference.json").write_text(json.dumps(content))
    assert texts(world.check(name("red blob")), "stop") == []


def test_a_damaged_reference_and_contradicting_lineages_stop(world):
    (world.folder / "reference.json").write_text("{}")
    (said,) = texts(world.check(), "stop")
    assert "reference.json: expected the keys hash and concepts" in said
    (world.folder / "reference.json").unlink()
    header = "concept_name,aphia_id,rank,kingdom,phylum,class,order,family,genus,species\n"
    path = world.folder / "mine.csv"
    path.write_text(header + "red blob,,family,Animalia,Annelida,Clitellata,Sabellida,Blobidae,,\n")
    findings = world.check(name("red blob"), taxonomy={"lineages": str(path)})
    (said,) = texts(findings, "stop")
    assert "has two places in the tree, expected one" in said


def test_another_spelling_is_told(world):
    assert texts(world.check(name("amphipoda")), "note") == ["'amphipoda' is read as 'Amphipoda'"]


def test_asking_for_all_names_again_is_told(world):
    said = texts(world.check(taxonomy={"offline": False, "refresh": True}), "expected")
    assert "taxonomy.refresh is true: every name that is not in your CSV is asked for again" in said


def keep(*pairs: tuple[int, int]):
    """A change that keeps only the annotations of these images and categories."""

    def change(coco):
        coco["annotations"] = [each for each in coco["annotations"] if (each["image_id"], each["category_id"]) in pairs]

    return change


def test_a_concept_in_one_image_or_in_fewer_than_there_are_folds_is_told_with_its_counts(world):
    pairs = [(image, 1) for image in range(1, 5)]
    (said,) = texts(world.check(keep(*pairs, (1, 2))), "surprise")
    assert said == (
        "1 of 2 concepts have ROIs in one of the images only, so each is either trained on or held out, never both: "
        "Serpulidae (1 in 1)"
    )
    (said,) = texts(world.check(keep(*pairs, (1, 2), (2, 2)), split={"folds": 3}), "surprise")
    assert said == (
        "1 of 2 concepts have too few ROIs or images for split.folds 3, so some folds validate without them: "
        "Serpulidae (2 in 2)"
    )


def test_too_few_groups_or_rois_for_the_folds_stop(world):
    (said,) = texts(world.check(split={"folds": 5, "group": "dive"}), "stop")
    assert said.startswith("split: 4 group(s), as set by `split.group`, cannot fill 5 folds")


def test_groups_are_those_of_the_field(world):
    def one_dive(coco):
        for image in coco["images"]:
            image["dive"] = "dive 1" if image["id"] < 4 else "dive 2"
        keep((1, 1), (2, 1), (3, 1), (4, 1), (1, 2), (2, 2))(coco)

    (said,) = texts(world.check(one_dive, split={"group": "dive"}), "surprise")
    assert said.endswith(
        "have ROIs in one of the values of dive only, so each is either trained on or held out, never "
        "both: Serpulidae (2 in 1)"
    )


@pytest.mark.parametrize("group", ["video", "width"])
def test_a_group_that_images_lack_stops_with_the_fields_there_are(world, group):
    (said,) = texts(world.check(split={"group": group}), "stop")
    assert f"4 of 4 images have no text or number in the field `{group}` that split.group names" in said
    assert said.endswith("fields to group by: dive, file_name")


def test_rois_of_frames_that_may_be_missing_do_not_count(world):
    for number in (2, 3, 4):  # the frame that is left has a ROI of each of two concepts
        (world.frames / f"{number}.png").unlink()
    said = texts(world.check(download={"allowed_missing": 0.75}), "stop")
    assert said[0] == "split: 1 group(s), as set by `split.group`, cannot fill 2 folds; expected at least 2 groups"


def test_labels_of_boxes_that_cannot_be_cut_do_not_count(world):
    def flatten(coco):
        for annotation in coco["annotations"][2:]:
            if annotation["category_id"] == 2:
                annotation["bbox"] = [9, 9, 0, 60]

    assert any("Serpulidae (1 in 1)" in said for said in texts(world.check(flatten), "surprise"))


def test_a_single_concept_surprises(world):
    def merge(coco):
        coco["annotations"] = [one for one in coco["annotations"] if one["category_id"] == 1]

    said = texts(world.check(merge), "surprise")
    assert [text for text in said if text.startswith("all ROIs of the training subset are 'Amphipoda'")]
    assert not [text for text in texts(world.check(), "surprise") if text.startswith("all ROIs")]
