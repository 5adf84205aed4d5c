"""Answers keep to what the caller permits."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies

from fathomline.decide.decode import DECODERS
from fathomline.decide.rule import DecisionRule
from fathomline.decide.submit import predictions
from fathomline.errors import InputError
from fathomline.predictor.choice import Choice, Chooser
from fathomline.taxonomy.ranks import RANKS, Rank
from fathomline.taxonomy.tree import Taxonomy
from tests.decide.conftest import CLASSES, THRESHOLDS, random_taxonomies
from tests.decide.conftest import taxonomy as taxonomy

RULE = DecisionRule("risk", "labels", 1.0, THRESHOLDS, fallback="Sebastes", transforms=["identity"])
LIKELY_FISH = [0.05, 0.05, 0.1, 0.3, 0.25, 0.25]


def names(taxonomy: Taxonomy, probabilities: list[float], **choice) -> list[str]:
    answers = Chooser(CLASSES, taxonomy, RULE, Choice(**choice)).answers(np.array([probabilities]))
    return answers["concept_name"].tolist()


def test_without_a_choice_the_answers_are_those_of_the_pipeline(taxonomy):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(len(CLASSES)), 50)
    answers = Chooser(CLASSES, taxonomy, RULE, Choice()).answers(probabilities)
    expected = predictions(range(50), range(50), probabilities, CLASSES, taxonomy, RULE)
    assert answers.equals(expected[answers.columns])


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"decoder": "best"}, "`decoder` is 'best', expected argmax, threshold, risk, or None"),
        ({"candidates": "all"}, "`candidates` is 'all', expected labels, tree"),
        ({"rank_floor": "suborder"}, "`rank_floor` is 'suborder', expected kingdom"),
        ({"rank_floor": 3}, "`rank_floor` is 3"),
        ({"taxa": "Porifera"}, "`taxa` is 'Porifera', expected a tuple"),
        ({"taxa": (3,)}, "`taxa` is"),
        ({"within": ("Porifera",)}, "`within` is"),
        ({"top": -1}, "`top` is -1, expected a whole number"),
        ({"top": 2.5}, "`top` is 2.5"),
    ],
)
def test_a_choice_that_is_none_is_refused(choice, says):
    with pytest.raises(InputError, match=says):
        Choice(**choice)


def test_every_answer_has_an_aphia_id_if_a_lineage_gives_one(taxonomy):
    ids = {"Animalia": 2, "Chordata": 1821, "Teleostei": 293496}
    known = Taxonomy(replace(one, ancestor_ids=ids if one.concept == "Sebastes" else {}) for one in taxonomy.lineages)
    chooser = Chooser(CLASSES, known, RULE, Choice(candidates="tree", rank_floor="class"))
    answers = chooser.answers(np.array([LIKELY_FISH, [0.3, 0.7, 0.0, 0.0, 0.0, 0.0]]))
    assert answers["concept_name"].tolist() == ["Teleostei", "Porifera"]
    assert answers["aphia_id"].tolist() == [293496, pd.NA]
    assert Chooser(CLASSES, known, RULE, Choice(candidates="tree")).constant("Animalia")["aphia_id"] == 2


def test_a_rank_floor_may_be_the_name_of_a_rank():
    assert Choice(rank_floor="family") == Choice(rank_floor=Rank.FAMILY)
    assert Choice(rank_floor="family").rank_floor.depth == Rank.FAMILY.depth


def test_only_the_named_taxa_and_those_below_are_answered(taxonomy):
    assert names(taxonomy, LIKELY_FISH) == ["Sebastes"]
    assert names(taxonomy, LIKELY_FISH, taxa=("Porifera",)) == ["Porifera"]
    assert names(taxonomy, LIKELY_FISH, taxa=("Tunicata", "Poecilosclerida")) == ["Tunicata"]
    assert names(taxonomy, LIKELY_FISH, within="Chordata", taxa=("Poecilosclerida", "Sebastes ruberrimus")) == [
        "Sebastes ruberrimus"
    ]


def test_probabilities_of_the_permitted_classes_sum_to_one_again(taxonomy):
    chooser = Chooser(CLASSES, taxonomy, RULE, Choice(within="Chordata"))
    restricted = chooser.restricted(np.array([LIKELY_FISH, [0.5, 0.5, 0, 0, 0, 0]]))
    assert restricted[0] == pytest.approx([0, 0, 0.1 / 0.9, 0.3 / 0.9, 0.25 / 0.9, 0.25 / 0.9])
    assert restricted[1] == pytest.approx([0, 0, 0.25, 0.25, 0.25, 0.25]), "equally improbable"
    row = chooser.answers(np.array([LIKELY_FISH])).iloc[0]
    assert (row["phylum"], row["phylum_probability"]) == ("Chordata", pytest.approx(1.0))


def test_with_a_rank_floor_an_ancestor_is_answered_in_place_of_a_finer_concept(taxonomy):
    sure = [0, 0, 0.05, 0.9, 0.05, 0]
    assert names(taxonomy, sure) == ["Sebastes diploproa"]
    assert names(taxonomy, sure, rank_floor=Rank.GENUS) == ["Sebastes"]
    for decoder in DECODERS:
        assert names(taxonomy, sure, rank_floor=Rank.FAMILY, decoder=decoder) == ["Sebastidae"]
    assert names(taxonomy, [0, 0, 0, 0, 0, 1.0], rank_floor=Rank.CLASS) == ["Tunicata"], "a subphylum"
    assert names(taxonomy, [0, 0, 0, 0, 0, 1.0], rank_floor=Rank.PHYLUM) == ["Chordata"]


def test_the_most_probable_concepts_are_listed_from_the_highest_probability_on(taxonomy):
    chooser = Chooser(CLASSES, taxonomy, RULE, Choice(top=3, within="Chordata"))
    row = chooser.answers(np.array([LIKELY_FISH])).iloc[0]
    assert [row[f"concept_{place}"] for place in (1, 2, 3)] == ["Sebastes diploproa", "Sebastes ruberrimus", "Tunicata"]
    assert [row[f"probability_{place}"] for place in (1, 2, 3)] == pytest.approx([0.3 / 0.9, 0.25 / 0.9, 0.25 / 0.9])
    assert Chooser(CLASSES, taxonomy, RULE, Choice(top=9, within="Porifera")).listed == 2


def test_the_constant_answer_is_the_fallback_if_permitted_and_otherwise_the_highest_permitted_taxon(taxonomy):
    def constant(**choice) -> str:
        return Chooser(CLASSES, taxonomy, RULE, Choice(**choice)).constant(RULE.fallback)["concept_name"]

    assert constant() == "Sebastes"
    assert constant(within="Porifera", candidates="tree") == "Porifera"


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"taxa": ("Sebastse",)}, r"cannot answer 'Sebastse' \(nearest: Sebastes"),
        ({"within": "Vertebrata"}, r"cannot answer 'Vertebrata' \(nearest: "),
        ({"taxa": ("Porifera",), "within": "Chordata"}, "none of Porifera lies within Chordata"),
        ({"taxa": ("Sebastes",), "rank_floor": Rank.FAMILY}, "Sebastes is finer than the rank floor family"),
    ],
)
def test_a_choice_that_leaves_nothing_to_answer_is_refused(taxonomy, choice, says):
    with pytest.raises(InputError, match=says):
        Chooser(CLASSES, taxonomy, RULE, Choice(**choice))


def test_a_taxon_that_the_model_was_not_trained_on_is_refused(taxonomy):
    with pytest.raises(InputError, match="not trained on 'Porifera'"):
        Chooser(["Sebastes", "Tunicata"], taxonomy, RULE, Choice(taxa=("Porifera", "Sebastes")))


def test_names_may_be_spelt_as_people_type_them(taxonomy):
    assert names(taxonomy, LIKELY_FISH, taxa=("sebastes_ruberrimus",)) == ["Sebastes ruberrimus"]
    assert names(taxonomy, LIKELY_FISH, within="PORIFERA") == ["Porifera"]


@settings(max_examples=60, deadline=None)
@given(random_taxonomies(), strategies.data())
def test_every_answer_is_permitted(taxonomy, data):
    classes = list(taxonomy.concepts)
    known = [node.name for node in taxonomy.nodes]
    choice = Choice(
        decoder=data.draw(strategies.sampled_from(DECODERS)),
        candidates=data.draw(strategies.sampled_from(["labels", "tree"])),
        rank_floor=data.draw(strategies.none() | strategies.sampled_from(RANKS)),
        taxa=tuple(data.draw(strategies.lists(strategies.sampled_from(known), max_size=3))),
        within=data.draw(strategies.none() | strategies.sampled_from(known)),
    )
    rule = DecisionRule("risk", "labels", 1.0, THRESHOLDS, classes[0], ["identity"])
    try:
        chooser = Chooser(classes, taxonomy, rule, choice)
    except InputError:
        return
    probabilities = np.random.default_rng(0).dirichlet(np.full(len(classes), 0.3), 20)
    answers = chooser.answers(probabilities)
    for name, confidence in zip(answers["concept_name"], answers["confidence"], strict=True):
        node = taxonomy.node(name)
        path = {taxonomy.nodes[step].name for step in taxonomy.paths[node] if step >= 0}
        if choice.taxa:
            assert path & set(choice.taxa)
        if choice.within:
            assert choice.within in path
        if choice.rank_floor:
            assert taxonomy.threshold_rank(node).depth <= choice.rank_floor.depth
        assert 0 < confidence <= 1 + 1e-9
