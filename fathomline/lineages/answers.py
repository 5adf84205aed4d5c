"""What asking a name service brought back; apart from the asking, so that reading it needs no network client."""

from dataclasses import dataclass, field

from fathomline.taxonomy.lineage import Lineage


@dataclass(frozen=True)
class Answers:
    """What became of the names that were asked for."""

    lineages: dict[str, Lineage] = field(default_factory=dict)
    """By concept."""
    notes: tuple[str, ...] = ()
    """What the user should hear, in the order of the concepts."""
    suggestions: dict[str, list[str]] = field(default_factory=dict)
    """For each name without an answer, the names it may be a misspelling of."""
