"""The most telling mistakes, each with its picture and the point where the two lineages part."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from fathomline.progress import warning
from fathomline.taxonomy.tree import Taxonomy

WORST, OF_A_PAIR, MOST_CONFIDENT = 120, 3, 60
PICTURE_SIDE = 128
"""Pixels; a larger ROI is scaled down."""


@dataclass(frozen=True)
class Mistake:
    """One ROI and the wrong answer for it."""

    annotation_id: int
    truth: str
    prediction: str
    distance: int
    confidence: float
    """The model's probability that the truth is the answer or a taxon below it."""
    most_probable: tuple[tuple[str, float], ...]
    """The most probable concepts and their probabilities."""
    shared: tuple[str, ...]
    """The taxa above the fork, kingdom first."""
    truth_branch: tuple[str, ...]
    """From the fork down to the truth; empty when the answer lies below the truth."""
    truth_nodes: tuple[int, ...]
    """`shared` and `truth_branch` as indices into the taxonomy's nodes, for the gallery's filter."""
    prediction_branch: tuple[str, ...]
    """From the fork down to the answer; empty when the answer is an ancestor of the truth."""
    picture: str | None
    """A data URI; None if the ROI's file is missing or damaged."""


def worst_mistakes(rows: pd.DataFrame, taxonomy: Taxonomy, crops: Path) -> list[Mistake]:
    """The answers farthest from the truth, the most confident first among equals, at most three of each kind."""
    return _with_pictures(worst_rows(rows), taxonomy, crops)


def worst_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that `worst_mistakes` shows, in its order; `rows` as validation.csv has them."""
    wrong = rows[rows["distance"] > 0].sort_values(
        ["distance", "confidence", "annotation_id"], ascending=[False, False, True]
    )
    return wrong.groupby(["truth", "prediction"]).head(OF_A_PAIR).head(WORST)


def confident_mistakes(rows: pd.DataFrame, taxonomy: Taxonomy, crops: Path) -> list[Mistake]:
    """The most confident answers that are not even an ancestor of the truth; labelling errors show up here."""
    truth, prediction = (
        np.array([taxonomy.node(name) for name in rows[column]], dtype=np.int64) for column in ("truth", "prediction")
    )
    holds = (taxonomy.paths[truth] == prediction[:, None]).any(axis=1)
    wrong = rows[~holds].sort_values(["confidence", "annotation_id"], ascending=[False, True])
    return _with_pictures(wrong.head(MOST_CONFIDENT), taxonomy, crops)


def _with_pictures(rows: pd.DataFrame, taxonomy: Taxonomy, crops: Path) -> list[Mistake]:
    mistakes = [_mistake(row, taxonomy, crops) for row in rows.to_dict("records")]
    missing = [mistake.annotation_id for mistake in mistakes if mistake.picture is None]
    if missing:
        warning(
            f"{crops}: {len(missing)} ROI file(s) cannot be read, the first is annotation {missing[0]}'s; the "
            "report says so in its place. `dvc repro -f crop` cuts the ROIs again"
        )
    return mistakes


def _mistake(row: Mapping[str, object], taxonomy: Taxonomy, crops: Path) -> Mistake:
    truth_nodes, prediction_nodes = (_path(str(row[column]), taxonomy) for column in ("truth", "prediction"))
    truth, prediction = (
        tuple(taxonomy.nodes[node].name for node in nodes) for nodes in (truth_nodes, prediction_nodes)
    )
    fork = sum(here == there for here, there in zip(truth, prediction, strict=False))
    places = sorted(int(column.removeprefix("concept_")) for column in row if str(column).startswith("concept_"))
    return Mistake(
        annotation_id=int(row["annotation_id"]),
        truth=str(row["truth"]),
        prediction=str(row["prediction"]),
        distance=int(row["distance"]),
        confidence=float(row["confidence"]),
        most_probable=tuple((str(row[f"concept_{place}"]), float(row[f"probability_{place}"])) for place in places),
        shared=truth[:fork],
        truth_branch=truth[fork:],
        truth_nodes=truth_nodes,
        prediction_branch=prediction[fork:],
        picture=_picture(crops / str(row["path"])),
    )


def _path(name: str, taxonomy: Taxonomy) -> tuple[int, ...]:
    path = taxonomy.paths[taxonomy.node(name)]
    return tuple(path[path >= 0].tolist())


def _picture(path: Path) -> str | None:
    try:
        with Image.open(path) as image:
            small = image.convert("RGB")
    except (OSError, SyntaxError):  # Pillow raises the latter for a PNG with a broken chunk
        return None
    small.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "WEBP", quality=80, method=4)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"
