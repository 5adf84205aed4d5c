import pytest
from hypothesis import strategies

from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS, rank_or_none
from fathomline.taxonomy.tree import Taxonomy

CLASSES = ["Poecilosclerida", "Porifera", "Sebastes", "Sebastes diploproa", "Sebastes ruberrimus", "Tunicata"]
"""The concepts of the fixture `taxonomy`, in alphabetical order."""

THRESHOLDS = dict(zip(map(str, RANKS), [0.85, 0.80, 0.75, 0.70, 0.65, 0.60, 0.55], strict=True))


def lineage(path: str, rank: str, concept: str | None = None) -> Lineage:
    """A lineage from a path such as `Animalia > Chordata`, without gaps; an off-rank concept is given separately."""
    names = dict(zip(RANKS, path.split(" > "), strict=False))
    name = concept or path.split(" > ")[-1]
    return Lineage(name, name, rank, names)


@pytest.fixture
def taxonomy() -> Taxonomy:
    """Two phyla; the concept Sebastes is an ancestor of two others; Tunicata is off-rank."""
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
    """Trees with concepts at any depth: some are ancestors of others, some are off-rank."""
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
