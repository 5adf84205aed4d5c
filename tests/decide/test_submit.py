from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fathomline.dataset.coco import Coco
from fathomline.decide.rule import DecisionRule, read_rule
from fathomline.decide.submit import ANSWER, AT_RANKS, asked_rois, described_rois, predictions, submission
from fathomline.errors import InputError
from fathomline.files import write_json, write_report_csv
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy
from tests.decide.conftest import CLASSES, THRESHOLDS

RULE = DecisionRule("risk", "labels", 1.0, THRESHOLDS, fallback="Sebastes", transforms=["identity"])
SURE_OF_A_SPECIES = [0.0, 0.0, 0.05, 0.9, 0.05, 0.0]
TORN_BETWEEN_SPECIES = [0.0, 0.0, 0.0, 0.5, 0.5, 0.0]
UNSURE_OF_A_CHORDATE = [0.3, 0.1, 0.0, 0.2, 0.1, 0.3]


def test_every_annotation_is_answered_once_and_in_the_given_order(taxonomy):
    probabilities = np.array([TORN_BETWEEN_SPECIES, SURE_OF_A_SPECIES])
    table = predictions([30, 10, 20], [20, 30], probabilities, CLASSES, taxonomy, RULE)
    assert table["annotation_id"].tolist() == [30, 10, 20]
    assert table["concept_name"].tolist() == ["Sebastes diploproa", "Sebastes", "Sebastes"]


def test_an_roi_that_could_not_be_cropped_gets_the_fallback_and_no_probability(taxonomy):
    table = predictions([10, 20], [20], np.array([SURE_OF_A_SPECIES]), CLASSES, taxonomy, RULE)
    unseen = table.iloc[0]
    assert (unseen["concept_name"], bool(unseen["seen"])) == ("Sebastes", False)
    assert np.isnan(unseen["confidence"])
    assert (unseen["genus"], unseen["species"]) == ("Sebastes", "")


def test_the_answers_come_from_the_decoder_of_the_rule(taxonomy):
    unsure = np.array([[0.0, 0.0, 0.1, 0.5, 0.0, 0.4]])
    answers = {}
    for decoder in ("argmax", "threshold"):
        rule = DecisionRule(decoder, "labels", 1.0, THRESHOLDS, fallback="Sebastes", transforms=["identity"])
        answers[decoder] = predictions([1], [1], unsure, CLASSES, taxonomy, rule)["concept_name"].item()
    # The species has 0.5 and needs 0.55; its genus has 0.6, which is its threshold.
    assert answers == {"argmax": "Sebastes diploproa", "threshold": "Sebastes"}


def test_each_rank_has_a_name_and_its_probability(taxonomy):
    row = predictions([1], [1], np.array([SURE_OF_A_SPECIES]), CLASSES, taxonomy, RULE).iloc[0]
    assert (row["genus"], row["species"], row["rank"]) == ("Sebastes", "Sebastes diploproa", "species")
    assert row["genus_probability"] == pytest.approx(1.0)
    assert row["species_probability"] == row["confidence"] == pytest.approx(0.9)


def test_with_tree_candidates_the_answer_may_be_a_taxon_without_a_class(taxonomy):
    rule = DecisionRule("risk", "tree", 1.0, THRESHOLDS, fallback="Sebastes", transforms=["identity"])
    row = predictions([1], [1], np.array([UNSURE_OF_A_CHORDATE]), CLASSES, taxonomy, rule).iloc[0]
    assert (row["concept_name"], row["rank"], row["species"]) == ("Chordata", "phylum", "")


def test_without_crops_every_answer_is_the_fallback(taxonomy):
    table = predictions([1, 2], [], np.zeros((0, len(CLASSES))), CLASSES, taxonomy, RULE)
    assert table["concept_name"].tolist() == ["Sebastes", "Sebastes"]


def test_a_repeated_annotation_is_refused(taxonomy):
    with pytest.raises(InputError, match=r"1 annotation_id\(s\) appear more than once in the test annotations.*: 1$"):
        predictions([1, 1], [1], np.array([SURE_OF_A_SPECIES]), CLASSES, taxonomy, RULE)


def test_a_crop_without_an_annotation_is_refused_by_id(taxonomy):
    with pytest.raises(InputError, match=r"1 test crop\(s\) match no test annotation: 7;"):
        predictions([1], [7], np.array([SURE_OF_A_SPECIES]), CLASSES, taxonomy, RULE)


def test_a_repeated_crop_is_refused(taxonomy):
    with pytest.raises(InputError, match=r"1 annotation_id\(s\) appear more than once in the test crops.*: 1$"):
        predictions([1, 2], [1, 1], np.array([SURE_OF_A_SPECIES] * 2), CLASSES, taxonomy, RULE)


def test_a_row_has_the_taxon_its_own_rank_and_its_probability():
    sponge = dict(zip(RANKS, ["Animalia", "Porifera"], strict=False))
    crab = dict(zip(RANKS, ["Animalia", "Arthropoda", "Malacostraca", "Decapoda"], strict=False))
    taxonomy = Taxonomy(
        [
            Lineage("Spongia", "Porifera", "phylum", sponge, 558),
            Lineage("Caridea", "Caridea", "infraorder", crab, 106674),
            Lineage("Decapoda", "Decapoda", "order", crab, 1130),
        ]
    )
    rule = replace(RULE, decoder="risk", fallback="Spongia")
    masses = np.array([[0.1, 0.0, 0.9], [0.8, 0.1, 0.1], [0.45, 0.4, 0.15]])
    table = predictions([5, 6, 7, 8], [7, 5, 6], masses[[2, 0, 1]], ("Caridea", "Decapoda", "Spongia"), taxonomy, rule)
    described = table[["concept_name", "accepted_name", "rank", "aphia_id", "seen"]].to_numpy().tolist()
    assert described == [
        ["Spongia", "Porifera", "phylum", 558, True],
        ["Caridea", "Caridea", "infraorder", 106674, True],
        ["Decapoda", "Decapoda", "order", 1130, True],
        ["Spongia", "Porifera", "phylum", 558, False],
    ]
    # The mass of Decapoda includes that of Caridea.
    assert table["confidence"].tolist()[:3] == pytest.approx([0.9, 0.8, 0.85])
    assert table["confidence"].isna().tolist() == [False, False, False, True]


def test_the_thresholds_of_the_rule_are_used(taxonomy):
    rows = np.array([[0.0, 0.0, 0.1, 0.6, 0.3, 0.0]])
    for threshold, answer in ((0.55, "Sebastes diploproa"), (0.65, "Sebastes")):
        rule = replace(RULE, decoder="threshold", thresholds={**THRESHOLDS, "species": threshold})
        assert predictions([1], [1], rows, CLASSES, taxonomy, rule)["concept_name"].tolist() == [answer]


SOUND = {
    "decoder": "risk",
    "candidates": "labels",
    "temperature": 1.5,
    "thresholds": THRESHOLDS,
    "fallback": "Porifera",
    "transforms": ["identity", "flip_left_right"],
}


def test_a_rule_is_read_as_it_was_written(tmp_path):
    write_json(SOUND, tmp_path / "calibration.json")
    assert read_rule(tmp_path / "calibration.json") == DecisionRule(**SOUND)


def test_a_fallback_outside_the_taxonomy_is_refused(taxonomy):
    with pytest.raises(InputError, match="fallback 'Nemo' is not in the taxonomy"):
        predictions([1], [], np.zeros((0, 6)), CLASSES, taxonomy, replace(RULE, fallback="Nemo"))


def test_an_answer_above_the_concepts_has_the_aphia_id_that_a_lineage_gives(taxonomy):
    known = [
        replace(lineage, ancestor_ids={"Chordata": 1821} if lineage.concept == "Sebastes" else {})
        for lineage in taxonomy.lineages
    ]
    rule = replace(RULE, candidates="tree")
    rows = np.array([UNSURE_OF_A_CHORDATE, SURE_OF_A_SPECIES])
    table = predictions([1, 2], [1, 2], rows, CLASSES, Taxonomy(known), rule)
    assert table["concept_name"].tolist() == ["Chordata", "Sebastes diploproa"]
    assert [None if pd.isna(one) else one for one in table["aphia_id"]] == [1821, None]


IMAGES = [
    {"id": 1, "source_id": "dive/a", "file_name": "dive/a.jpg", "width": 640, "height": 360},
    {"id": 2, "source_id": "b", "width": 64, "height": 36},
]
ANNOTATIONS = [
    {"id": 11, "image_id": 1, "source_id": "=A1", "bbox": [314, 22.5, 57, 49]},
    {"id": 12, "image_id": 1, "source_id": "x-2", "bbox": "frame"},
    {"id": 13, "image_id": 2, "source_id": "x-3", "bbox": "frame"},
    {"id": 14, "image_id": 2, "source_id": "x-4", "bbox": [1, "NaN", 3]},
]


COCO = Coco(IMAGES, ANNOTATIONS, [])


def tables(cut: list[int], reasons: dict[int, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """annotations.csv and quarantine.csv, as far as `asked_rois` needs them; frames are 320x180 pixels."""
    images = {one["id"]: one["image_id"] for one in ANNOTATIONS}
    size = {"frame_w": 320, "frame_h": 180}
    crops = pd.DataFrame({"annotation_id": cut, "image_id": [images[one] for one in cut]}, dtype="int64").assign(**size)
    return crops, pd.DataFrame({"annotation_id": list(reasons), "reason": list(reasons.values())})


def test_rois_have_the_users_ids_file_and_box():
    rois = asked_rois(COCO, *tables([11, 12], {13: "zero bytes", 14: "box has three numbers"}))
    assert rois.to_numpy().tolist() == [
        ["=A1", "dive/a", "dive/a.jpg", 314, 22.5, 57, 49, ""],
        ["x-2", "dive/a", "dive/a.jpg", 0, 0, 320, 180, ""],
        ["x-3", "b", "", 0, 0, 64, 36, "zero bytes"],
        ["x-4", "b", "", None, None, None, None, "box has three numbers"],
    ]


def test_integer_ids_are_the_users_own():
    coco = Coco([{"id": 3}], [{"id": 7, "image_id": 3, "bbox": "frame"}], [])
    rois = asked_rois(coco, *tables([], {7: "frame missing"}))
    assert rois.to_numpy().tolist() == [[7, 3, "", 0, 0, None, None, "frame missing"]]


def test_an_annotation_that_crop_did_not_see_is_refused():
    with pytest.raises(InputError, match=r"2 test annotation\(s\) are neither in .*: x-3, x-4; run `dvc repro`"):
        asked_rois(COCO, *tables([11], {12: "zero bytes"}))


@pytest.fixture
def answered(taxonomy) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The answers for ANNOTATIONS, of which only the first two could be cut, and these as ROIs."""
    rois = asked_rois(COCO, *tables([11, 12], {13: "zero bytes", 14: "box has three numbers"}))
    probabilities = np.array([SURE_OF_A_SPECIES, TORN_BETWEEN_SPECIES])
    return predictions([11, 12, 13, 14], [11, 12], probabilities, CLASSES, taxonomy, RULE), rois


def test_predictions_give_a_reason_instead_of_an_answer_where_nothing_was_seen(answered, tmp_path):
    write_report_csv(described_rois(*answered), tmp_path / "predictions.csv")
    table = pd.read_csv(tmp_path / "predictions.csv")
    where = ["annotation_id", "image_id", "file_name", "x", "y", "w", "h"]
    assert list(table.columns) == [*where, *ANSWER, "reason", *AT_RANKS]
    assert table["annotation_id"].tolist() == ["'=A1", "x-2", "x-3", "x-4"], "safe to open in a spreadsheet"
    assert table["x"].tolist()[:3] == [314, 0, 0]
    assert table["concept_name"].tolist()[:2] == ["Sebastes diploproa", "Sebastes"]
    assert table["reason"].tolist()[2:] == ["zero bytes", "box has three numbers"]
    assert table.loc[2:, [*ANSWER, *AT_RANKS]].isna().all(axis=None)
    assert table.loc[:1, "reason"].isna().all()


def test_a_submission_answers_every_annotation_by_the_users_id(answered):
    table = submission(*answered)
    names = ["Sebastes diploproa", "Sebastes", RULE.fallback, RULE.fallback]
    assert table.to_dict("list") == {"annotation_id": ["=A1", "x-2", "x-3", "x-4"], "concept_name": names}


def test_logits_of_other_crops_are_refused(taxonomy):
    rois = asked_rois(COCO, *tables([11, 12, 13, 14], {}))
    table = predictions([11, 12, 13, 14], [11], np.array([SURE_OF_A_SPECIES]), CLASSES, taxonomy, RULE)
    with pytest.raises(InputError, match=r"differ in 3 annotation\(s\): x-2, x-3, x-4; run `dvc repro`"):
        described_rois(table, rois)


def test_without_a_test_subset_the_tables_have_only_a_header(taxonomy, tmp_path):
    rois = asked_rois(Coco([], [], []), *tables([], {}))
    table = predictions([], [], np.zeros((0, len(CLASSES))), CLASSES, taxonomy, RULE)
    assert submission(table, rois).columns.tolist() == ["annotation_id", "concept_name"]
    write_report_csv(described_rois(table, rois), tmp_path / "predictions.csv")
    assert (tmp_path / "predictions.csv").read_text().count("\n") == 1
