from dataclasses import replace

import pytest

from fathomline.errors import InputError
from fathomline.taxonomy.lineage import Lineage, Node
from fathomline.taxonomy.ranks import Rank


def test_a_ranked_concept_ends_its_own_path(make_lineage):
    lineage = make_lineage("Animalia > Chordata > Teleostei")
    assert lineage.path == (
        Node(Rank.KINGDOM, "Animalia"),
        Node(Rank.PHYLUM, "Chordata"),
        Node(Rank.CLASS, "Teleostei"),
    )


def test_a_concept_between_the_ranks_is_a_leaf_below_its_deepest_name(make_lineage):
    lineage = make_lineage("Animalia > Chordata", concept="Tunicata", between="subphylum")
    assert lineage.path[-2:] == (Node(Rank.PHYLUM, "Chordata"), Node(None, "Tunicata"))


def test_names_are_put_in_order_from_the_root():
    names = {Rank.PHYLUM: "Chordata", Rank.KINGDOM: "Animalia"}
    assert list(Lineage("Chordata", "Chordata", "phylum", names).names) == [Rank.KINGDOM, Rank.PHYLUM]


def test_a_concept_may_be_written_as_the_dataset_likes(make_lineage):
    lineage = replace(make_lineage("Animalia > Porifera"), concept="  porifera_")
    assert (lineage.concept, lineage.accepted_name) == ("  porifera_", "Porifera")


KINGDOM = {Rank.KINGDOM: "Animalia"}
CONTRADICTIONS = {
    "names below its own rank": ("A b", "A b", "genus", {Rank.GENUS: "A b", Rank.SPECIES: "A c"}, "below that"),
    "another name at its rank": ("Porifera", "Porifera", "phylum", {Rank.PHYLUM: "Cnidaria"}, "not 'Porifera'"),
    "no name at its rank": ("Porifera", "Porifera", "phylum", KINGDOM, "its phylum is None"),
    "no names": ("Caridea", "Caridea", "infraorder", {}, "no name at any"),
    "an empty concept": ("  ", "Animalia", "kingdom", KINGDOM, "its concept has no name"),
    "an empty name": ("Caridea", "Caridea", "infraorder", {Rank.KINGDOM: ""}, "a name is empty"),
    "spaces around a name": ("Caridea", "Caridea", "infraorder", {Rank.KINGDOM: "Animalia "}, "a name is empty"),
    "an empty accepted name": ("Caridea", "", "infraorder", KINGDOM, "a name is empty"),
    "no text": ("Caridea", "Caridea", "infraorder", {Rank.KINGDOM: 7}, "a name is empty"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_lineage_that_contradicts_itself_is_refused(case):
    *fields, fault = CONTRADICTIONS[case]
    with pytest.raises(InputError, match=fault):
        Lineage(*fields)
