from dataclasses import replace

import pytest

from fathomline.errors import InputError
from fathomline.taxonomy.lineage import Lineage, Node
from fathomline.taxonomy.ranks import Rank


def test_a_concept_of_one_of_the_seven_ranks_is_the_last_node_of_its_path(make_lineage):
    lineage = make_lineage("Animalia > Chordata > Teleostei")
    assert lineage.path == (
        Node(Rank.KINGDOM, "Animalia"),
        Node(Rank.PHYLUM, "Chordata"),
        Node(Rank.CLASS, "Teleostei"),
    )


def test_a_concept_of_an_intermediate_rank_is_a_leaf_below_its_lowest_name(make_lineage):
    lineage = make_lineage("Animalia > Chordata", concept="Tunicata", leaf_rank="subphylum")
    assert lineage.path[-2:] == (Node(Rank.PHYLUM, "Chordata"), Node(None, "Tunicata"))


def test_names_are_sorted_from_the_root_down():
    names = {Rank.PHYLUM: "Chordata", Rank.KINGDOM: "Animalia"}
    assert list(Lineage("Chordata", "Chordata", "phylum", names).names) == [Rank.KINGDOM, Rank.PHYLUM]


def test_a_concept_keeps_the_spelling_of_the_dataset(make_lineage):
    lineage = replace(make_lineage("Animalia > Porifera"), concept="  porifera_")
    assert (lineage.concept, lineage.accepted_name) == ("  porifera_", "Porifera")


KINGDOM = {Rank.KINGDOM: "Animalia"}
CONTRADICTIONS = {
    "names below its own rank": ("A b", "A b", "genus", {Rank.GENUS: "A b", Rank.SPECIES: "A c"}, "below that rank"),
    "another name at its rank": ("Porifera", "Porifera", "phylum", {Rank.PHYLUM: "Cnidaria"}, "not 'Porifera'"),
    "no name at its rank": ("Porifera", "Porifera", "phylum", KINGDOM, "its phylum is None"),
    "no names": ("Caridea", "Caridea", "infraorder", {}, "no name at any"),
    "an empty concept": ("  ", "Animalia", "kingdom", KINGDOM, "the name of the concept is empty"),
    "an empty name": ("Caridea", "Caridea", "infraorder", {Rank.KINGDOM: ""}, "a name is empty"),
    "spaces around a name": ("Caridea", "Caridea", "infraorder", {Rank.KINGDOM: "Animalia "}, "a name is empty"),
    "an empty accepted name": ("Caridea", "", "infraorder", KINGDOM, "a name is empty"),
    "a number as name": ("Caridea", "Caridea", "infraorder", {Rank.KINGDOM: 7}, "a name is empty"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_lineage_that_contradicts_itself_is_refused(case):
    *fields, fault = CONTRADICTIONS[case]
    with pytest.raises(InputError, match=fault):
        Lineage(*fields)
