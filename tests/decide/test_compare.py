from dataclasses import replace

import numpy as np
import pytest

from fathomline.decide.compare import compare_decoders
from fathomline.decide.cross_fit import CrossFitting
from fathomline.decide.decode import Decoder
from fathomline.decide.metrics import bootstrap_interval
from tests.decide.conftest import CLASSES, THRESHOLDS


@pytest.fixture
def decoder(taxonomy) -> Decoder:
    return Decoder(taxonomy, CLASSES, "labels", THRESHOLDS)


@pytest.fixture
def held_out() -> CrossFitting:
    """120 ROIs, three per frame; their logits are three times too large."""
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(120, 6))
    labels = np.array([generator.choice(6, p=np.exp(row) / np.exp(row).sum()) for row in logits])
    return CrossFitting(logits * 3, labels, np.arange(120) // 3)


def test_every_decoder_has_a_row_with_and_without_calibration(held_out, decoder):
    table = compare_decoders(held_out, decoder)
    variants = list(zip(table["decoder"], table["candidates"], table["thresholds"], strict=True))
    assert variants[:7] == variants[7:]
    assert len(set(variants)) == 7
    assert table["calibrated"].tolist() == [False] * 7 + [True] * 7


def test_every_row_has_the_figures_of_its_own_variant(held_out, decoder, taxonomy):
    table = compare_decoders(held_out, decoder)
    truth = decoder.class_nodes[held_out.labels]
    argmax_distances = taxonomy.row_distances(truth, decoder.argmax(held_out.probabilities(False)))
    for row in table.to_dict("records"):
        variant = replace(decoder, candidates=row["candidates"])
        fit = row["thresholds"] == "fitted"
        nodes = held_out.decode(row["decoder"], variant, calibrate=row["calibrated"], fit=fit)
        distances = taxonomy.row_distances(truth, nodes)
        assert row["mhd"] == distances.mean()
        assert (row["mhd_low"], row["mhd_high"]) == bootstrap_interval(distances, held_out.groups)
        assert row["gain"] == pytest.approx(argmax_distances.mean() - distances.mean())
        assert (row["gain_low"], row["gain_high"]) == bootstrap_interval(argmax_distances - distances, held_out.groups)
        assert row["accuracy"] == (nodes == truth).mean()
        assert row["depth"] == taxonomy.depths[nodes].mean()
    assert (table["thresholds"] != "").tolist() == (table["decoder"] == "threshold").tolist()
    figures = table[["decoder", "mhd", "accuracy", "depth"]].round(9)
    assert len(figures.drop_duplicates()) >= 11, "most variants differ here, so a mix-up would be noticed"


def test_argmax_has_no_gain_over_itself_with_or_without_calibration(held_out, decoder):
    rows = compare_decoders(held_out, decoder).query("decoder == 'argmax'")
    assert rows[["gain", "gain_low", "gain_high"]].to_numpy().tolist() == [[0, 0, 0]] * 2
    assert rows["mhd"].nunique() == 1


def test_calibration_improves_risk_on_an_overconfident_model(held_out, decoder):
    risk = (
        compare_decoders(held_out, decoder).query("decoder == 'risk' and candidates == 'tree'").set_index("calibrated")
    )
    assert risk.loc[True, "mhd"] < risk.loc[False, "mhd"]
    assert risk.loc[True, "gain"] > 0
