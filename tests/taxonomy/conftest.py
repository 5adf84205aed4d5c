from collections.abc import Callable

import pytest

from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS, rank_or_none


@pytest.fixture
def make_lineage() -> Callable[..., Lineage]:
    def make(path: str, concept: str | None = None, leaf_rank: str | None = None, **known) -> Lineage:
        """A lineage from `Animalia > Chordata > …`, one name per rank.

        With `leaf_rank`, the concept is a leaf of that rank below the path.
        """
        names = dict(zip(RANKS, path.split(" > "), strict=False))
        name = list(names.values())[-1]
        if leaf_rank:
            assert rank_or_none(leaf_rank) is None
            return Lineage(concept, concept, leaf_rank, names, **known)
        return Lineage(concept or name, name, RANKS[len(names) - 1].value, names, **known)

    return make
