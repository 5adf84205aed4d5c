import numpy as np
import pytest

from fathomline.decide import metrics
from fathomline.taxonomy.ranks import Rank


def nodes(taxonomy, *names: str) -> np.ndarray:
    return np.array([taxonomy.node(name) for name in names])


def test_row_distances_count_edges_up_and_down(taxonomy):
    truth = nodes(taxonomy, "Sebastes diploproa", "Sebastes diploproa", "Porifera", "Poecilosclerida", "Tunicata")
    prediction = nodes(taxonomy, "Sebastes ruberrimus", "Sebastes", "Poecilosclerida", "Sebastes", "Porifera")
    assert metrics.row_distances(taxonomy, truth, prediction).tolist() == [2, 1, 2, 8, 3]


def test_accuracy_at_a_rank_counts_only_truths_known_to_it(taxonomy):
    truth = nodes(taxonomy, "Sebastes diploproa", "Sebastes diploproa", "Porifera")
    prediction = nodes(taxonomy, "Sebastes ruberrimus", "Sebastes", "Sebastes")
    accuracy = metrics.accuracy_at_ranks(taxonomy, truth, prediction)
    assert accuracy[Rank.KINGDOM] == 1.0
    assert accuracy[Rank.PHYLUM] == pytest.approx(2 / 3)
    assert accuracy[Rank.GENUS] == 1.0
    assert accuracy[Rank.SPECIES] == 0.0


def test_accuracy_at_a_rank_that_no_truth_reaches_is_none(taxonomy):
    porifera = nodes(taxonomy, "Porifera")
    assert metrics.accuracy_at_ranks(taxonomy, porifera, porifera)[Rank.CLASS] is None


def test_the_interval_treats_a_frame_as_one_draw():
    values = np.repeat([0.0, 10.0], 50)
    independent = metrics.bootstrap_interval(values, np.arange(100))
    two_frames = metrics.bootstrap_interval(values, np.repeat([0, 1], 50))
    assert two_frames == (0.0, 10.0)
    assert 3.5 < independent[0] < 4.5 < 5.5 < independent[1] < 6.5


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    probabilities = np.array([[0.9, 0.1]] * 10)
    assert metrics.expected_calibration_error(probabilities, np.zeros(10, dtype=int)) == pytest.approx(0.1)
    assert metrics.expected_calibration_error(probabilities, np.ones(10, dtype=int)) == pytest.approx(0.9)


def test_confusion_marks_what_stops_above_the_rank(taxonomy):
    table = metrics.confusion(
        taxonomy, nodes(taxonomy, "Sebastes", "Porifera"), nodes(taxonomy, "Tunicata", "Poecilosclerida"), Rank.CLASS
    )
    assert table["truth"].tolist() == ["Teleostei", "Porifera (no class)"]
    assert table["prediction"].tolist() == ["Tunicata (no class)", "Demospongiae"]
