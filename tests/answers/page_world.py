"""Answers for pages: ROIs of several frames, tracks, and skipped rows, of taxa with ordinary and with hostile names."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fathomline.answers.page import AnswerPage
from fathomline.answers.table import AnswerTables, Tracks, tables_of
from fathomline.decide.rule import DecisionRule
from fathomline.inputs.requests import FrameRequest, RoiRequest
from fathomline.predictor.choice import Choice, Chooser
from fathomline.predictor.stream import PredictedChunk, RoiOutcome
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy

ROIS = 100
CHUNK = 8
KEY = "one"


def chooser_of(taxonomy: Taxonomy) -> Chooser:
    rule = DecisionRule(
        "argmax", "labels", 1.0, dict.fromkeys(map(str, RANKS), 0.5), taxonomy.concepts[0], ["identity"]
    )
    return Chooser(taxonomy.concepts, taxonomy, rule, Choice(top=3))


def tables(taxonomy: Taxonomy, paths: Sequence[str], chunk: int = CHUNK) -> Iterator[AnswerTables]:
    """ROIS rows, three to a frame, in chunks of `chunk`. Each concept is the answer for some; every tenth row is
    skipped; rows 1 and 2 of each frame are a track."""
    chooser = chooser_of(taxonomy)
    frames = [FrameRequest(paths[row // 3 % len(paths)], "", ()) for row in range(ROIS)]
    logits = np.random.default_rng(1).normal(size=(ROIS, len(chooser.classes)))
    logits[np.arange(ROIS), np.arange(ROIS) % len(chooser.classes)] += 4
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    outcomes = [
        RoiOutcome(
            RoiRequest(row, annotation_id=1000 + row, track=f"{paths[0]}-{row // 3}" if row % 3 else None),
            (640, 480),
            (row + 0.25, 2.0, 30.0, 40.0) if row % 4 else None,
            "" if row % 10 else "<i>bad</i> box",
        )
        for row in range(ROIS)
    ]
    chunks = []
    for start in range(0, ROIS, chunk):
        rows = slice(start, start + chunk)
        seen = [not outcome.reason for outcome in outcomes[rows]]
        chunks.append((PredictedChunk(outcomes[rows], probabilities[rows][seen]), frames[rows]))
    tracks = Tracks([predicted for predicted, _ in chunks], chooser)
    for predicted, of_rois in chunks:
        yield tables_of(predicted, of_rois, chooser, tracks)


def views(row: int) -> np.ndarray:
    return np.full((1, 20, 20, 3), 2 * row, dtype=np.uint8)


def observe_all(page: AnswerPage, rows: Sequence[int] = range(ROIS)) -> None:
    for row in rows:
        if row % 10:
            page.observe(RoiRequest(row), views(row))


def write_page(folder: Path, taxonomy: Taxonomy, paths: Sequence[str], chunk: int = CHUNK, key: str = KEY) -> None:
    page = AnswerPage(folder, "a <b>model</b>")
    page.begin(key)
    observe_all(page, [row for row in range(ROIS) if row != 7])
    for table in tables(taxonomy, paths, chunk):
        page.add(table)
    page.finish()
