from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fathomline.decide.evaluate import EvaluateConfig, best_constant, evaluate
from fathomline.errors import InputError
from fathomline.taxonomy.ranks import RANKS

CLASSES = ["Poecilosclerida", "Porifera", "Sebastes", "Sebastes diploproa", "Sebastes ruberrimus", "Tunicata"]
CONFIG = EvaluateConfig("argmax", False, dict(zip(map(str, RANKS), [0.5] * 7, strict=True)))


def held_out(*labels: str) -> pd.DataFrame:
    numbers = np.arange(len(labels))
    return pd.DataFrame({"annotation_id": numbers, "image_id": numbers // 2, "group": numbers // 2, "label": labels})


def logits_for(*answers: str) -> np.ndarray:
    return np.array([[6.0 * (name == answer) for name in CLASSES] for answer in answers])


def test_the_figures_are_those_of_the_headline_decoder(taxonomy):
    annotations = held_out("Sebastes diploproa", "Porifera", "Tunicata", "Sebastes")
    logits = logits_for("Sebastes ruberrimus", "Porifera", "Sebastes", "Sebastes")
    result = evaluate(logits, annotations, CLASSES, taxonomy, CONFIG, "labels")
    assert result.rows["distance"].tolist() == [2, 0, 5, 0]
    assert result.metrics["mhd"] == result.metrics["mhd_argmax"] == 7 / 4
    assert result.metrics["accuracy"] == 0.5
    assert result.metrics["accuracy_phylum"] == 1.0
    assert (result.metrics["rois"], result.metrics["frames"]) == (4, 2)
    assert result.metrics["taxonomy_hash"] == taxonomy.hash


def test_calibration_spreads_an_overconfident_models_mass(taxonomy):
    labels = ["Sebastes diploproa", "Sebastes ruberrimus"] * 20
    logits = logits_for(*["Sebastes diploproa"] * 40) * 3
    config = replace(CONFIG, decoder="risk")
    raw = evaluate(logits, held_out(*labels), CLASSES, taxonomy, config, "labels")
    calibrated = evaluate(logits, held_out(*labels), CLASSES, taxonomy, replace(config, calibrate=True), "labels")
    assert raw.metrics["ece"] > 0.4 > 0.1 > calibrated.metrics["ece"]
    assert raw.rule.temperature == 1.0 < calibrated.rule.temperature


def test_a_frame_has_no_part_in_the_calibration_that_judges_it(taxonomy):
    labels = ["Sebastes diploproa", "Sebastes ruberrimus", "Porifera", "Porifera"] * 10
    logits = logits_for(*["Sebastes diploproa", "Porifera"] * 20)
    config = replace(CONFIG, calibrate=True)
    before = evaluate(logits, held_out(*labels), CLASSES, taxonomy, config, "labels").rows["confidence"]
    changed = ["Tunicata", "Tunicata", *labels[2:]]
    after = evaluate(logits, held_out(*changed), CLASSES, taxonomy, config, "labels").rows["confidence"]
    assert after[:2].tolist() == before[:2].tolist()
    assert after[2:].tolist() != before[2:].tolist()


def test_the_constant_to_beat_is_the_candidate_nearest_to_all_truths(taxonomy):
    truth = np.array([taxonomy.node(name) for name in ("Sebastes diploproa", "Sebastes ruberrimus", "Porifera")])
    classes = np.array([taxonomy.node(name) for name in CLASSES])
    node, mean = best_constant(taxonomy, truth, classes)
    # Sebastes: 1, 1 and 6 edges; any of its species: 0, 2 and 7.
    assert (taxonomy.nodes[node].name, mean) == ("Sebastes", pytest.approx(8 / 3))


def test_the_rule_for_submit_carries_what_was_settled(taxonomy):
    result = evaluate(logits_for("Porifera"), held_out("Porifera"), CLASSES, taxonomy, CONFIG, "tree")
    assert (result.rule.decoder, result.rule.candidates, result.rule.fallback) == ("argmax", "tree", "Porifera")


def test_no_rows_and_logits_that_are_no_numbers_are_named(taxonomy):
    with pytest.raises(InputError, match="no held-out ROI"):
        evaluate(np.zeros((0, 6)), held_out(), CLASSES, taxonomy, CONFIG, "labels")
    with pytest.raises(InputError, match="not finite"):
        evaluate(logits_for("Porifera") * np.nan, held_out("Porifera"), CLASSES, taxonomy, CONFIG, "labels")


def test_thresholds_need_each_rank_once():
    with pytest.raises(ValueError, match="expected exactly kingdom, phylum"):
        EvaluateConfig("argmax", False, {"species": 0.5})
