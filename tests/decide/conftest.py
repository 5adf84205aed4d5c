import pytest
from hypothesis import strategies

from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS, rank_or_none
from fathomline.taxonomy.tree import Taxonomy


def lineage(path: str, rank: str, concept: str | None = None) -> Lineage:
    """`path` as `Animalia > Chordata > …` over the ranks in order; an off-rank concept is named apart."""
    names = dict(zip(RANKS, path.split(" > "), strict=False))
    name = concept or path.split(" > ")[-1]
    return Lineage(name, name, rank, names)


@pytest.fixture
def taxonomy() -> Taxonomy:
    """Two phyla; Sebastes is an ancestor of its two species; Tunicata is off-rank."""
    fishes = "Animalia > Chordata > Teleostei > Perciformes > Sebastidae > Sebastes"
    return Taxonomy(
        [
            lineage(fishes, "genus"),
            lineage(f"{fishes} > Sebastes diploproa", "species"),
            lineage(f"{fishes} > Sebastes ruberrimus", "species"),
            lineage("Animalia > Chordata", "subphylum", "Tunicata"),
            lineage("Animalia > Porifera", "phylum"),
            lineage("Animalia > Porifera > Demospongiae > Poecilosclerida", "order"),
        ]
    )


@strategies.composite
def random_taxonomies(draw) -> Taxonomy:
    """Trees whose concepts sit at any depth, some above others, some off-rank."""
    lineages: dict[str, Lineage] = {}
    for number in range(draw(strategies.integers(2, 12))):
        depth = draw(strategies.integers(1, 7))
        branches = [draw(strategies.integers(0, 2)) for _ in range(depth)]
        names = ["".join(map(str, branches[: level + 1])) for level in range(depth)]
        named = {rank: f"{rank}{name}" for rank, name in zip(RANKS, names, strict=False)}
        if draw(strategies.booleans()):
            concept, rank = f"off-rank {number}", "suborder"
        else:
            concept, rank = list(named.values())[-1], str(RANKS[depth - 1])
        lineages[concept] = Lineage(concept, concept, rank, named)
        assert (rank_or_none(rank) is None) == concept.startswith("off-rank")
    return Taxonomy(lineages.values())
