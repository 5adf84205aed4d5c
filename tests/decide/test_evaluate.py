from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fathomline.decide import evaluate as evaluation
from fathomline.decide.calibrate import fit_temperature, probabilities
from fathomline.decide.cross_fit import CrossFitting
from fathomline.decide.decode import DECODERS, Decoder
from fathomline.decide.evaluate import EvaluateConfig, Evaluation
from fathomline.decide.metrics import (
    best_constant,
    accuracy_at_ranks,
    bootstrap_interval,
    expected_calibration_error,
    meeting_ranks,
)
from fathomline.decide.thresholds import fit_thresholds
from fathomline.errors import InputError
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy

CLASSES = ["Poecilosclerida", "Porifera", "Sebastes", "Sebastes diploproa", "Sebastes ruberrimus", "Tunicata"]
CONFIG = EvaluateConfig("argmax", False, dict(zip(map(str, RANKS), [0.5] * 7, strict=True)), False, "none")


def evaluate(logits, annotations, classes, taxonomy, config, candidates, views=None) -> Evaluation:
    """Evaluate logits that were predicted in one orientation; with `views`, those are the other views."""
    stored = {name: {"none": of_view} for name, of_view in (views or {}).items()} | {"headline": {"none": logits}}
    return evaluation.evaluate(stored, "headline", annotations, classes, taxonomy, config, candidates)


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


@pytest.fixture
def unsure() -> tuple[np.ndarray, pd.DataFrame]:
    """90 ROIs of unequally common concepts, in frames of one to three, and a model that is often wrong."""
    generator = np.random.default_rng(3)
    labels = generator.choice(6, p=[0.05, 0.1, 0.1, 0.4, 0.25, 0.1], size=90)
    annotations = held_out(*np.array(CLASSES)[labels])
    annotations["image_id"] = np.sqrt(np.arange(90) * 20).astype(int)
    annotations["group"] = annotations["image_id"] // 2  # dives of two frames
    return generator.normal(size=(90, 6)) + 1.5 * np.eye(6)[labels], annotations


@pytest.mark.parametrize("decoder", DECODERS)
def test_every_figure_follows_from_the_rows(taxonomy, unsure, decoder):
    logits, annotations = unsure
    result = evaluate(logits, annotations, CLASSES, taxonomy, replace(CONFIG, decoder=decoder, calibrate=True), "tree")
    rows, figures = result.rows, result.metrics
    for name in DECODERS:
        steps = [taxonomy.distance(truth, answer) for truth, answer in zip(rows["truth"], rows[name], strict=True)]
        assert rows[f"{name}_distance"].tolist() == steps
        assert figures[f"mhd_{name}"] == np.mean(steps)
    assert rows["prediction"].tolist() == rows[decoder].tolist()
    assert rows["distance"].tolist() == rows[f"{decoder}_distance"].tolist()
    assert figures["mhd"] == rows["distance"].mean()
    assert figures["accuracy"] == (rows["truth"] == rows["prediction"]).mean()
    assert (figures["mhd_low"], figures["mhd_high"]) == bootstrap_interval(rows["distance"], annotations["group"])
    answers = np.array([taxonomy.node(name) for name in rows["prediction"]])
    truths = np.array([taxonomy.node(name) for name in rows["truth"]])
    assert figures["depth"] == np.mean([taxonomy.depths[node] for node in answers])
    assert figures["depth_truth"] == np.mean([taxonomy.depths[node] for node in truths])
    at_ranks = accuracy_at_ranks(taxonomy, truths, answers)
    assert {rank: figures[f"accuracy_{rank}"] for rank in at_ranks} == at_ranks
    assert figures["frames"] == annotations["image_id"].nunique() > annotations["group"].nunique()
    assert figures["classes"] == 6
    # Over the tree the best constant may be no class at all.
    constants = [np.mean([taxonomy.distance(node.name, truth) for truth in rows["truth"]]) for node in taxonomy.nodes]
    assert figures["mhd_constant"] == pytest.approx(min(constants))
    labels = np.array([CLASSES.index(name) for name in rows["truth"]])
    held_out_ = CrossFitting(logits, labels, annotations["group"].to_numpy())
    assert figures["temperature"] == result.rule.temperature == fit_temperature(logits, labels)
    judged = held_out_.probabilities(True)
    assert figures["ece"] == expected_calibration_error(judged.max(axis=1), judged.argmax(axis=1) == labels)
    wrong = truths != answers
    meeting = meeting_ranks(taxonomy, truths[wrong], answers[wrong])
    shares = {rank: (meeting == depth).mean() for depth, rank in enumerate(("none", *RANKS), start=-1)}
    assert {rank: figures[f"mistakes_meet_at_{rank}"] for rank in shares} == shares
    assert sum(shares.values()) == pytest.approx(1)


def test_confidence_and_calibration_are_those_of_the_answer(taxonomy, unsure):
    logits, annotations = unsure
    result = evaluate(logits, annotations, CLASSES, taxonomy, replace(CONFIG, decoder="risk"), "tree")
    mass = probabilities(logits) @ taxonomy.membership(CLASSES).T
    nodes = [taxonomy.node(name) for name in result.rows["prediction"]]
    assert result.rows["confidence"].tolist() == pytest.approx(mass[np.arange(90), nodes].tolist())
    of_genus = [node for node in nodes if taxonomy.ranked_ancestors[node, 5] >= 0]
    assert 0 < len(of_genus) < 90
    rows = [row for row, node in enumerate(nodes) if node in of_genus]
    right = np.array([label.startswith("Sebastes") for label in annotations["label"].iloc[rows]])
    sebastes = mass[rows, taxonomy.node("Sebastes")]
    assert result.metrics["ece_genus"] == pytest.approx(expected_calibration_error(sebastes, right))


def test_fitted_thresholds_judge_and_go_into_the_rule(taxonomy, unsure):
    logits, annotations = unsure
    config = replace(CONFIG, decoder="threshold")
    given = evaluate(logits, annotations, CLASSES, taxonomy, config, "labels")
    fitted = evaluate(logits, annotations, CLASSES, taxonomy, replace(config, fit_thresholds=True), "labels")
    assert given.rule.thresholds == config.thresholds != fitted.rule.thresholds
    decoder = Decoder(taxonomy, CLASSES, "labels", config.thresholds)
    truth = decoder.class_nodes[[CLASSES.index(name) for name in annotations["label"]]]
    assert fitted.rule.thresholds == fit_thresholds(decoder, probabilities(logits), truth)
    row = (
        fitted.tables["decoders"]
        .query("decoder == 'threshold' and candidates == 'labels' and thresholds == 'fitted'")
        .iloc[0]
    )
    assert fitted.metrics["mhd_threshold"] == row["mhd"] != given.metrics["mhd_threshold"]
    calibrated = evaluate(
        logits, annotations, CLASSES, taxonomy, replace(config, fit_thresholds=True, calibrate=True), "labels"
    ).rule
    assert calibrated.thresholds == fit_thresholds(decoder, probabilities(logits, calibrated.temperature), truth)


@pytest.mark.parametrize("decoder", DECODERS)
def test_each_view_has_an_mhd_by_the_temperature_of_the_headline(taxonomy, unsure, decoder):
    logits, annotations = unsure
    generator = np.random.default_rng(8)
    degraded = 5 * (0.4 * logits + generator.normal(size=logits.shape))  # often wrong, and far too sure
    config = replace(CONFIG, decoder=decoder, calibrate=True)
    views = {"plain": logits, "degraded": degraded}
    figures = evaluate(logits, annotations, CLASSES, taxonomy, config, "tree", views).metrics
    assert figures["mhd_plain"] == figures["mhd"]
    labels = np.array([CLASSES.index(name) for name in annotations["label"]])
    told = CrossFitting(logits, labels, annotations["group"].to_numpy())
    rule = Decoder(taxonomy, CLASSES, "tree", config.thresholds)

    def mhd(temperatures: np.ndarray) -> float:
        answers = rule.decode(decoder, probabilities(degraded, temperatures[told.parts]))
        return np.mean(list(map(taxonomy.distance, rule.names(answers), annotations["label"])))

    assert figures["mhd_degraded"] == pytest.approx(mhd(told.temperatures))
    if decoder != "argmax":
        of_its_own = CrossFitting(degraded, labels, told.groups).temperatures
        assert figures["mhd_degraded"] != pytest.approx(mhd(of_its_own))
    swapped = evaluate(degraded, annotations, CLASSES, taxonomy, config, "tree", views).metrics
    assert swapped["mhd_degraded"] == swapped["mhd"]


def test_a_view_of_logits_that_are_no_numbers_is_refused(taxonomy, unsure):
    logits, annotations = unsure
    views = {"plain": logits, "degraded": np.where(logits > 3, np.nan, logits)}
    with pytest.raises(InputError, match=r"logits are not finite"):
        evaluate(logits, annotations, CLASSES, taxonomy, CONFIG, "labels", views)


def test_two_names_of_one_taxon_are_one_taxon_to_the_calibration():
    path = dict(zip(RANKS, ["Animalia", "Porifera"], strict=False))
    other = dict(zip(RANKS, ["Animalia", "Cnidaria"], strict=False))
    taxonomy = Taxonomy(
        [
            Lineage("Porifera", "Porifera", "phylum", path),
            Lineage("Spongia", "Porifera", "phylum", path),
            Lineage("Cnidaria", "Cnidaria", "phylum", other),
        ]
    )
    logits = np.log(np.array([[0.02, 0.48, 0.5]] * 4))
    result = evaluate(
        logits, held_out(*["Spongia"] * 4), ["Cnidaria", "Porifera", "Spongia"], taxonomy, CONFIG, "labels"
    )
    assert result.metrics["accuracy"] == 1.0
    assert result.metrics["ece"] == pytest.approx(0.02)


def test_a_label_that_the_model_has_no_class_for_is_named(taxonomy):
    with pytest.raises(InputError, match=r"1 concept\(s\) .* not among the 6 classes: Nemo"):
        evaluate(logits_for("Porifera"), held_out("Nemo"), CLASSES, taxonomy, CONFIG, "labels")


def test_a_single_group_has_no_interval(taxonomy):
    annotations = held_out("Porifera", "Tunicata", "Sebastes").assign(group="one dive")
    result = evaluate(logits_for(*["Porifera"] * 3), annotations, CLASSES, taxonomy, CONFIG, "labels")
    assert "mhd" in result.metrics
    assert "mhd_low" not in result.metrics
    assert result.tables["decoders"]["mhd_low"].isna().all()


def test_perfect_answers_have_no_mistakes_to_share_out(taxonomy):
    figures = evaluate(logits_for("Porifera"), held_out("Porifera"), CLASSES, taxonomy, CONFIG, "labels").metrics
    assert figures["mhd"] == 0
    assert not [name for name in figures if name.startswith("mistakes")]
    assert "accuracy_class" not in figures
    assert "ece_class" not in figures


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


def test_common_truths_weigh_more_in_the_constant_to_beat(taxonomy):
    truth = np.array([taxonomy.node(name) for name in ["Sebastes diploproa"] * 8 + ["Sebastes ruberrimus"] * 2])
    node, mean = best_constant(taxonomy, truth, np.array([taxonomy.node(name) for name in CLASSES]))
    assert (taxonomy.nodes[node].name, mean) == ("Sebastes diploproa", pytest.approx(0.4))


def test_the_rule_for_submit_carries_what_was_settled(taxonomy):
    result = evaluate(logits_for("Porifera"), held_out("Porifera"), CLASSES, taxonomy, CONFIG, "tree")
    assert (result.rule.decoder, result.rule.candidates, result.rule.fallback) == ("argmax", "tree", "Porifera")


def test_no_rows_and_logits_that_are_no_numbers_are_named(taxonomy):
    with pytest.raises(InputError, match="no held-out ROI"):
        evaluate(np.zeros((0, 6)), held_out(), CLASSES, taxonomy, CONFIG, "labels")
    with pytest.raises(InputError, match="not finite"):
        evaluate(logits_for("Porifera") * np.nan, held_out("Porifera"), CLASSES, taxonomy, CONFIG, "labels")
    with pytest.raises(InputError, match="not finite"):
        evaluate(np.full((1, 6), np.inf), held_out("Porifera"), CLASSES, taxonomy, CONFIG, "labels")


def test_thresholds_need_each_rank_once():
    with pytest.raises(ValueError, match="expected exactly kingdom, phylum"):
        EvaluateConfig("argmax", False, {"species": 0.5}, False, "none")


def test_without_a_mistake_nothing_is_said_of_where_mistakes_meet(taxonomy):
    result = evaluate(
        logits_for("Porifera", "Tunicata"), held_out("Porifera", "Tunicata"), CLASSES, taxonomy, CONFIG, "labels"
    )
    assert result.metrics["mhd"] == 0
    assert [name for name in result.metrics if name.startswith("mistakes_meet_at")] == []
