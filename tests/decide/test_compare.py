from dataclasses import replace

import numpy as np
import pytest

from fathomline.decide.compare import compare_decoders
from fathomline.decide.cross_fit import CrossFitting
from fathomline.decide.decode import Decoder
from fathomline.decide.metrics import bootstrap_interval
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


def test_every_figure_is_that_of_the_way_it_stands_beside(held_out, decoder, taxonomy):
    table = compare_decoders(held_out, decoder)
    truth = decoder.class_nodes[held_out.labels]
    of_argmax = taxonomy.row_distances(truth, decoder.argmax(held_out.probabilities(False)))
    for row in table.to_dict("records"):
        way = replace(decoder, candidates=row["candidates"])
        fit = row["thresholds"] == "fitted"
        nodes = held_out.decode(row["decoder"], way, calibrate=row["calibrated"], fit=fit)
        distances = taxonomy.row_distances(truth, nodes)
        assert row["mhd"] == distances.mean()
        assert (row["mhd_low"], row["mhd_high"]) == bootstrap_interval(distances, held_out.groups)
        assert row["gain"] == pytest.approx(of_argmax.mean() - distances.mean())
        assert (row["gain_low"], row["gain_high"]) == bootstrap_interval(of_argmax - distances, held_out.groups)
        assert row["accuracy"] == (nodes == truth).mean()
        assert row["depth"] == taxonomy.depths[nodes].mean()
    assert (table["thresholds"] != "").tolist() == (table["decoder"] == "threshold").tolist()
    figures = table[["decoder", "mhd", "accuracy", "depth"]].round(9)
    assert len(figures.drop_duplicates()) >= 11, "the ways differ here, so that none passes for another"


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
