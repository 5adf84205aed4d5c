"""Answers for the test ROIs, with their probabilities and their names at all ranks, as tables to hand on."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fathomline.config import section
from fathomline.dataset.coco import WHOLE_FRAME, Coco, described_size
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
ROI = ("annotation_id", "image_id", "file_name", "x", "y", "w", "h")
"""Columns that describe an ROI as the user's own file does: with the user's ids, and the box in pixels of the frame."""


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
    return pd.DataFrame(
        {
            "concept_name": names,
            "accepted_name": [decoder.taxonomy.nodes[node].name for node in nodes],
            "rank": [decoder.taxonomy.rank_names[node] for node in nodes],
            "aphia_id": pd.array([decoder.taxonomy.aphia_ids[node] for node in nodes], dtype="Int64"),
            **{str(rank): _ancestor_names(decoder.taxonomy, nodes, rank) for rank in RANKS},
        }
    )


def _ancestor_names(taxonomy: Taxonomy, nodes: np.ndarray, rank: Rank) -> list[str]:
    """The name of each node's ancestor, or of the node itself, at `rank`; empty if there is none."""
    ancestors = taxonomy.ranked_ancestors[nodes, rank.depth]
    return [taxonomy.nodes[ancestor].name if ancestor >= 0 else "" for ancestor in ancestors]


def asked_rois(coco: Coco, crops: pd.DataFrame, quarantine: pd.DataFrame) -> pd.DataFrame:
    """The ROIs to answer, one row for each annotation of `coco`, in its order.

    Args: crops, quarantine: annotations.csv and quarantine.csv, as `rois.annotations` reads them.
    Returns: the columns ROI, then `reason`: why the ROI could not be cut, empty if it was. A box has the numbers of
        dataset.json, not clipped; None where it has none.
    Raises InputError for an annotation that is neither in `crops` nor in `quarantine`.
    """
    images = {image["id"]: image for image in coco.images}
    reasons = dict.fromkeys(crops["annotation_id"].tolist(), "")
    reasons |= dict(zip(quarantine["annotation_id"].tolist(), quarantine["reason"].tolist(), strict=True))
    sizes = dict(zip(crops["image_id"].tolist(), zip(crops["frame_w"], crops["frame_h"], strict=True), strict=True))
    rows, unknown = [], []
    for annotation in coco.annotations:
        image = images[annotation["image_id"]]
        own_ids = [one.get("source_id", one["id"]) for one in (annotation, image)]
        name = image.get("file_name")
        size = sizes.get(image["id"]) or described_size(image) or (None, None)
        box = _box_in_pixels(annotation["bbox"], size)
        rows.append((*own_ids, name if isinstance(name, str) else "", *box, reasons.get(annotation["id"], "")))
        if annotation["id"] not in reasons:
            unknown.append(own_ids[0])
    if unknown:
        raise InputError(
            f"submit: {len(unknown)} test annotation(s) are neither in annotations.csv nor in quarantine.csv of the "
            f"test crops: {listing(unknown)}; run `dvc repro` to crop again"
        )
    return pd.DataFrame(rows, columns=[*ROI, "reason"], dtype=object)


def _box_in_pixels(bbox: object, frame: tuple[int | None, int | None]) -> list[int | float | None]:
    """x, y, width and height as they are given, or of the whole frame; None for each that is not a number."""
    given = (0, 0, *frame) if bbox == WHOLE_FRAME else bbox
    numbers = given if isinstance(given, list | tuple) and len(given) == 4 else [None] * 4
    return [one if isinstance(one, int | float) and not isinstance(one, bool) else None for one in numbers]


def submission(answered: pd.DataFrame, rois: pd.DataFrame) -> pd.DataFrame:
    """The user's annotation ids, and an answer for each.

    Args: answered, as `predictions` returns it; rois, as `asked_rois` does, in the same order.
    Returns: annotation_id, concept_name.
    """
    return pd.DataFrame({"annotation_id": rois["annotation_id"], "concept_name": answered["concept_name"]})


def described_rois(answered: pd.DataFrame, rois: pd.DataFrame) -> pd.DataFrame:
    """What predictions.csv holds: each ROI with its answer, or without one, but a reason, if it was not seen.

    Args: as for `submission`.
    Returns: the columns ROI, ANSWER, `reason` and AT_RANKS.
    Raises InputError for an ROI that was cut but not predicted, or the reverse.
    """
    seen = answered["seen"].to_numpy(dtype=bool)
    differing = rois.loc[(rois["reason"] == "").to_numpy(dtype=bool) != seen, "annotation_id"]
    if len(differing):
        raise InputError(
            f"submit: the logits and the crops of the test subset differ in {len(differing)} annotation(s): "
            f"{listing(differing)}; run `dvc repro` to predict again"
        )
    known = answered.loc[seen, [*ANSWER, *AT_RANKS]].reindex(answered.index)
    return pd.concat([rois, known], axis=1)[[*ROI, *ANSWER, "reason", *AT_RANKS]]
