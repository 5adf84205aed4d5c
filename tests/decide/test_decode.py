import numpy as np
import pytest
from hypothesis import given, settings, strategies

from fathomline.decide.decode import DECODERS, Decoder
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy
from tests.decide.conftest import CLASSES, THRESHOLDS, random_taxonomies


def answers(taxonomy: Taxonomy, name: str, candidates: str, *probabilities: list[float]) -> list[str]:
    decoder = Decoder(taxonomy, CLASSES, candidates, THRESHOLDS)
    return decoder.names(decoder.decode(name, np.array(probabilities)))


def test_argmax_answers_the_most_probable_class(taxonomy):
    assert answers(taxonomy, "argmax", "labels", [0.1, 0.1, 0.1, 0.4, 0.2, 0.1]) == ["Sebastes diploproa"]


def test_a_class_that_reaches_its_threshold_is_the_answer(taxonomy):
    assert answers(taxonomy, "threshold", "labels", [0, 0, 0, 0.56, 0.44, 0]) == ["Sebastes diploproa"]


def test_a_species_below_its_threshold_climbs_to_its_genus(taxonomy):
    assert answers(taxonomy, "threshold", "labels", [0, 0, 0.1, 0.5, 0.4, 0]) == ["Sebastes"]


def test_climbing_stops_only_at_candidates(taxonomy):
    # From the genus to the class, the mass is 0.58, below their thresholds; Chordata has 0.83.
    unsure = [0.17, 0.0, 0.1, 0.28, 0.2, 0.25]
    assert answers(taxonomy, "threshold", "tree", unsure) == ["Chordata"]
    assert answers(taxonomy, "threshold", "labels", unsure) == ["Sebastes"]


def test_a_mass_equal_to_its_threshold_is_enough(taxonomy):
    # 0.75 and 0.25 are exact in binary, so the mass of Tunicata equals its threshold.
    assert answers(taxonomy, "threshold", "tree", [0, 0, 0.25, 0, 0, 0.75]) == ["Tunicata"]


def test_an_off_rank_class_has_the_threshold_of_the_rank_below_its_parent(taxonomy):
    # Tunicata is below a phylum, so it has the threshold of a class, 0.75.
    assert answers(taxonomy, "threshold", "tree", [0, 0, 0.24, 0, 0, 0.76]) == ["Tunicata"]
    assert answers(taxonomy, "threshold", "tree", [0, 0, 0.26, 0, 0, 0.74]) == ["Chordata"]


def test_risk_answers_the_genus_when_its_two_species_are_equally_likely(taxonomy):
    assert answers(taxonomy, "risk", "labels", [0, 0, 0.0, 0.5, 0.5, 0]) == ["Sebastes"]


def test_with_label_candidates_every_answer_is_a_class(taxonomy):
    probabilities = np.random.default_rng(0).dirichlet(np.full(len(CLASSES), 0.5), size=500)
    for name in DECODERS:
        decoder = Decoder(taxonomy, CLASSES, "labels", THRESHOLDS)
        assert set(decoder.names(decoder.decode(name, probabilities))) <= set(CLASSES)


def steps_between(taxonomy: Taxonomy, node: int, other: int) -> int:
    """Counted edge by edge, from each node up to the root above the kingdoms."""

    def ancestors(node: int) -> list[int | str]:
        return [node, *ancestors(taxonomy.parents[node])] if node >= 0 else ["root"]

    path, other_path = ancestors(node), ancestors(other)
    meeting = next(ancestor for ancestor in path if ancestor in other_path)
    return path.index(meeting) + other_path.index(meeting)


@given(random_taxonomies(), strategies.integers(0, 2**32 - 1), strategies.sampled_from(["labels", "tree"]))
@settings(max_examples=40, deadline=None)
def test_risk_equals_a_brute_force_search(taxonomy, seed, candidates):
    probabilities = np.random.default_rng(seed).dirichlet(np.full(len(taxonomy.concepts), 0.4), size=5)
    decoder = Decoder(taxonomy, taxonomy.concepts, candidates, THRESHOLDS)
    allowed = range(len(taxonomy.nodes)) if candidates == "tree" else sorted(set(taxonomy.concept_nodes.tolist()))
    for row, answer in zip(probabilities, decoder.risk(probabilities), strict=True):
        tried = {
            node: sum(
                p * steps_between(taxonomy, node, truth) for p, truth in zip(row, decoder.class_nodes, strict=True)
            )
            for node in allowed
        }
        assert tried[answer] == pytest.approx(min(tried.values()), abs=1e-12)


@given(random_taxonomies(), strategies.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_risk_over_the_tree_is_the_deepest_node_with_more_than_half_of_the_mass(taxonomy, seed):
    probabilities = np.random.default_rng(seed).dirichlet(np.full(len(taxonomy.concepts), 0.4), size=20)
    decoder = Decoder(taxonomy, taxonomy.concepts, "tree", THRESHOLDS)
    masses = probabilities @ taxonomy.membership().T
    kingdoms = {node for node, parent in enumerate(taxonomy.parents) if parent < 0}
    for row, answer in enumerate(decoder.risk(probabilities)):
        heavy = np.flatnonzero(masses[row] > 0.5 + 1e-9)
        if len(kingdoms) > 1 and not len(heavy):
            continue  # no node has half of the mass: the best answer is the root, which is not a candidate
        assert answer == heavy[np.argmax(taxonomy.depths[heavy])]


@given(random_taxonomies(), strategies.integers(0, 2**32 - 1), strategies.sampled_from(["labels", "tree"]))
@settings(max_examples=60, deadline=None)
def test_no_decoder_has_a_lower_expected_distance_than_risk(taxonomy, seed, candidates):
    probabilities = np.random.default_rng(seed).dirichlet(np.full(len(taxonomy.concepts), 0.4), size=20)
    decoder = Decoder(taxonomy, taxonomy.concepts, candidates, THRESHOLDS)
    column = {node: position for position, node in enumerate(decoder.candidate_nodes)}
    risks = decoder.risks(probabilities)
    rows = np.arange(len(risks))
    least = risks[rows, [column[node] for node in decoder.risk(probabilities)]]
    for name in DECODERS:
        risk = risks[rows, [column[node] for node in decoder.decode(name, probabilities)]]
        assert (least <= risk + 1e-9).all()


def test_mass_at_ranks_sums_the_classes_below_each_ancestor(taxonomy):
    decoder = Decoder(taxonomy, CLASSES, "labels", THRESHOLDS)
    probabilities = np.array([[0.1, 0.2, 0.3, 0.15, 0.05, 0.2]])
    masses = decoder.mass_at_ranks(probabilities, np.array([taxonomy.node("Sebastes diploproa")]))
    assert masses[0] == pytest.approx([1.0, 0.7, 0.5, 0.5, 0.5, 0.5, 0.15])
    assert np.isnan(decoder.mass_at_ranks(probabilities, np.array([taxonomy.node("Porifera")]))[0, 2:]).all()


def test_risk_answers_the_shallowest_of_equally_good_candidates(taxonomy):
    assert answers(taxonomy, "risk", "labels", [0, 0.5, 0, 0.5, 0, 0]) == ["Porifera"]
    assert answers(taxonomy, "risk", "tree", [0, 0.5, 0, 0.5, 0, 0]) == ["Animalia"]


def test_rounding_errors_do_not_make_a_certain_answer_climb(taxonomy):
    probabilities = np.random.default_rng(0).dirichlet(np.full(6, 0.5), size=500)
    probabilities[:, [0, 1]] = 0  # all of the mass is below Chordata, except for rounding
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    decoder = Decoder(taxonomy, CLASSES, "tree", dict.fromkeys(map(str, RANKS), 1.0))
    names = decoder.names(decoder.threshold(probabilities))
    assert "Animalia" not in names


def test_a_taxon_with_two_classes_is_answered_by_the_first_one():
    path = dict(zip(RANKS, ["Animalia", "Porifera"], strict=False))
    synonyms = Taxonomy(
        [Lineage("Porifera", "Porifera", "phylum", path), Lineage("Spongia", "Porifera", "phylum", path)]
    )
    decoder = Decoder(synonyms, ["Spongia", "Porifera"], "labels", THRESHOLDS)
    assert decoder.names(decoder.argmax(np.array([[0.2, 0.8], [0.9, 0.1]]))) == ["Spongia", "Spongia"]
