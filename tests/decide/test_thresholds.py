from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings, strategies

from fathomline.decide.decode import Decoder
from fathomline.decide.thresholds import fit_thresholds
from fathomline.lineages import fgvc2025
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy
from tests.decide.conftest import CLASSES, THRESHOLDS, random_taxonomies

UNSURE_OF_A_SPECIES = [0.0, 0.0, 0.05, 0.5, 0.4, 0.05]
DIPLOPROA_OR_TUNICATE = [0.0, 0.0, 0.0, 0.6, 0.0, 0.4]


def mhd(decoder: Decoder, thresholds: dict[str, float], probabilities: np.ndarray, truth: np.ndarray) -> float:
    answers = replace(decoder, thresholds=thresholds).threshold(probabilities)
    return decoder.taxonomy.row_distances(truth, answers).mean()


def fitted(taxonomy, candidates: str, rows: list[tuple[list[float], str]]) -> tuple[Decoder, dict[str, float], float]:
    decoder = Decoder(taxonomy, CLASSES, candidates, THRESHOLDS)
    probabilities = np.array([row for row, _ in rows])
    truth = np.array([taxonomy.node(name) for _, name in rows])
    thresholds = fit_thresholds(decoder, probabilities, truth)
    return decoder, thresholds, mhd(decoder, thresholds, probabilities, truth)


def test_a_threshold_falls_when_improbable_answers_are_correct(taxonomy):
    _, thresholds, least = fitted(taxonomy, "labels", [(UNSURE_OF_A_SPECIES, "Sebastes diploproa")] * 3)
    assert least == 0
    assert thresholds["species"] <= 0.5
    assert {rank: thresholds[rank] for rank in THRESHOLDS if rank != "species"} == {
        rank: value for rank, value in THRESHOLDS.items() if rank != "species"
    }


def test_a_threshold_rises_when_probable_answers_are_wrong(taxonomy):
    _, thresholds, least = fitted(taxonomy, "tree", [(DIPLOPROA_OR_TUNICATE, "Tunicata")] * 3)
    # Chordata is the node nearest to Tunicata on the path of the species.
    assert least == 1
    assert thresholds["species"] > 0.6


def test_thresholds_that_no_other_value_improves_on_stay_as_they_are(taxonomy):
    sure = [(np.eye(6)[3].tolist(), "Sebastes diploproa")] * 3
    assert fitted(taxonomy, "labels", sure)[1] == THRESHOLDS


def test_no_rows_leave_the_thresholds_as_they_are(taxonomy):
    decoder = Decoder(taxonomy, CLASSES, "labels", THRESHOLDS)
    assert fit_thresholds(decoder, np.zeros((0, 6)), np.zeros(0, dtype=np.int64)) == THRESHOLDS


@given(random_taxonomies(), strategies.integers(0, 2**32 - 1), strategies.sampled_from(["labels", "tree"]))
@settings(max_examples=40, deadline=None)
def test_fitting_is_never_worse_than_the_start_and_no_single_change_improves_it(taxonomy, seed, candidates):
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(len(taxonomy.concepts), 0.4), size=30)
    truth = taxonomy.concept_nodes[[generator.choice(len(row), p=row) for row in probabilities]]
    decoder = Decoder(taxonomy, taxonomy.concepts, candidates, THRESHOLDS)
    thresholds = fit_thresholds(decoder, probabilities, truth)
    least = mhd(decoder, thresholds, probabilities, truth)
    assert least <= mhd(decoder, THRESHOLDS, probabilities, truth)
    for rank, value in product(map(str, RANKS), np.linspace(0, 1, 41)):
        assert least <= mhd(decoder, thresholds | {rank: value}, probabilities, truth) + 1e-9
    assert all(0 <= value <= 1 for value in thresholds.values())


@pytest.fixture
def subspecies() -> Taxonomy:
    """Two species of a genus, one with two subspecies, which share the threshold of their species."""
    genus = ["Animalia", "Chordata", "Aves", "Charadriiformes", "Alcidae", "Fratercula"]
    paths = {name: dict(zip(RANKS, [*genus, name], strict=True)) for name in ("F. arctica", "F. cirrhata")}
    species = [Lineage(name, name, "species", path) for name, path in paths.items()]
    below = [Lineage(name, name, "subspecies", paths["F. arctica"]) for name in ("F. a. grabae", "F. a. naumanni")]
    return Taxonomy([*species, *below])


@pytest.mark.parametrize("candidates", ["labels", "tree"])
def test_fitting_accounts_for_a_subspecies_and_its_species_sharing_a_threshold(subspecies, candidates):
    for seed in range(150):
        generator = np.random.default_rng(seed)
        probabilities = generator.dirichlet(np.full(4, 0.5), size=6)
        truth = subspecies.concept_nodes[generator.integers(4, size=6)]
        decoder = Decoder(subspecies, subspecies.concepts, candidates, THRESHOLDS)
        thresholds = fit_thresholds(decoder, probabilities, truth)
        least = mhd(decoder, thresholds, probabilities, truth)
        assert least <= mhd(decoder, THRESHOLDS, probabilities, truth) + 1e-12, seed
        for value in np.linspace(0, 1, 21):
            assert least <= mhd(decoder, thresholds | {"species": value}, probabilities, truth) + 1e-9, seed


def test_no_threshold_is_placed_between_masses_that_differ_by_rounding(taxonomy):
    just = [1 - 2.0**-52, 1 - 2.0**-53]
    rows = [([0, 0, 0, mass, 1 - mass, 0], "Sebastes") for mass in [just[0]] * 5]
    rows.append(([0, 0, 0, just[1], 1 - just[1], 0], "Sebastes diploproa"))
    decoder = Decoder(taxonomy, CLASSES, "tree", {**THRESHOLDS, "species": 1.0})
    probabilities, truth = np.array([row for row, _ in rows]), np.array([taxonomy.node(name) for _, name in rows])
    thresholds = fit_thresholds(decoder, probabilities, truth)
    start = mhd(decoder, decoder.thresholds, probabilities, truth)
    assert mhd(decoder, thresholds, probabilities, truth) <= start


def test_fitting_repeats_until_no_single_change_improves_it():
    taxonomy = Taxonomy(fgvc2025.lineages())
    generator = np.random.default_rng(0)
    logits = 2 * generator.normal(size=(400, 79))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([generator.choice(79, p=row) for row in probabilities])
    decoder = Decoder(taxonomy, taxonomy.concepts, "tree", THRESHOLDS)
    truth = decoder.class_nodes[labels]
    thresholds = fit_thresholds(decoder, probabilities, truth)
    for rank, value in product(map(str, RANKS), np.linspace(0, 1, 21)):
        changed = mhd(decoder, thresholds | {rank: value}, probabilities, truth)
        assert mhd(decoder, thresholds, probabilities, truth) <= changed + 1e-9


def test_fitted_thresholds_are_floats_by_rank_name(taxonomy):
    _, thresholds, _ = fitted(taxonomy, "labels", [(UNSURE_OF_A_SPECIES, "Sebastes diploproa")])
    assert list(thresholds) == [str(rank) for rank in RANKS]
    assert {type(value) for value in thresholds.values()} == {float}
    assert thresholds["species"] == pytest.approx(0.25), "halfway between 0 and the only mass, 0.5"
