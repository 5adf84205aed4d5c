import tracemalloc

import numpy as np
import pytest

from fathomline.decide import metrics
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS, Rank
from fathomline.taxonomy.tree import Taxonomy


def nodes(taxonomy, *names: str) -> np.ndarray:
    return np.array([taxonomy.node(name) for name in names])


def test_row_distances_count_edges_up_and_down(taxonomy):
    truth = nodes(taxonomy, "Sebastes diploproa", "Sebastes diploproa", "Porifera", "Poecilosclerida", "Tunicata")
    prediction = nodes(taxonomy, "Sebastes ruberrimus", "Sebastes", "Poecilosclerida", "Sebastes", "Porifera")
    assert taxonomy.row_distances(truth, prediction).tolist() == [2, 1, 2, 8, 3]


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


def test_the_interval_weighs_a_frame_by_its_rois():
    # Frames of 1 and of 9 ROIs: a mean of frame means would be 5, and its interval would centre there.
    values, groups = np.array([10.0] + [0.0] * 9), np.array([0] + [1] * 9)
    assert metrics.bootstrap_interval(np.tile(values, 50), np.concatenate([groups + 2 * n for n in range(50)]))[1] < 2


def test_the_interval_is_of_percentiles_and_the_same_each_time():
    values = np.random.default_rng(0).normal(size=400)
    low, high = metrics.bootstrap_interval(values, np.arange(400))
    error = values.std() / 20
    assert (low, high) == metrics.bootstrap_interval(values, np.arange(400))
    assert (high - low) / error == pytest.approx(2 * 1.96, rel=0.08)
    assert (low + high) / 2 == pytest.approx(values.mean(), abs=0.2 * error)


def test_drawing_the_interval_in_blocks_takes_little_memory():
    values = np.arange(9000) % 7
    tracemalloc.start()
    metrics.bootstrap_interval(values, np.arange(9000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    confidence = np.full(10, 0.9)
    assert metrics.expected_calibration_error(confidence, np.ones(10, dtype=bool)) == pytest.approx(0.1)
    assert metrics.expected_calibration_error(confidence, np.zeros(10, dtype=bool)) == pytest.approx(0.9)


def test_too_sure_here_does_not_make_up_for_too_unsure_there():
    confidence, right = np.repeat([0.9, 0.5], 10), np.arange(20) % 10 < np.repeat([7, 7], 10)
    assert metrics.expected_calibration_error(confidence, right) == pytest.approx((0.2 + 0.2) / 2)


def test_within_a_bin_errors_cancel_and_certainty_has_a_bin():
    assert metrics.expected_calibration_error(np.array([0.97, 0.99]), np.array([True, True])) == pytest.approx(0.02)
    assert metrics.expected_calibration_error(np.array([1.0]), np.array([False])) == 1.0


def test_calibration_at_a_rank_judges_what_is_stated_there(taxonomy):
    truth = nodes(taxonomy, "Sebastes ruberrimus", "Sebastes", "Porifera")
    prediction = nodes(taxonomy, "Sebastes diploproa", "Sebastes diploproa", "Porifera")
    masses = np.array([[1, 1, 1, 1, 1, 0.9, 0.6], [1, 1, 1, 1, 1, 0.8, 0.5], [1, 0.7, *[np.nan] * 5]])
    errors = metrics.calibration_error_at_ranks(taxonomy, truth, prediction, masses)
    assert errors[Rank.KINGDOM] == 0
    assert errors[Rank.PHYLUM] == pytest.approx(0.3 / 3)
    # The genus is right twice, stated with 0.9 and 0.8, which are bins of their own; the sponge states no genus.
    assert errors[Rank.GENUS] == pytest.approx((0.1 + 0.2) / 2)
    # Neither species holds: not the other one, and not the genus whose species nobody knows.
    assert errors[Rank.SPECIES] == pytest.approx((0.6 + 0.5) / 2)


def test_calibration_at_a_rank_that_no_answer_reaches_is_none(taxonomy):
    porifera = nodes(taxonomy, "Porifera")
    masses = np.array([[1, 1, *[np.nan] * 5]])
    assert metrics.calibration_error_at_ranks(taxonomy, porifera, porifera, masses)[Rank.CLASS] is None


def test_an_answer_and_its_truth_meet_at_their_lowest_common_ancestor(taxonomy):
    truth = nodes(taxonomy, "Sebastes diploproa", "Sebastes diploproa", "Sebastes", "Tunicata", "Porifera", "Tunicata")
    prediction = nodes(taxonomy, "Sebastes ruberrimus", "Sebastes", "Sebastes", "Sebastes", "Sebastes", "Tunicata")
    depths = metrics.meeting_ranks(taxonomy, truth, prediction)
    expected = [Rank.GENUS, Rank.GENUS, Rank.GENUS, Rank.PHYLUM, Rank.KINGDOM, Rank.PHYLUM]
    assert [RANKS[depth] for depth in depths] == expected


def test_meeting_where_a_lineage_skips_a_rank():
    def worm(species: str) -> Lineage:
        names = {Rank.KINGDOM: "Animalia", Rank.PHYLUM: "Annelida", Rank.GENUS: "Osedax", Rank.SPECIES: species}
        return Lineage(species, species, "species", names)

    worms = Taxonomy([worm("Osedax frankpressi"), worm("Osedax rubiplumus")])
    depths = metrics.meeting_ranks(worms, *(np.array([node]) for node in worms.concept_nodes))
    assert RANKS[depths[0]] is Rank.GENUS


def test_a_single_group_says_nothing_about_the_spread():
    assert np.isnan(metrics.bootstrap_interval(np.array([1.0, 5.0]), np.array([3, 3]))).all()


def test_confidences_are_told_apart_to_a_fifteenth():
    # 0.61 and 0.66 are in bins of their own, from 9/15 and from 9.9/15 on: their errors do not cancel.
    confidence, right = np.repeat([0.61, 0.67], 100), np.repeat([1, 0], 100).astype(bool)
    assert metrics.expected_calibration_error(confidence, right) == pytest.approx((0.39 + 0.67) / 2)


def test_confusion_marks_what_stops_above_the_rank(taxonomy):
    table = metrics.confusion(
        taxonomy, nodes(taxonomy, "Sebastes", "Porifera"), nodes(taxonomy, "Tunicata", "Poecilosclerida"), Rank.CLASS
    )
    assert table["truth"].tolist() == ["Teleostei", "Porifera (no class)"]
    assert table["prediction"].tolist() == ["Tunicata (no class)", "Demospongiae"]
