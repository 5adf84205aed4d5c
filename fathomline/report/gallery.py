"""The worst and the most confident mistakes, each with its picture and the fork of the two lineages."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from fathomline.progress import warning
from fathomline.report.embedded_frames import Box, webp_uri
from fathomline.report.raw_subset import RawSubset
from fathomline.report.tables import nodes_of
from fathomline.rois.annotations import IMAGE_FIELD
from fathomline.taxonomy.tree import Taxonomy

WORST = 120
"""Maximum number of mistakes in `worst_mistakes`."""

WORST_OF_A_PAIR = 3
"""Maximum number of those with the same truth and the same prediction."""

MOST_CONFIDENT = 60
"""Maximum number of mistakes in `confident_mistakes`."""

PICTURE_SIDE = 128
"""Pixels; a larger ROI is scaled down."""


@dataclass(frozen=True)
class Mistake:
    """One ROI and its wrong answer."""

    annotation_id: int
    shown_annotation_id: str
    """As in the user's file."""
    image_id: int
    shown_image_id: str
    """As in the user's file."""
    frame_name: str
    """The name of the frame's file, without a folder of this machine."""
    box: Box
    """The annotated box within the frame."""
    truth: str
    truth_rank: str
    prediction: str
    prediction_rank: str
    distance: int
    confidence: float
    """The summed probability of the answer and all taxa below it."""
    most_probable: tuple[tuple[str, float], ...]
    """The most probable concepts and their probabilities, highest first."""
    shared: tuple[str, ...]
    """The taxa that both lineages share, kingdom first."""
    truth_branch: tuple[str, ...]
    """The other taxa down to the truth; empty when the truth is an ancestor of the answer."""
    truth_nodes: tuple[int, ...]
    """Indices of `shared` and `truth_branch` into `taxonomy.nodes`, for the gallery's filter."""
    prediction_branch: tuple[str, ...]
    """The other taxa down to the answer; empty when the answer is an ancestor of the truth."""
    picture: str | None
    """A data URI; None if the ROI's file is missing or damaged."""


def worst_mistakes(rows: pd.DataFrame, taxonomy: Taxonomy, crops: Path, raw: RawSubset) -> list[Mistake]:
    """The mistakes of `worst_rows`.

    Args:
        rows: the table `validation`.
        crops: the folder that its paths are relative to.
        raw: the subset that its ROIs were cut from.
    """
    return _with_pictures(worst_rows(rows), taxonomy, crops, raw)


def worst_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of `validation` whose answers are farthest from the truth, at most `WORST_OF_A_PAIR` for each pair of
    truth and prediction. Among equal distances the most confident come first."""
    wrong = rows[rows["distance"] > 0].sort_values(
        ["distance", "confidence", "annotation_id"], ascending=[False, False, True]
    )
    return wrong.groupby(["truth", "prediction"]).head(WORST_OF_A_PAIR).head(WORST)


def confident_mistakes(rows: pd.DataFrame, taxonomy: Taxonomy, crops: Path, raw: RawSubset) -> list[Mistake]:
    """The most confident answers that are neither correct nor an ancestor of the truth, the most confident first.

    Labelling errors show up here. Args: as for `worst_mistakes`.
    """
    return _with_pictures(confident_rows(rows, taxonomy), taxonomy, crops, raw)


def confident_rows(rows: pd.DataFrame, taxonomy: Taxonomy) -> pd.DataFrame:
    """The rows of `validation` with the answers of `confident_mistakes`."""
    truth, prediction = nodes_of(rows, taxonomy)
    holds = (taxonomy.paths[truth] == prediction[:, None]).any(axis=1)
    wrong = rows[~holds].sort_values(["confidence", "annotation_id"], ascending=[False, True])
    return wrong.head(MOST_CONFIDENT)


def _with_pictures(rows: pd.DataFrame, taxonomy: Taxonomy, crops: Path, raw: RawSubset) -> list[Mistake]:
    concepts = sum(column.startswith("concept_") for column in rows.columns)
    mistakes = [_mistake(row, concepts, taxonomy, crops, raw) for row in rows.to_dict("records")]
    missing = [mistake.annotation_id for mistake in mistakes if mistake.picture is None]
    if missing:
        warning(
            f"{crops}: {len(missing)} ROI file(s) cannot be read, the first for annotation {missing[0]}; their cards "
            "in the report have no picture. `dvc repro -f crop` cuts the ROIs again"
        )
    return mistakes


def _mistake(row: Mapping[Hashable, Any], concepts: int, taxonomy: Taxonomy, crops: Path, raw: RawSubset) -> Mistake:
    """Args: row of `validation`, with `concepts` pairs of columns concept_1, probability_1 …"""
    truth_nodes, prediction_nodes = _path(row["truth"], taxonomy), _path(row["prediction"], taxonomy)
    truth, prediction = (
        tuple(taxonomy.nodes[node].name for node in nodes) for nodes in (truth_nodes, prediction_nodes)
    )
    fork = sum(here == there for here, there in zip(truth, prediction, strict=False))
    return Mistake(
        annotation_id=row["annotation_id"],
        shown_annotation_id=raw.annotation_id(row["annotation_id"]),
        image_id=row["image_id"],
        shown_image_id=raw.image_id(row["image_id"]),
        frame_name=raw.frame_name(row["image_id"], row.get(f"{IMAGE_FIELD}file_name")),
        box=_box(row),
        truth=row["truth"],
        truth_rank=taxonomy.rank_names[truth_nodes[-1]],
        prediction=row["prediction"],
        prediction_rank=taxonomy.rank_names[prediction_nodes[-1]],
        distance=row["distance"],
        confidence=row["confidence"],
        most_probable=tuple((row[f"concept_{n}"], row[f"probability_{n}"]) for n in range(1, concepts + 1)),
        shared=truth[:fork],
        truth_branch=truth[fork:],
        truth_nodes=truth_nodes,
        prediction_branch=prediction[fork:],
        picture=_picture(crops / row["path"]),
    )


def _box(row: Mapping[Hashable, Any]) -> Box:
    """The row's box as shares of its frame."""
    width, height = row["frame_w"], row["frame_h"]
    return row["x"] / width, row["y"] / height, row["w"] / width, row["h"] / height


def _path(name: str, taxonomy: Taxonomy) -> tuple[int, ...]:
    """Nodes from the kingdom down to `name`."""
    path = taxonomy.paths[taxonomy.node(name)]
    return tuple(path[path >= 0].tolist())


def _picture(path: Path) -> str | None:
    """The image at `path`, scaled down, as a data URI; None if it cannot be read."""
    try:
        with Image.open(path) as image:
            small = image.convert("RGB")
    except (OSError, SyntaxError):  # Pillow raises the latter for a PNG with a broken chunk
        return None
    small.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.LANCZOS)
    return webp_uri(small, quality=80)
