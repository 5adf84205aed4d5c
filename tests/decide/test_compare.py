import numpy as np
import pytest

from fathomline.decide.compare import compare_decoders
from fathomline.decide.cross_fit import CrossFitting
from fathomline.decide.decode import Decoder
from fathomline.decide.metrics import row_distances
from tests.decide.test_thresholds import CLASSES, SEED_THRESHOLDS


@pytest.fixture
def decoder(taxonomy) -> Decoder:
    return Decoder(taxonomy, CLASSES, "labels", SEED_THRESHOLDS)


@pytest.fixture
def held_out() -> CrossFitting:
    """120 ROIs, three a frame, whose logits are three times as large as their labels justify."""
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(120, 6))
    labels = np.array([generator.choice(6, p=np.exp(row) / np.exp(row).sum()) for row in logits])
    return CrossFitting(logits * 3, labels, np.arange(120) // 3)


def test_every_decoder_stands_there_before_and_after_calibration(held_out, decoder):
    table = compare_decoders(held_out, decoder)
    ways = list(zip(table["decoder"], table["candidates"], table["thresholds"], strict=True))
    assert ways[:7] == ways[7:]
    assert len(set(ways)) == 7
    assert table["calibrated"].tolist() == [False] * 7 + [True] * 7


def test_the_figures_are_those_of_the_decoder_itself(held_out, decoder, taxonomy):
    table = compare_decoders(held_out, decoder)
    row = table[table["calibrated"] & (table["decoder"] == "risk") & (table["candidates"] == "labels")].iloc[0]
    nodes = decoder.risk(held_out.probabilities(True))
    truth = decoder.class_nodes[held_out.labels]
    distances = row_distances(taxonomy, truth, nodes)
    of_argmax = row_distances(taxonomy, truth, decoder.argmax(held_out.probabilities(False)))
    assert row["mhd"] == distances.mean()
    assert row["mhd_low"] < row["mhd"] < row["mhd_high"]
    assert row["gain"] == pytest.approx(of_argmax.mean() - distances.mean())
    assert row["gain_low"] < row["gain"] < row["gain_high"]
    assert row["accuracy"] == (nodes == truth).mean()
    assert row["depth"] == taxonomy.depths[nodes].mean()


def test_argmax_gains_nothing_on_itself_and_calibration_does_not_move_it(held_out, decoder):
    of_argmax = compare_decoders(held_out, decoder).query("decoder == 'argmax'")
    assert of_argmax[["gain", "gain_low", "gain_high"]].to_numpy().tolist() == [[0, 0, 0]] * 2
    assert of_argmax["mhd"].nunique() == 1


def test_least_risk_needs_calibrated_probabilities(held_out, decoder):
    risk = (
        compare_decoders(held_out, decoder).query("decoder == 'risk' and candidates == 'tree'").set_index("calibrated")
    )
    assert risk.loc[True, "mhd"] < risk.loc[False, "mhd"]
    assert risk.loc[True, "gain"] > 0
