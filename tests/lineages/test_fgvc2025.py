from pathlib import Path

import pandas as pd
import pytest

from fathomline.lineages import fgvc2025
from fathomline.taxonomy.tree import Taxonomy

OFFICIAL = Path(__file__).parents[3] / "shared" / "competition"


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return Taxonomy(fgvc2025.lineages())


def official(name: str, **options) -> pd.DataFrame:
    if not (OFFICIAL / name).exists():
        pytest.skip(f"{OFFICIAL / name} does not exist; it needs files of the competition")
    return pd.read_csv(OFFICIAL / name, **options)


def test_every_official_distance_is_reproduced(taxonomy):
    matrix = official("distance_matrix.csv", index_col=0)
    rows = [taxonomy.node(name) for name in matrix.index]
    columns = [taxonomy.node(name) for name in matrix.columns]
    assert matrix.size == 6_241
    assert sorted(matrix.index) == list(taxonomy.concepts)
    assert (taxonomy.distances(rows, columns) == matrix.to_numpy()).all()


def test_every_official_lineage_is_reproduced(taxonomy):
    table = official("lineages_79.csv", keep_default_na=False).set_index("concept_name")
    for lineage in taxonomy.lineages:
        row = table.loc[lineage.concept]
        assert lineage.names == {rank: row[rank.value] for rank in lineage.names}
        assert [row[rank] for rank in table.columns[:7] if row[rank]] == list(lineage.names.values())


def test_the_tree_has_192_nodes_and_12_of_the_79_are_ancestors(taxonomy):
    assert len(taxonomy.concepts) == 79
    assert len(taxonomy.nodes) == 192
    assert (taxonomy.membership()[taxonomy.concept_nodes].sum(axis=1) > 1).sum() == 12


@pytest.mark.parametrize(
    ("name", "other", "edges"),
    [
        ("Caridea", "Pandalus amplus", 4),
        ("Pandalus amplus", "Pandalus platyceros", 2),
        ("Pandalus amplus", "Sebastes diploproa", 12),
        ("Scotoplanes", "Scotoplanes globosa", 1),
        ("Porifera", "Hexactinellida", 1),
        ("Zoantharia", "Actiniaria", 2),
        ("Tunicata", "Pyrosoma atlanticum", 6),
        ("Actinopterygii", "Tunicata", 2),
        ("Acanthascinae", "Staurocalyptus", 2),
        ("Asteroidea", "Asteroidea", 0),
    ],
)
def test_known_distances(taxonomy, name, other, edges):
    assert taxonomy.distance(name, other) == taxonomy.distance(other, name) == edges


def test_five_names_have_an_intermediate_rank(taxonomy):
    intermediate = {
        one.concept: one.rank for one in taxonomy.lineages if taxonomy.nodes[taxonomy.node(one.concept)].rank is None
    }
    assert intermediate == {
        "Caridea": "infraorder",
        "Acanthascinae": "subfamily",
        "Actinopterygii": "gigaclass",
        "Tunicata": "subphylum",
        "Zoantharia": "unranked",
    }
    assert {lineage.origin for lineage in taxonomy.lineages} == {"fgvc2025"}
