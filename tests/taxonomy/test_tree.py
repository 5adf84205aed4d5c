import random
from collections import deque
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathomline.errors import InputError
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS, Rank
from fathomline.taxonomy.tree import Taxonomy


@st.composite
def lineage_lists(draw) -> list[Lineage]:
    """Lineages of a random tree with skipped ranks, concepts at inner nodes, intermediate ranks and synonyms."""
    random_tree = random.Random(draw(st.integers(0, 2**32)))
    paths: list[dict[Rank, str]] = [{}]
    for number in range(draw(st.integers(1, 25))):
        above = random_tree.choice(paths)
        lowest = max((rank.depth for rank in above), default=-1)
        if lowest < len(RANKS) - 1:
            rank = RANKS[random_tree.randint(lowest + 1, min(lowest + 2, len(RANKS) - 1))]
            paths.append(above | {rank: f"T{number}"})
    lineages = []
    for number, names in enumerate(random_tree.sample(paths[1:], random_tree.randint(1, len(paths) - 1))):
        own = list(names)[-1]
        kind = random_tree.random()
        if kind < 0.25:
            lineages.append(Lineage(f"B{number}", f"B{number}", "suborder", names))
        else:
            concept = f"S{number}" if kind < 0.4 else names[own]
            lineages.append(Lineage(concept, names[own], own.value, names))
    return lineages


def edges(taxonomy: Taxonomy) -> list[set[int]]:
    """The neighbours of each node; the last node is the root that the kingdoms share."""
    root = len(taxonomy.nodes)
    neighbours: list[set[int]] = [set() for _ in range(root + 1)]
    for node, parent in enumerate(taxonomy.parents.tolist()):
        neighbours[node].add(parent if parent >= 0 else root)
        neighbours[parent if parent >= 0 else root].add(node)
    return neighbours


def steps_from(start: int, neighbours: list[set[int]]) -> list[int]:
    steps = {start: 0}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for neighbour in neighbours[node] - set(steps):
            steps[neighbour] = steps[node] + 1
            queue.append(neighbour)
    return [steps[node] for node in range(len(neighbours) - 1)]


@given(lineage_lists())
@settings(max_examples=60, deadline=None)
def test_a_distance_is_the_number_of_edges_on_the_path(lineages):
    taxonomy = Taxonomy(lineages)
    every = range(len(taxonomy.nodes))
    neighbours = edges(taxonomy)
    walked = [steps_from(node, neighbours) for node in every]
    assert taxonomy.distances(every, every).tolist() == walked


@given(lineage_lists())
@settings(max_examples=60, deadline=None)
def test_distance_is_a_metric(lineages):
    taxonomy = Taxonomy(lineages)
    every = range(len(taxonomy.nodes))
    distances = taxonomy.distances(every, every).astype(int)
    assert (distances == distances.T).all()
    assert ((distances == 0) == np.eye(len(every), dtype=bool)).all()
    detours = distances[:, :, None] + distances[None, :, :]
    assert (distances[:, None, :] <= detours).all()


@given(lineage_lists())
@settings(max_examples=60, deadline=None)
def test_the_members_of_a_node_are_the_concepts_whose_path_includes_it(lineages):
    taxonomy = Taxonomy(lineages)
    expected = [[node in lineage.path for lineage in taxonomy.lineages] for node in taxonomy.nodes]
    assert taxonomy.membership().tolist() == expected
    some = taxonomy.concepts[::2]
    assert taxonomy.membership(some).tolist() == [row[::2] for row in expected]


@given(lineage_lists(), st.randoms())
@settings(max_examples=40, deadline=None)
def test_the_hash_depends_on_concepts_and_their_paths_only(lineages, shuffler):
    other = [replace(lineage, aphia_id=7, origin="worms") for lineage in lineages]
    shuffler.shuffle(other)
    assert Taxonomy(other).hash == Taxonomy(lineages).hash
    renamed = [replace(lineages[0], concept="Another"), *lineages[1:]]
    assert Taxonomy(renamed).hash != Taxonomy(lineages).hash
    if len(lineages) > 1:
        assert Taxonomy(lineages[1:]).hash != Taxonomy(lineages).hash


def test_the_hash_changes_with_a_place_and_not_with_the_name_of_an_intermediate_rank(make_lineage):
    here = make_lineage("Animalia > Chordata", concept="Tunicata", leaf_rank="subphylum")
    assert Taxonomy([replace(here, rank="clade")]).hash == Taxonomy([here]).hash
    assert Taxonomy([make_lineage("Animalia", concept="Tunicata", leaf_rank="subphylum")]).hash != Taxonomy([here]).hash
    # The same names at other ranks are other nodes, though every distance is the same.
    ranked = Lineage("X", "X", "class", {Rank.KINGDOM: "Animalia", Rank.CLASS: "X"})
    moved = Lineage("X", "X", "order", {Rank.KINGDOM: "Animalia", Rank.ORDER: "X"})
    assert Taxonomy([ranked]).hash != Taxonomy([moved]).hash


def test_a_name_that_is_not_in_the_tree_is_12_edges_away(make_lineage):
    taxonomy = Taxonomy([make_lineage("Animalia > Porifera")])
    assert taxonomy.distance("Porifera", "Decapoda") == 12
    assert taxonomy.distance("", "") == 12
    assert taxonomy.distance("Porifera", "Animalia") == 1
    assert not taxonomy.holds("")


def test_a_synonym_has_the_node_of_its_accepted_name(make_lineage):
    species = make_lineage("Animalia > P > C > O > F > G > G species")
    taxonomy = Taxonomy([species, replace(species, concept="H species")])
    assert taxonomy.distance("H species", "G species") == 0
    assert taxonomy.node("H species") == taxonomy.node("G species")
    assert taxonomy.lineage("H species").accepted_name == "G species"


def test_ancestors_at_the_seven_ranks(make_lineage):
    leaf = make_lineage("Animalia > Arthropoda > Malacostraca > Decapoda", concept="Caridea", leaf_rank="infraorder")
    taxonomy = Taxonomy([leaf])
    node = taxonomy.node("Caridea")
    named = [taxonomy.nodes[index].name if index >= 0 else None for index in taxonomy.ranked_ancestors[node]]
    assert named == ["Animalia", "Arthropoda", "Malacostraca", "Decapoda", None, None, None]
    assert taxonomy.threshold_rank(node) is Rank.FAMILY
    assert taxonomy.threshold_rank(taxonomy.node("Decapoda")) is Rank.ORDER


def test_a_taxon_between_the_seven_ranks_has_the_rank_of_its_lineage(make_lineage):
    leaf = make_lineage("Animalia > Arthropoda", concept="Caridea", leaf_rank="infraorder")
    taxonomy = Taxonomy([leaf, make_lineage("Animalia > Porifera")])
    ranks = {node.name: rank for node, rank in zip(taxonomy.nodes, taxonomy.rank_names, strict=True)}
    assert ranks == {"Animalia": "kingdom", "Arthropoda": "phylum", "Porifera": "phylum", "Caridea": "infraorder"}


def test_one_name_with_two_parents_is_refused(make_lineage):
    lineages = [make_lineage("Animalia > P > C > O > F > G"), make_lineage("Animalia > P > C > O2 > F > G > G s")]
    with pytest.raises(InputError, match=r"F has two places .*: Animalia > .* > F \(in the lineage of G\).*of G s\)"):
        Taxonomy(lineages)


def test_a_taxon_of_an_intermediate_rank_has_no_descendants(make_lineage):
    leaf = make_lineage("Animalia > P", concept="X", leaf_rank="subphylum")
    with pytest.raises(InputError, match="X has two places in the tree"):
        Taxonomy([leaf, make_lineage("Animalia > P > X > O")])


def test_one_concept_with_two_lineages_is_refused(make_lineage):
    lineages = [make_lineage("Animalia > P"), make_lineage("Animalia > Q"), make_lineage("Animalia > R", concept="P")]
    with pytest.raises(InputError, match=r"1 concept\(s\) have more than one lineage: P"):
        Taxonomy(lineages)


def test_a_synonym_that_is_the_name_of_another_taxon_is_refused(make_lineage):
    lineages = [make_lineage("Animalia > P > C > O"), make_lineage("Animalia > Q", concept="C")]
    with pytest.raises(InputError, match="concept C is a synonym of Q, but the tree has another taxon"):
        Taxonomy(lineages)


def test_distances_of_many_rows_equal_those_of_single_pairs():
    lineages = []
    for number in range(150):
        names = ["Animalia", f"P{number % 2}", f"C{number % 4}", f"O{number % 8}", f"F{number % 16}", f"G{number % 32}"]
        path = dict(zip(RANKS, [*names, f"S{number}"], strict=True))
        lineages.append(Lineage(f"S{number}", f"S{number}", "species", path))
    taxonomy = Taxonomy(lineages)
    every = np.arange(len(taxonomy.nodes))
    distances = taxonomy.distances(every, every)
    assert distances.dtype == np.int16
    assert (distances == np.stack([taxonomy.row_distances(np.full_like(every, node), every) for node in every])).all()
    assert distances.max() == 12
