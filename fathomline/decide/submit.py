"""Answers for the test ROIs, with their probabilities and their names at all ranks."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fathomline.config import section
from fathomline.decide.decode import CandidateSet, Decoder, DecoderName
from fathomline.decide.rule import DecisionRule
from fathomline.errors import InputError, listing
from fathomline.taxonomy.ranks import RANKS, Rank
from fathomline.taxonomy.tree import Taxonomy


@section
class SubmitConfig:
    candidates: CandidateSet = "labels"
    """What may be answered: `labels`, the known concepts, or `tree`, any taxon above them too. The competition accepts
    only `labels`."""


ANSWER = ("concept_name", "accepted_name", "rank", "aphia_id", "confidence")
AT_RANKS = tuple(column for rank in RANKS for column in (str(rank), f"{rank}_probability"))
"""Columns that describe an answer."""


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
        annotation_ids: every ROI that needs an answer.
        seen: the ROIs that could be cropped, a subset of `annotation_ids` in the order of `probabilities`.
        probabilities: (seen, classes), calibrated.
    Returns: annotation_id, concept_name, accepted_name, rank, aphia_id, confidence (the answer's summed probability),
        seen, then for each of the seven ranks the name and its probability. An ROI that was not seen gets the rule's
        fallback and no probabilities.
    Raises InputError when an ROI appears twice, `seen` is not a subset of `annotation_ids`, or the fallback is not in
        the taxonomy.
    """
    _check_ids(annotation_ids, seen)
    if not taxonomy.holds(rule.fallback):
        raise InputError(
            f"submit: the decision rule's fallback {rule.fallback!r} is not in the taxonomy; "
            "run `dvc repro --force evaluate` to write the rule again"
        )
    decoder = Decoder(taxonomy, classes, rule.candidates, rule.thresholds)
    table = answers(decoder, rule.decoder, probabilities)
    table = table.assign(annotation_id=np.asarray(seen, dtype=np.int64), seen=True)
    answered = set(seen)
    unseen = [annotation for annotation in annotation_ids if annotation not in answered]
    if unseen:
        fallbacks = np.full(len(unseen), taxonomy.node(rule.fallback), dtype=np.int64)
        rest = described(decoder, fallbacks).assign(annotation_id=np.array(unseen, dtype=np.int64), seen=False)
        table = pd.concat([table, rest])
    columns = ["annotation_id", *ANSWER, "seen", *AT_RANKS]
    return table.set_index("annotation_id").loc[list(annotation_ids)].reset_index()[columns]


def answers(decoder: Decoder, name: DecoderName, probabilities: np.ndarray) -> pd.DataFrame:
    """The answer of the decoder `name` for each row of `probabilities`, (rois, classes), calibrated.

    Returns: the columns ANSWER, then AT_RANKS: for each of the seven ranks the name and its probability, empty and NaN
        where the answer has no ancestor of that rank.
    """
    nodes = decoder.decode(name, probabilities)
    # A sum of probabilities may exceed 1 by a rounding error, which schemas of other programs refuse.
    at_ranks = np.minimum(decoder.mass_at_ranks(probabilities, nodes), 1.0)
    table = described(decoder, nodes).assign(
        confidence=np.minimum(decoder.masses(probabilities)[np.arange(len(nodes)), nodes], 1.0),
        **{f"{rank}_probability": at_ranks[:, rank.depth] for rank in RANKS},
    )
    return table[[*ANSWER, *AT_RANKS]]


def _check_ids(annotation_ids: Sequence[int], seen: Sequence[int]) -> None:
    for ids, source in ((annotation_ids, "test annotations"), (seen, "test crops")):
        repeated = pd.Series(ids, dtype="int64")
        repeated = repeated[repeated.duplicated()].unique()
        if len(repeated):
            raise InputError(
                f"submit: {len(repeated)} annotation_id(s) appear more than once in the {source}, expected each once: "
                f"{listing(repeated)}"
            )
    unknown = sorted(set(seen) - set(annotation_ids))
    if unknown:
        raise InputError(
            f"submit: {len(unknown)} test crop(s) match no test annotation: {listing(unknown)}; "
            "run `dvc repro` to crop and predict again"
        )


def described(decoder: Decoder, nodes: np.ndarray) -> pd.DataFrame:
    """The names, rank and AphiaID of each of `nodes`: every column but those of the ROI and its probabilities."""
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
            "aphia_id": pd.array([decoder.taxonomy.aphia_ids[node] for node in nodes], dtype="Int64"),
            **{str(rank): _ancestor_names(decoder.taxonomy, nodes, rank) for rank in RANKS},
        }
    )


def _ancestor_names(taxonomy: Taxonomy, nodes: np.ndarray, rank: Rank) -> list[str]:
    """The name of each node's ancestor, or of the node itself, at `rank`; empty if there is none."""
    ancestors = taxonomy.ranked_ancestors[nodes, rank.depth]
    return [taxonomy.nodes[ancestor].name if ancestor >= 0 else "" for ancestor in ancestors]
