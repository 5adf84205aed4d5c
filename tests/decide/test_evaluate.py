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
from tests.decide.conftest import CLASSES

CONFIG = EvaluateConfig("argmax", False, dict(zip(map(str, RANKS), [0.5] * 7, strict=True)), False, "none")


def evaluate(logits, annotations, classes, taxonomy, config, candidates, views=None) -> Evaluation:
    """Evaluate the logits of one orientation, with `views` as further views."""
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
    # With tree candidates, the best constant may be a taxon without a class.
    constants = [np.mean([taxonomy.distance(node.name, truth) for truth in rows["truth"]]) for node in taxonomy.nodes]
    assert figures["mhd_constant"] == pytest.approx(min(constants))
    labels = np.array([CLASSES.index(name) for name in rows["truth"]])
    held_out_ = CrossFitting(logits, labels, annotations["group"].to_numpy())
    assert figures["temperature"] == result.rule.temperature == fit_temperature(logits, labels)
    calibrated = held_out_.probabilities(True)
    right = calibrated.argmax(axis=1) == labels
    assert figures["ece"] == expected_calibration_error(calibrated.max(axis=1), right)
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


def test_fitted_thresholds_are_used_for_the_figures_and_the_rule(taxonomy, unsure):
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
def test_each_view_has_an_mhd_with_the_temperatures_of_the_headline_view(taxonomy, unsure, decoder):
    logits, annotations = unsure
    generator = np.random.default_rng(8)
    degraded = 5 * (0.4 * logits + generator.normal(size=logits.shape))  # often wrong, and overconfident
    config = replace(CONFIG, decoder=decoder, calibrate=True)
    views = {"plain": logits, "degraded": degraded}
    figures = evaluate(logits, annotations, CLASSES, taxonomy, config, "tree", views).metrics
    assert figures["mhd_plain"] == figures["mhd"]
    labels = np.array([CLASSES.index(name) for name in annotations["label"]])
    headline = CrossFitting(logits, labels, annotations["group"].to_numpy())
    rule = Decoder(taxonomy, CLASSES, "tree", config.thresholds)

    def mhd(temperatures: np.ndarray) -> float:
        answers = rule.decode(decoder, probabilities(degraded, temperatures[headline.parts]))
        return np.mean(list(map(taxonomy.distance, rule.names(answers), annotations["label"])))

    assert figures["mhd_degraded"] == pytest.approx(mhd(headline.temperatures))
    if decoder != "argmax":
        own_temperatures = CrossFitting(degraded, labels, headline.groups).temperatures
        assert figures["mhd_degraded"] != pytest.approx(mhd(own_temperatures))
    swapped = evaluate(degraded, annotations, CLASSES, taxonomy, config, "tree", views).metrics
    assert swapped["mhd_degraded"] == swapped["mhd"]


def test_a_view_with_logits_that_are_not_finite_is_refused(taxonomy, unsure):
    logits, annotations = unsure
    views = {"plain": logits, "degraded": np.where(logits > 3, np.nan, logits)}
    with pytest.raises(InputError, match=r"logits are not finite"):
        evaluate(logits, annotations, CLASSES, taxonomy, CONFIG, "labels", views)


def test_the_calibration_error_counts_two_names_of_one_taxon_as_one():
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


def test_a_label_without_a_class_is_refused_by_name(taxonomy):
    with pytest.raises(InputError, match=r"1 concept\(s\) .* not among the 6 classes: Nemo"):
        evaluate(logits_for("Porifera"), held_out("Nemo"), CLASSES, taxonomy, CONFIG, "labels")


def test_a_single_group_has_no_interval(taxonomy):
    annotations = held_out("Porifera", "Tunicata", "Sebastes").assign(group="one dive")
    result = evaluate(logits_for(*["Porifera"] * 3), annotations, CLASSES, taxonomy, CONFIG, "labels")
    assert "mhd" in result.metrics
    assert "mhd_low" not in result.metrics
    assert result.tables["decoders"]["mhd_low"].isna().all()


def test_figures_that_cannot_be_computed_are_left_out(taxonomy):
    figures = evaluate(logits_for("Porifera"), held_out("Porifera"), CLASSES, taxonomy, CONFIG, "labels").metrics
    assert figures["mhd"] == 0
    assert not [name for name in figures if name.startswith("mistakes")]
    assert "accuracy_class" not in figures
    assert "ece_class" not in figures


def test_calibration_lowers_the_calibration_error_of_an_overconfident_model(taxonomy):
    labels = ["Sebastes diploproa", "Sebastes ruberrimus"] * 20
    logits = logits_for(*["Sebastes diploproa"] * 40) * 3
    config = replace(CONFIG, decoder="risk")
    raw = evaluate(logits, held_out(*labels), CLASSES, taxonomy, config, "labels")
    calibrated = evaluate(logits, held_out(*labels), CLASSES, taxonomy, replace(config, calibrate=True), "labels")
    assert raw.metrics["ece"] > 0.4 > 0.1 > calibrated.metrics["ece"]
    assert raw.rule.temperature == 1.0 < calibrated.rule.temperature


def test_a_frame_does_not_influence_its_own_calibration(taxonomy):
    labels = ["Sebastes diploproa", "Sebastes ruberrimus", "Porifera", "Porifera"] * 10
    logits = logits_for(*["Sebastes diploproa", "Porifera"] * 20)
    config = replace(CONFIG, calibrate=True)
    before = evaluate(logits, held_out(*labels), CLASSES, taxonomy, config, "labels").rows["confidence"]
    changed = ["Tunicata", "Tunicata", *labels[2:]]
    after = evaluate(logits, held_out(*changed), CLASSES, taxonomy, config, "labels").rows["confidence"]
    assert after[:2].tolist() == before[:2].tolist()
    assert after[2:].tolist() != before[2:].tolist()


def test_the_rule_has_the_decoder_the_candidates_and_the_best_constant_as_fallback(taxonomy):
    result = evaluate(logits_for("Porifera"), held_out("Porifera"), CLASSES, taxonomy, CONFIG, "tree")
    assert (result.rule.decoder, result.rule.candidates, result.rule.fallback) == ("argmax", "tree", "Porifera")


def test_no_rows_and_logits_that_are_not_finite_are_refused(taxonomy):
    with pytest.raises(InputError, match="no held-out ROI"):
        evaluate(np.zeros((0, 6)), held_out(), CLASSES, taxonomy, CONFIG, "labels")
    with pytest.raises(InputError, match="not finite"):
        evaluate(logits_for("Porifera") * np.nan, held_out("Porifera"), CLASSES, taxonomy, CONFIG, "labels")
    with pytest.raises(InputError, match="not finite"):
        evaluate(np.full((1, 6), np.inf), held_out("Porifera"), CLASSES, taxonomy, CONFIG, "labels")


def test_thresholds_need_exactly_the_seven_ranks():
    with pytest.raises(ValueError, match="expected exactly kingdom, phylum"):
        EvaluateConfig("argmax", False, {"species": 0.5}, False, "none")
