"""The seven ranks of the taxonomic tree on which distances are counted."""

from enum import StrEnum


class Rank(StrEnum):
    """One of the seven ranks, listed from the root down; compare ranks by their `depth`."""

    KINGDOM = "kingdom"
    PHYLUM = "phylum"
    CLASS = "class"
    ORDER = "order"
    FAMILY = "family"
    GENUS = "genus"
    SPECIES = "species"

    @property
    def depth(self) -> int:
        """0 for kingdom to 6 for species."""
        return RANKS.index(self)

    @property
    def below(self) -> "Rank":
        """The next lower rank; species for species."""
        return RANKS[min(self.depth + 1, len(RANKS) - 1)]


RANKS: tuple[Rank, ...] = tuple(Rank)


def rank_or_none(text: str) -> Rank | None:
    """The rank named by `text`, in any case; None for an intermediate rank (suborder, infraclass …)."""
    try:
        return Rank(text.strip().lower())
    except ValueError:
        return None
