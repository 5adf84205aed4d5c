"""One concept and its place among the seven ranks."""

import unicodedata
from dataclasses import dataclass, field
from functools import cached_property

from fathomline.errors import InputError
from fathomline.taxonomy.ranks import RANKS, Rank, rank_or_none

_UNPRINTED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories of what no name has: controls, invisible marks, halves of characters, and breaks of lines."""


@dataclass(frozen=True)
class Node:
    """A node of the tree. `rank` is None for a name whose own rank is not one of the seven."""

    rank: Rank | None
    name: str


@dataclass(frozen=True)
class Lineage:
    """What is known of one concept.

    A concept whose own rank is not one of the seven (suborder, infraclass …) hangs as a leaf below the deepest of
    its `names`, and has no descendants.

    Raises InputError when it contradicts itself: an empty name or one with control characters, no name above it, names
    below its own rank, or a name at its rank that is not its accepted name.
    """

    concept: str
    """The name as the dataset writes it."""

    accepted_name: str
    """The name that the authority accepts; the concept itself unless that is a synonym."""

    rank: str
    """The taxon's own rank in lower case, one of the seven or between them."""

    names: dict[Rank, str] = field(hash=False)
    """The names on the path from kingdom down; ranks that the path skips are absent."""

    aphia_id: int | None = None
    """The accepted name's AphiaID in WoRMS, where known."""

    origin: str = "lineages"
    """Where this came from: `fgvc2025` (the bundled snapshot), `lineages` (the user's CSV) or `worms`."""

    def __post_init__(self) -> None:
        if not isinstance(self.concept, str) or not self.concept.strip():
            self._refuse("its concept has no name")
        # The concept stays as the dataset writes it, spaces around it included.
        texts = [self.accepted_name, self.rank, *self.names.values()]
        if any(not isinstance(text, str) or not text or text != text.strip() for text in texts):
            self._refuse(f"a name is empty or has spaces around it in {texts}")
        if any(unicodedata.category(char) in _UNPRINTED for text in (self.concept, *texts) for char in text):
            self._refuse(f"a name has control characters in {texts}")
        if not self.names:
            self._refuse("it has no name at any of the seven ranks")
        object.__setattr__(self, "names", {rank: self.names[rank] for rank in RANKS if rank in self.names})
        own = rank_or_none(self.rank)
        deepest = list(self.names)[-1]
        if own is None:
            return
        if self.names.get(own) != self.accepted_name:
            self._refuse(f"its rank is {own}, but its {own} is {self.names.get(own)!r}, not {self.accepted_name!r}")
        if deepest is not own:
            self._refuse(f"its rank is {own}, but it names a {deepest}, {self.names[deepest]!r}, below that")

    @cached_property
    def path(self) -> tuple[Node, ...]:
        """The nodes from kingdom down to the taxon itself."""
        ranked = tuple(Node(rank, name) for rank, name in self.names.items())
        if rank_or_none(self.rank) is None:
            return (*ranked, Node(None, self.accepted_name))
        return ranked

    def _refuse(self, fault: str) -> None:
        raise InputError(
            f"lineage of {self.concept!r} ({self.origin}): {fault}; correct it in taxonomy.lineages, or set "
            "taxonomy.refresh: true to ask WoRMS again"
        )
