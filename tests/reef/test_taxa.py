"""The reef's taxa are real, with the lineages that the competition uses."""

import csv
from itertools import pairwise
from pathlib import Path

import pytest

from reef.taxa import CONCEPTS, REEF_APHIA_IDS, by_name, root

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
LINEAGES = Path(__file__).parents[3] / "shared" / "competition" / "lineages_79.csv"


@pytest.fixture(scope="module")
def competition():
    if not LINEAGES.exists():
        pytest.skip(f"{LINEAGES} is missing; the competition's lineages are not part of the project")
    with LINEAGES.open(encoding="utf-8") as stream:
        return {row["concept_name"]: row for row in csv.DictReader(stream)}


def seven_names(concept):
    return {taxon.rank.lower(): taxon.name for taxon in by_name()[concept].path if taxon.rank.lower() in RANKS}


def test_concepts_shared_with_the_competition_have_its_lineages(competition):
    shared = [concept for concept in CONCEPTS if concept in competition]
    assert len(shared) == 23
    for concept in shared:
        row = competition[concept]
        assert seven_names(concept) == {rank: row[rank] for rank in RANKS if row[rank]}


def test_three_concepts_are_not_in_the_competition_so_resolving_them_requires_worms(competition):
    assert set(CONCEPTS) - set(competition) == {"Aurelia aurita", "Bathochordaeus", "Octopoda"}


def test_other_concepts_have_the_same_parents_as_the_competition_for_shared_ancestors(competition):
    parents = {}
    for row in competition.values():
        names = [row[rank] for rank in RANKS if row[rank]]
        parents |= dict(zip(names[1:], names[:-1], strict=True))
    for concept in ("Aurelia aurita", "Bathochordaeus", "Octopoda"):
        names = list(seven_names(concept).values())
        for parent, child in pairwise(names):
            assert parents.get(child, parent) == parent


def test_concepts_are_26_accepted_names_in_alphabetical_order():
    assert len(CONCEPTS) == 26
    assert list(CONCEPTS) == sorted(CONCEPTS)
    assert all(by_name()[concept].name == concept for concept in CONCEPTS)


def test_concepts_span_seven_phyla_and_every_rank_from_phylum_to_species():
    assert len({seven_names(concept)["phylum"] for concept in CONCEPTS}) == 7
    ranks = {by_name()[concept].rank for concept in CONCEPTS}
    assert {"Phylum", "Class", "Order", "Family", "Genus", "Species"} < ranks


def test_two_concepts_have_a_rank_between_the_seven():
    between = {concept for concept in CONCEPTS if by_name()[concept].rank.lower() not in RANKS}
    assert between == {"Actinopterygii", "Caridea"}


@pytest.mark.parametrize(
    "chain",
    [
        ("Porifera", "Asbestopluma", "Asbestopluma monticola"),
        ("Holothuroidea", "Scotoplanes", "Scotoplanes globosa"),
        ("Actinopterygii", "Sebastes", "Sebastes diploproa"),
        ("Asteroidea", "Hippasteria"),
        ("Caridea", "Pandalus platyceros"),
        ("Octopoda", "Octopus rubescens"),
        ("Paragorgia", "Paragorgia arborea"),
    ],
)
def test_concepts_that_are_ancestors_of_others_lie_on_their_paths(chain):
    path = [taxon.name for taxon in by_name()[chain[-1]].path]
    assert [name for name in path if name in CONCEPTS] == list(chain)


def test_names_and_aphia_ids_are_unique():
    taxa = root().subtree
    assert len({taxon.name for taxon in taxa}) == len(taxa)
    assert len({taxon.aphia_id for taxon in taxa}) == len(taxa)
    assert by_name()["Animalia"].aphia_id == 2
    assert by_name()["Scotoplanes"].aphia_id >= REEF_APHIA_IDS


def test_an_alternate_name_belongs_to_one_taxon_only():
    accepted = {taxon.name for taxon in root().subtree}
    alternates = [alternate for taxon in root().subtree for alternate in taxon.alternate_names]
    assert len(set(alternates)) == len(alternates)
    assert not accepted & set(alternates)
