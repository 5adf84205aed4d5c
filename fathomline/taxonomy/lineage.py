"""One concept and its path through the seven ranks."""

import unicodedata
from dataclasses import dataclass, field
from functools import cached_property

from fathomline.errors import InputError
from fathomline.taxonomy.ranks import RANKS, Rank, rank_or_none

_FORBIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories that no name may contain: controls, invisible marks, surrogates, line and paragraph breaks."""


@dataclass(frozen=True)
class Node:
    """A node of the tree. `rank` is None for a taxon of an intermediate rank."""

    rank: Rank | None
    name: str


@dataclass(frozen=True)
class Lineage:
    """A concept, its accepted name, its rank and its ancestors.

    A concept of an intermediate rank, that is, none of the seven (suborder, infraclass …), is a leaf below the lowest
    of its `names`.

    Raises InputError for a lineage that contradicts itself: a name that is empty or has control characters, no name
    at any of the seven ranks, names below its own rank, or a name at its own rank that is not its accepted name.
    """

    concept: str
    """The name as the dataset spells it."""

    accepted_name: str
    """The name that the authority accepts; differs from the concept if that is a synonym or spelt differently."""

    rank: str
    """The taxon's own rank in lower case: one of the seven or an intermediate one."""

    names: dict[Rank, str] = field(hash=False)
    """The names on the path from kingdom down; ranks that the path skips are absent."""

    aphia_id: int | None = None
    """The AphiaID of the accepted name in WoRMS, if known."""

    origin: str = "lineages"
    """The source: `fgvc2025` (the bundled snapshot), `lineages` (the user's CSV) or `worms`."""

    ancestor_ids: dict[str, int] = field(default_factory=dict, hash=False)
    """The AphiaIDs of its ancestors, by name, where the source knows them. By name and not by rank, so that the AphiaID
    does not pass to another taxon if someone corrects the name."""

    def __post_init__(self) -> None:
        if not isinstance(self.concept, str) or not self.concept.strip():
            self._refuse("the name of the concept is empty")
        # The concept stays as the dataset spells it, including spaces around it.
        texts = [self.accepted_name, self.rank, *self.names.values()]
        if any(not isinstance(text, str) or not text or text != text.strip() for text in texts):
            self._refuse(f"a name is empty or has spaces around it in {texts}")
        if any(unicodedata.category(char) in _FORBIDDEN_CATEGORIES for text in (self.concept, *texts) for char in text):
            self._refuse(f"a name has control characters in {texts}")
        if not self.names:
            self._refuse("it has no name at any of the seven ranks")
        object.__setattr__(self, "names", {rank: self.names[rank] for rank in RANKS if rank in self.names})
        own = rank_or_none(self.rank)
        lowest = list(self.names)[-1]
        if own is None:
            return
        if self.names.get(own) != self.accepted_name:
            self._refuse(f"its rank is {own}, but its {own} is {self.names.get(own)!r}, not {self.accepted_name!r}")
        if lowest is not own:
            self._refuse(f"its rank is {own}, but it has a {lowest}, {self.names[lowest]!r}, below that rank")

    @cached_property
    def path(self) -> tuple[Node, ...]:
        """The nodes from kingdom down to the taxon itself."""
        ranked = tuple(Node(rank, name) for rank, name in self.names.items())
        if rank_or_none(self.rank) is None:
            return (*ranked, Node(None, self.accepted_name))
        return ranked

    def _refuse(self, fault: str) -> None:
        raise InputError(
            f"lineage of {self.concept!r} ({self.origin}): {fault}; correct it in the CSV of taxonomy.lineages, or set "
            "taxonomy.refresh: true to ask WoRMS again"
        )
