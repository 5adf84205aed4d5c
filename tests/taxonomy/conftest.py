from collections.abc import Callable

import pytest

from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS, rank_or_none


@pytest.fixture
def make_lineage() -> Callable[..., Lineage]:
    def make(path: str, concept: str | None = None, between: str | None = None, **known) -> Lineage:
        """`Animalia > Chordata > …`, a rank each; with `between`, the concept is a leaf of that rank below the path."""
        names = dict(zip(RANKS, path.split(" > "), strict=False))
        name = list(names.values())[-1]
        if between:
            assert rank_or_none(between) is None
            return Lineage(concept, concept, between, names, **known)
        return Lineage(concept or name, name, RANKS[len(names) - 1].value, names, **known)

    return make
