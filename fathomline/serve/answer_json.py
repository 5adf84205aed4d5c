"""Answers as the server's JSON, and as the tables that files are written from."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

from fathomline.answers.table import AnswerTables, tables_of
from fathomline.predictor.choice import Chooser
from fathomline.predictor.stream import PredictedChunk
from fathomline.serve.service import Answered
from fathomline.taxonomy.tree import Taxonomy


class Step(BaseModel):
    """A taxon of a lineage."""

    rank: str
    name: str
    probability: float = Field(description="Probability of the taxon and all taxa below it.")


class Concept(BaseModel):
    """One of the names that the model was trained on."""

    concept: str
    probability: float


class Answer(BaseModel):
    """What is in a box."""

    concept: str = Field(description="A name that the model was trained on, or a taxon above such names.")
    accepted_name: str
    rank: str
    aphia_id: int | None = Field(description="AphiaID of the accepted name in WoRMS, if known.")
    confidence: float = Field(description="Probability of the answer and all taxa below it.")
    lineage: list[Step] = Field(description="From kingdom down to the answer.")
    below: list[Step] = Field(description="From the answer down, always the most probable child.")
    most_probable: list[Concept] = Field(description="As many as `top` asks for, highest first.")


class BoxAnswer(BaseModel):
    """A box with its answer, or with the reason why there is none."""

    box: tuple[float, float, float, float] | None = Field(description="As sent; null for the whole picture.")
    answer: Answer | None
    reason: str = Field(description="Why the box has no answer; empty if it has one.")


class PictureAnswers(BaseModel):
    """The answers for a picture."""

    picture: str
    width: int = Field(description="Pixels of the upright picture, to which boxes refer.")
    height: int
    model: str
    answers: list[BoxAnswer] = Field(description="In the order of the boxes.")


def answers_of(answered: Answered, model: str) -> PictureAnswers:
    """The answers as JSON. Args: model, its name."""
    answers: list[BoxAnswer | None] = [None] * len(answered.chunk.rois)
    for chunk, chooser in _by_chooser(answered):
        table = _table(answered, chunk, chooser)
        masses = chooser.decoder.masses(chooser.restricted(chunk.probabilities))
        for record, of_nodes in zip(table.answered.to_dict("records"), masses, strict=False):
            row = int(record["row"])
            answers[row] = BoxAnswer(box=answered.boxes[row], answer=_answer(record, of_nodes, chooser), reason="")
        for record in table.skipped.to_dict("records"):
            row = int(record["row"])
            answers[row] = BoxAnswer(box=answered.boxes[row], answer=None, reason=record["reason"])
    width, height = answered.chunk.rois[0].frame
    complete = [answer for answer in answers if answer is not None]
    return PictureAnswers(picture=answered.frame.path, width=width, height=height, model=model, answers=complete)


def tables(answered: Answered) -> AnswerTables:
    """The answers as tables, in the order of the boxes."""
    parts = [_table(answered, chunk, chooser) for chunk, chooser in _by_chooser(answered)]
    together = [pd.concat([getattr(part, name) for part in parts]) for name in ("answered", "skipped")]
    return AnswerTables(*(table.sort_values("row", kind="stable", ignore_index=True) for table in together))


def _by_chooser(answered: Answered) -> Iterator[tuple[PredictedChunk, Chooser]]:
    """The ROIs of each restriction."""
    chunk, choosers = answered.chunk, answered.choosers
    seen = np.array([not outcome.reason for outcome in chunk.rois])
    places = np.cumsum(seen) - 1
    for chooser in dict.fromkeys(choosers):
        rows = [row for row, of_row in enumerate(choosers) if of_row is chooser]
        probabilities = chunk.probabilities[[places[row] for row in rows if seen[row]]]
        yield PredictedChunk([chunk.rois[row] for row in rows], probabilities), chooser


def _table(answered: Answered, chunk: PredictedChunk, chooser: Chooser) -> AnswerTables:
    return tables_of(chunk, [answered.frame] * len(chunk.rois), chooser, None)


def _answer(record: dict[Any, Any], masses: np.ndarray, chooser: Chooser) -> Answer:
    """Args: record, a row of the table; masses, (nodes,)."""
    taxonomy = chooser.taxonomy
    node = taxonomy.node(record["concept_name"])
    path = [int(ancestor) for ancestor in taxonomy.paths[node] if ancestor >= 0]
    places = range(1, chooser.listed + 1)
    return Answer(
        concept=record["concept_name"],
        accepted_name=record["accepted_name"],
        rank=record["rank"],
        aphia_id=None if pd.isna(record["aphia_id"]) else int(record["aphia_id"]),
        confidence=record["confidence"],
        lineage=_steps(path, masses, taxonomy),
        below=_steps(_most_probable_below(node, masses, taxonomy), masses, taxonomy),
        most_probable=[
            Concept(concept=record[f"concept_{place}"], probability=record[f"probability_{place}"]) for place in places
        ],
    )


def _most_probable_below(node: int, masses: np.ndarray, taxonomy: Taxonomy) -> list[int]:
    """The most probable child, its most probable child, and so on; none that is impossible."""
    found: list[int] = []
    while True:
        children = np.flatnonzero(taxonomy.parents == node)
        if not len(children) or masses[children].max() <= 0:
            return found
        node = int(children[np.argmax(masses[children])])
        found.append(node)


def _steps(nodes: list[int], masses: np.ndarray, taxonomy: Taxonomy) -> list[Step]:
    return [
        Step(rank=taxonomy.rank_names[node], name=taxonomy.nodes[node].name, probability=min(1.0, float(masses[node])))
        for node in nodes
    ]
