"""How answers are chosen: the bundle's decision rule, and what the caller changes in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

import numpy as np
import pandas as pd

from fathomline.decide.decode import DECODERS, CandidateSet, Decoder, DecoderName
from fathomline.decide.rule import DecisionRule
from fathomline.decide.submit import answers, described
from fathomline.errors import InputError, listing, shown
from fathomline.lineages.spelling import nearest, spellings
from fathomline.taxonomy.ranks import RANKS, Rank
from fathomline.taxonomy.tree import Taxonomy


@dataclass(frozen=True)
class Choice:
    """What may be answered, and how an answer is chosen; None and empty tuples keep the bundle's rule."""

    decoder: DecoderName | None = None

    candidates: CandidateSet | None = None
    """`labels`: the concepts that the model was trained on; `tree`: any taxon above them too."""

    rank_floor: Rank | None = None
    """No answer is finer than this rank. Its name, such as "family", will do."""

    taxa: tuple[str, ...] = ()
    """Only these and the taxa below them are answered."""

    within: str | None = None
    """Only this taxon and those below it are answered; together with `taxa`, what both permit."""

    top: int = 0
    """How many of the most probable concepts to list beside each answer."""

    def __post_init__(self) -> None:
        """Raises InputError if a value is none of those that are possible."""
        for name, possible in _POSSIBLE.items():
            given = getattr(self, name)
            if given is not None and given not in possible:
                raise InputError(f"Choice: `{name}` is {shown(given)}, expected {', '.join(possible)}, or None")
        if self.rank_floor is not None:
            object.__setattr__(self, "rank_floor", Rank(self.rank_floor))
        if not isinstance(self.taxa, tuple | list) or not all(isinstance(name, str) for name in self.taxa):
            raise InputError(f"Choice: `taxa` is {shown(self.taxa)}, expected a tuple of names")
        if not isinstance(self.within, str | None):
            raise InputError(f"Choice: `within` is {shown(self.within)}, expected a name, or None")
        if not isinstance(self.top, int) or self.top < 0:
            raise InputError(f"Choice: `top` is {shown(self.top)}, expected a whole number from 0")


_POSSIBLE: dict[str, tuple[str, ...]] = {
    "decoder": DECODERS,
    "candidates": get_args(CandidateSet),
    "rank_floor": tuple(map(str, RANKS)),
}


class Chooser:
    """Turns probabilities into answers.

    Raises InputError for a name that the model cannot answer, or if nothing remains to be answered.
    """

    def __init__(self, classes: Sequence[str], taxonomy: Taxonomy, rule: DecisionRule, choice: Choice) -> None:
        self.choice = choice
        self.classes = tuple(classes)
        self.taxonomy = taxonomy
        self._name: DecoderName = choice.decoder or rule.decoder
        permitted = _permitted(taxonomy, self.classes, choice)
        restriction = None if permitted.all() and choice.rank_floor is None else _Limits(taxonomy, permitted, choice)
        self.decoder = Decoder(taxonomy, classes, choice.candidates or rule.candidates, rule.thresholds, restriction)
        self._kept = permitted[self.decoder.class_nodes]
        if choice.rank_floor is not None:
            self._refuse_finer_taxa(choice.rank_floor)

    @property
    def listed(self) -> int:
        """How many of the most probable concepts are listed beside each answer."""
        return min(self.choice.top, int(self._kept.sum()))

    def constant(self, fallback: str) -> dict[str, Any]:
        """The answer for an ROI that could not be seen, without probabilities: `fallback` if that is permitted.

        Returns: by column of `answers`, all but the probabilities.
        """
        permitted = self.decoder.candidate_nodes
        node = self.taxonomy.node(fallback)
        nodes = np.array([node if node in permitted else permitted[0]])
        return {str(column): value for column, value in described(self.decoder, nodes).iloc[0].to_dict().items()}

    def restricted(self, probabilities: np.ndarray) -> np.ndarray:
        """Probabilities of the permitted classes, summing to 1 again; 0 for the others. (rois, classes) float64."""
        if self._kept.all():
            return probabilities
        # The smallest number keeps rows whose permitted classes are all impossible: these become equally probable.
        kept = np.where(self._kept, np.maximum(probabilities, np.finfo(np.float64).tiny), 0.0)
        return kept / kept.sum(axis=1, keepdims=True)

    def answers(self, probabilities: np.ndarray) -> pd.DataFrame:
        """One row per ROI: the columns of `decide.submit.answers`, then `concept_1`, `probability_1` … if the caller
        asked for the most probable concepts.

        Args: (rois, classes), calibrated.
        """
        restricted = self.restricted(probabilities)
        return pd.concat([answers(self.decoder, self._name, restricted), self._most_probable(restricted)], axis=1)

    def _most_probable(self, probabilities: np.ndarray) -> pd.DataFrame:
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, : self.listed]
        names = np.array(self.classes, dtype=object)
        columns: dict[str, np.ndarray] = {}
        for place in range(self.listed):
            columns[f"concept_{place + 1}"] = names[order[:, place]]
            columns[f"probability_{place + 1}"] = np.take_along_axis(probabilities, order[:, [place]], axis=1)[:, 0]
        return pd.DataFrame(columns, index=range(len(probabilities)))

    def _refuse_finer_taxa(self, floor: Rank) -> None:
        given = [*self.choice.taxa, *([self.choice.within] if self.choice.within else [])]
        finer = [name for name in given if _is_finer(self.taxonomy, _node(self.taxonomy, name), floor)]
        if finer:
            raise InputError(
                f"predict: {listing(finer)} is finer than the rank floor {floor}, so nothing could be answered; "
                "choose a finer rank floor or a higher taxon"
            )


@dataclass(frozen=True)
class _Limits:
    """The restriction of a decoder."""

    taxonomy: Taxonomy
    permitted: np.ndarray
    """(nodes,) bool."""
    choice: Choice

    def candidates(self, nodes: np.ndarray) -> np.ndarray:
        permitted = nodes[self.permitted[nodes]]
        if self.choice.rank_floor is None:
            return permitted
        return np.unique(self._coarse_enough[permitted])

    @cached_property
    def _coarse_enough(self) -> np.ndarray:
        """(nodes,) int64, each node, or its lowest ancestor that is not finer than the rank floor."""
        found = np.arange(len(self.taxonomy.nodes))
        for node in range(len(found)):  # parents come before their children
            if self.choice.rank_floor is not None and _is_finer(self.taxonomy, node, self.choice.rank_floor):
                found[node] = found[self.taxonomy.parents[node]]
        return found


def _is_finer(taxonomy: Taxonomy, node: int, floor: Rank) -> bool:
    return taxonomy.threshold_rank(node).depth > floor.depth


def _permitted(taxonomy: Taxonomy, classes: Sequence[str], choice: Choice) -> np.ndarray:
    """(nodes,) bool: at or below one of `choice.taxa`, and at or below `choice.within`."""
    class_nodes = np.array([taxonomy.node(name) for name in classes])
    permitted = np.ones(len(taxonomy.nodes), dtype=bool)
    for names in (choice.taxa, (choice.within,) if choice.within else ()):
        if names:
            permitted &= np.any([_at_or_below(taxonomy, name, class_nodes) for name in names], axis=0)
    if not permitted[class_nodes].any():
        raise InputError(f"predict: none of {listing(choice.taxa)} lies within {choice.within}; choose other taxa")
    return permitted


def _at_or_below(taxonomy: Taxonomy, name: str, class_nodes: np.ndarray) -> np.ndarray:
    """(nodes,) bool; InputError if none of the classes is among them."""
    found = (taxonomy.paths == _node(taxonomy, name)).any(axis=1)
    if not found[class_nodes].any():
        raise InputError(f"predict: the model was not trained on {name!r} or any taxon below it; leave it out")
    return found


def known_names(taxonomy: Taxonomy, names: Sequence[str]) -> list[str]:
    """The names as the taxonomy spells them. InputError, with the nearest known names, if it lacks any of them."""
    found = {name: spelling for name in names if (spelling := _spelling(taxonomy, name)) is not None}
    unknown = [name for name in names if name not in found]
    if unknown:
        known = [*taxonomy.concepts, *(node.name for node in taxonomy.nodes)]
        hints = [f"{name!r} (nearest: {', '.join(nearest(name, known)) or 'none'})" for name in unknown]
        raise InputError(f"predict: the model cannot answer {listing(hints)}; correct the name, or leave it out")
    return [found[name] for name in names]


def _spelling(taxonomy: Taxonomy, name: str) -> str | None:
    return next((spelling for spelling in (name, *spellings(name)) if taxonomy.holds(spelling)), None)


def _node(taxonomy: Taxonomy, name: str) -> int:
    return taxonomy.node(known_names(taxonomy, [name])[0])
