"""The seven ranks of the WoRMS tree by which distances are counted."""

from enum import StrEnum


class Rank(StrEnum):
    """One of the seven ranks, in order from the root; compare with `depth`."""

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
        """The next rank away from the root; species is its own."""
        return RANKS[min(self.depth + 1, len(RANKS) - 1)]


RANKS: tuple[Rank, ...] = tuple(Rank)


def rank_or_none(text: str) -> Rank | None:
    """The rank that `text` names, in any case; None for a rank between the seven (suborder, infraclass …)."""
    try:
        return Rank(text.strip().lower())
    except ValueError:
        return None
