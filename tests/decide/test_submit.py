import numpy as np
import pytest

from fathomline.decide.rule import DecisionRule, read_rule
from fathomline.decide.submit import predictions
from fathomline.errors import InputError
from fathomline.files import write_json
from fathomline.taxonomy.ranks import RANKS

CLASSES = ["Poecilosclerida", "Porifera", "Sebastes", "Sebastes diploproa", "Sebastes ruberrimus", "Tunicata"]
SEED_THRESHOLDS = dict(zip(map(str, RANKS), [0.85, 0.80, 0.75, 0.70, 0.65, 0.60, 0.55], strict=True))
RULE = DecisionRule("risk", "labels", 1.0, SEED_THRESHOLDS, fallback="Sebastes")
SURE_OF_A_SPECIES = [0.0, 0.0, 0.05, 0.9, 0.05, 0.0]
TORN_BETWEEN_SPECIES = [0.0, 0.0, 0.0, 0.5, 0.5, 0.0]
UNSURE_OF_A_CHORDATE = [0.3, 0.1, 0.0, 0.2, 0.1, 0.3]


def test_every_annotation_is_answered_once_and_in_the_order_asked(taxonomy):
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


def test_the_rules_decoder_is_the_one_that_answers(taxonomy):
    unsure = np.array([[0.0, 0.0, 0.1, 0.5, 0.0, 0.4]])
    answers = {}
    for decoder in ("argmax", "threshold"):
        rule = DecisionRule(decoder, "labels", 1.0, SEED_THRESHOLDS, fallback="Sebastes")
        answers[decoder] = predictions([1], [1], unsure, CLASSES, taxonomy, rule)["concept_name"].item()
    # The genus, the highest label above the species, holds 0.6 of the mass, its threshold.
    assert answers == {"argmax": "Sebastes diploproa", "threshold": "Sebastes"}


def test_each_rank_has_its_name_and_the_mass_below_it(taxonomy):
    row = predictions([1], [1], np.array([SURE_OF_A_SPECIES]), CLASSES, taxonomy, RULE).iloc[0]
    assert (row["genus"], row["species"], row["rank"]) == ("Sebastes", "Sebastes diploproa", "species")
    assert row["genus_probability"] == pytest.approx(1.0)
    assert row["species_probability"] == row["confidence"] == pytest.approx(0.9)


def test_over_the_tree_a_taxon_that_is_no_label_may_be_the_answer(taxonomy):
    rule = DecisionRule("risk", "tree", 1.0, SEED_THRESHOLDS, fallback="Sebastes")
    row = predictions([1], [1], np.array([UNSURE_OF_A_CHORDATE]), CLASSES, taxonomy, rule).iloc[0]
    assert (row["concept_name"], row["rank"], row["species"]) == ("Chordata", "phylum", "")


def test_nothing_seen_is_still_a_submission(taxonomy):
    table = predictions([1, 2], [], np.zeros((0, len(CLASSES))), CLASSES, taxonomy, RULE)
    assert table["concept_name"].tolist() == ["Sebastes", "Sebastes"]


def test_an_annotation_asked_for_twice_is_refused(taxonomy):
    with pytest.raises(InputError, match="same annotation_id twice"):
        predictions([1, 1], [1], np.array([SURE_OF_A_SPECIES]), CLASSES, taxonomy, RULE)


def test_a_crop_that_nobody_asked_for_is_named(taxonomy):
    with pytest.raises(InputError, match="the test file lacks: 7"):
        predictions([1], [7], np.array([SURE_OF_A_SPECIES]), CLASSES, taxonomy, RULE)


def test_a_rule_that_evaluate_did_not_write_is_refused(tmp_path):
    write_json({"decoder": "risk"}, tmp_path / "calibration.json")
    with pytest.raises(InputError, match=r"calibration.json: expected exactly the keys decoder, candidates"):
        read_rule(tmp_path / "calibration.json")
