import tracemalloc

import numpy as np
import pytest

from fathomline.decide import metrics
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS, Rank
from fathomline.taxonomy.tree import Taxonomy
from tests.decide.conftest import CLASSES


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


def test_the_interval_resamples_whole_frames():
    values = np.repeat([0.0, 10.0], 50)
    independent = metrics.bootstrap_interval(values, np.arange(100))
    two_frames = metrics.bootstrap_interval(values, np.repeat([0, 1], 50))
    assert two_frames == (0.0, 10.0)
    assert 3.5 < independent[0] < 4.5 < 5.5 < independent[1] < 6.5


def test_the_interval_weighs_a_frame_by_its_rois():
    # Frames of 1 and of 9 ROIs: the interval of a mean of frame means would be centred on 5.
    values, groups = np.array([10.0] + [0.0] * 9), np.array([0] + [1] * 9)
    assert metrics.bootstrap_interval(np.tile(values, 50), np.concatenate([groups + 2 * n for n in range(50)]))[1] < 2


def test_the_interval_covers_95_percent_and_is_the_same_each_time():
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


def test_overconfidence_in_one_bin_does_not_offset_underconfidence_in_another():
    confidence, right = np.repeat([0.9, 0.5], 10), np.arange(20) % 10 < np.repeat([7, 7], 10)
    assert metrics.expected_calibration_error(confidence, right) == pytest.approx((0.2 + 0.2) / 2)


def test_errors_cancel_within_a_bin_and_confidence_one_is_in_the_last_bin():
    assert metrics.expected_calibration_error(np.array([0.97, 0.99]), np.array([True, True])) == pytest.approx(0.02)
    assert metrics.expected_calibration_error(np.array([1.0]), np.array([False])) == 1.0


def test_the_calibration_error_at_a_rank_uses_the_probabilities_at_that_rank(taxonomy):
    truth = nodes(taxonomy, "Sebastes ruberrimus", "Sebastes", "Porifera")
    prediction = nodes(taxonomy, "Sebastes diploproa", "Sebastes diploproa", "Porifera")
    masses = np.array([[1, 1, 1, 1, 1, 0.9, 0.6], [1, 1, 1, 1, 1, 0.8, 0.5], [1, 0.7, *[np.nan] * 5]])
    errors = metrics.calibration_error_at_ranks(taxonomy, truth, prediction, masses)
    assert errors[Rank.KINGDOM] == 0
    assert errors[Rank.PHYLUM] == pytest.approx(0.3 / 3)
    # The genus is correct twice, with 0.9 and 0.8, which are in different bins; the sponge has no genus.
    assert errors[Rank.GENUS] == pytest.approx((0.1 + 0.2) / 2)
    # Neither species is correct: one truth is another species, the other is known only to the genus.
    assert errors[Rank.SPECIES] == pytest.approx((0.6 + 0.5) / 2)


def test_the_calibration_error_at_a_rank_that_no_answer_reaches_is_none(taxonomy):
    porifera = nodes(taxonomy, "Porifera")
    masses = np.array([[1, 1, *[np.nan] * 5]])
    assert metrics.calibration_error_at_ranks(taxonomy, porifera, porifera, masses)[Rank.CLASS] is None


def test_an_answer_and_its_truth_meet_at_their_lowest_common_ancestor(taxonomy):
    truth = nodes(taxonomy, "Sebastes diploproa", "Sebastes diploproa", "Sebastes", "Tunicata", "Porifera", "Tunicata")
    prediction = nodes(taxonomy, "Sebastes ruberrimus", "Sebastes", "Sebastes", "Sebastes", "Sebastes", "Tunicata")
    depths = metrics.meeting_ranks(taxonomy, truth, prediction)
    expected = [Rank.GENUS, Rank.GENUS, Rank.GENUS, Rank.PHYLUM, Rank.KINGDOM, Rank.PHYLUM]
    assert [RANKS[depth] for depth in depths] == expected


def test_species_meet_at_their_genus_when_their_lineages_skip_ranks():
    def worm(species: str) -> Lineage:
        names = {Rank.KINGDOM: "Animalia", Rank.PHYLUM: "Annelida", Rank.GENUS: "Osedax", Rank.SPECIES: species}
        return Lineage(species, species, "species", names)

    worms = Taxonomy([worm("Osedax frankpressi"), worm("Osedax rubiplumus")])
    depths = metrics.meeting_ranks(worms, *(np.array([node]) for node in worms.concept_nodes))
    assert RANKS[depths[0]] is Rank.GENUS


def test_a_single_group_has_no_bootstrap_interval():
    assert np.isnan(metrics.bootstrap_interval(np.array([1.0, 5.0]), np.array([3, 3]))).all()


def test_bins_are_a_fifteenth_wide():
    # 0.61 and 0.67 are in different bins, which start at 9/15 and 10/15: their errors do not cancel.
    confidence, right = np.repeat([0.61, 0.67], 100), np.repeat([1, 0], 100).astype(bool)
    assert metrics.expected_calibration_error(confidence, right) == pytest.approx((0.39 + 0.67) / 2)


def test_confusion_marks_taxa_that_stop_above_the_rank(taxonomy):
    table = metrics.confusion(
        taxonomy, nodes(taxonomy, "Sebastes", "Porifera"), nodes(taxonomy, "Tunicata", "Poecilosclerida"), Rank.CLASS
    )
    assert table["truth"].tolist() == ["Teleostei", "Porifera (no class)"]
    assert table["prediction"].tolist() == ["Tunicata (no class)", "Demospongiae"]


def test_the_best_constant_is_the_candidate_nearest_to_all_truths(taxonomy):
    truth = nodes(taxonomy, "Sebastes diploproa", "Sebastes ruberrimus", "Porifera")
    classes = nodes(taxonomy, *CLASSES)
    node, mean = metrics.best_constant(taxonomy, truth, classes)
    # Sebastes: 1, 1 and 6 edges; any of its species: 0, 2 and 7.
    assert (taxonomy.nodes[node].name, mean) == ("Sebastes", pytest.approx(8 / 3))


def test_frequent_truths_weigh_more_in_the_best_constant(taxonomy):
    truth = nodes(taxonomy, *["Sebastes diploproa"] * 8, *["Sebastes ruberrimus"] * 2)
    node, mean = metrics.best_constant(taxonomy, truth, nodes(taxonomy, *CLASSES))
    assert (taxonomy.nodes[node].name, mean) == ("Sebastes diploproa", pytest.approx(0.4))
