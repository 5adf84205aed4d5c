"""Answers for the test ROIs: the competition's two columns, and a table that says all that is known."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fathomline.config import section
from fathomline.decide.decode import CandidateSet, Decoder
from fathomline.decide.rule import DecisionRule
from fathomline.errors import InputError, listing
from fathomline.taxonomy.ranks import RANKS, Rank
from fathomline.taxonomy.tree import Taxonomy


@section
class SubmitConfig:
    candidates: CandidateSet = "labels"
    """What may be answered: `labels`, the known concepts, as the competition asks; `tree`, any taxon above them too."""


_LEADING = ("concept_name", "accepted_name", "rank", "aphia_id", "confidence", "seen")


def predictions(
    annotation_ids: Sequence[int],
    seen: Sequence[int],
    probabilities: np.ndarray,
    classes: Sequence[str],
    taxonomy: Taxonomy,
    rule: DecisionRule,
) -> pd.DataFrame:
    """One answer for each of `annotation_ids`, in their order.

    Args:
        annotation_ids: every ROI to answer for.
        seen: the ROIs that `probabilities` are of, a subset of them in any order.
        probabilities: (seen, classes), calibrated.
    Returns: annotation_id, concept_name, accepted_name, rank, aphia_id, confidence (the answer's summed probability),
        seen, then each of the seven names and its probability. An ROI that was not seen gets the rule's fallback and
        no probabilities.
    Raises InputError when ROIs repeat, or probabilities are of ROIs that are not in `annotation_ids`.
    """
    for ids, what in ((annotation_ids, "the test annotations"), (seen, "the test crops")):
        if len(set(ids)) != len(ids):
            raise InputError(f"submit: {what} hold the same annotation_id twice; each must be there once")
    if not taxonomy.holds(rule.fallback):
        raise InputError(f"submit: the decision rule's fallback {rule.fallback!r} is not in the taxonomy; run evaluate")
    answered = set(seen)
    unasked = sorted(answered - set(annotation_ids))
    if unasked:
        raise InputError(f"submit: crops of {len(unasked)} annotation(s) that the test file lacks: {listing(unasked)}")
    decoder = Decoder(taxonomy, classes, rule.candidates, rule.thresholds)
    nodes = decoder.decode(rule.decoder, probabilities)
    table = _described(decoder, nodes)
    table["confidence"] = decoder.masses(probabilities)[np.arange(len(nodes)), nodes]
    table["seen"] = True
    at_ranks = decoder.mass_at_ranks(probabilities, nodes)
    for column, rank in enumerate(RANKS):
        table[f"{rank}_probability"] = at_ranks[:, column]
    table.insert(0, "annotation_id", np.asarray(seen, dtype=np.int64))
    unseen = [annotation for annotation in annotation_ids if annotation not in answered]
    rest = _described(decoder, np.full(len(unseen), taxonomy.node(rule.fallback), dtype=np.int64))
    rest.insert(0, "annotation_id", np.array(unseen, dtype=np.int64))
    rest["seen"] = False
    table = pd.concat([table, rest]) if unseen else table
    columns = ["annotation_id", *_LEADING, *(column for rank in RANKS for column in (rank, f"{rank}_probability"))]
    return table.set_index("annotation_id").loc[list(annotation_ids)].reset_index()[columns]


def _described(decoder: Decoder, nodes: np.ndarray) -> pd.DataFrame:
    """What is written of each answer, probabilities aside."""
    names = decoder.names(nodes)
    lineages = {lineage.concept: lineage for lineage in decoder.taxonomy.lineages}
    of_concept = [lineages.get(name) for name in names]
    return pd.DataFrame(
        {
            "concept_name": names,
            "accepted_name": [decoder.taxonomy.nodes[node].name for node in nodes],
            "rank": [
                lineage.rank if lineage else str(decoder.taxonomy.nodes[node].rank)
                for lineage, node in zip(of_concept, nodes, strict=True)
            ],
            "aphia_id": pd.array([lineage.aphia_id if lineage else None for lineage in of_concept], dtype="Int64"),
            **{rank: _ancestor_names(decoder.taxonomy, nodes, rank) for rank in RANKS},
        }
    )


def _ancestor_names(taxonomy: Taxonomy, nodes: np.ndarray, rank: Rank) -> list[str]:
    """The ancestor of each node, or itself, at `rank`; empty where there is none."""
    ancestors = taxonomy.ranked_ancestors[nodes, rank.depth]
    return [taxonomy.nodes[ancestor].name if ancestor >= 0 else "" for ancestor in ancestors]
