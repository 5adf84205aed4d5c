from dataclasses import replace

from fathomline.taxonomy.tree import Taxonomy


def by_name(taxonomy: Taxonomy) -> dict[str, int | None]:
    return dict(zip([node.name for node in taxonomy.nodes], taxonomy.aphia_ids, strict=True))


def test_a_node_has_the_aphia_id_of_its_concept_or_else_that_given_by_a_descendant(make_lineage):
    genus = make_lineage("Animalia > P > C > O > F > G", aphia_id=60, ancestor_ids={"Animalia": 2, "F": 50})
    family = make_lineage("Animalia > P > C > O > F", aphia_id=51)
    suborder = make_lineage("Animalia > P > C > O", concept="S", leaf_rank="suborder", aphia_id=45)
    taxonomy = Taxonomy([genus, family, suborder])
    expected = {"Animalia": 2, "P": None, "C": None, "O": None, "F": 51, "G": 60, "S": 45}
    assert by_name(taxonomy) == expected
    assert taxonomy.disputed_aphia_ids == {}


def test_of_contradicting_aphia_ids_none_is_used_and_both_are_named(make_lineage):
    first = make_lineage("Animalia > P > C", ancestor_ids={"Animalia": 2, "P": 7})
    second = make_lineage("Animalia > P > D", ancestor_ids={"Animalia": 2, "P": 8})
    taxonomy = Taxonomy([first, second])
    assert by_name(taxonomy) == {"Animalia": 2, "P": None, "C": None, "D": None}
    assert taxonomy.disputed_aphia_ids == {"P": {7: "C", 8: "D"}}
    settled = Taxonomy([first, second, make_lineage("Animalia > P", aphia_id=9)])
    assert by_name(settled)["P"] == 9, "the concept's own row decides"


def test_a_synonym_gives_its_aphia_id_to_the_accepted_taxon(make_lineage):
    accepted = make_lineage("Animalia > P")
    taxonomy = Taxonomy([accepted, replace(accepted, concept="Old P", aphia_id=7)])
    assert by_name(taxonomy)["P"] == 7


def test_aphia_ids_of_ancestors_do_not_change_the_hash(make_lineage):
    lineage = make_lineage("Animalia > P > C")
    assert Taxonomy([replace(lineage, ancestor_ids={"P": 7})]).hash == Taxonomy([lineage]).hash
