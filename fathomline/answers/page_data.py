"""What the page of answers shows, as small scripts that it loads: a page opened from a file cannot read other files."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from fathomline.answers.table import TRACK_ANSWER
from fathomline.decide.submit import ANSWER
from fathomline.files import written_whole
from fathomline.report.labels import visible
from fathomline.taxonomy.ranks import RANKS

ANSWERS_PER_FILE = 5000
"""The page loads all of these files: it sorts and searches all answers."""

DETAILS_PER_FILE = 500
"""Probabilities and skipped rows; the page loads such a file only when one of its rows is opened."""

Path_ = tuple[tuple[str, str], ...]
"""Names and ranks from the kingdom down to a taxon."""


@dataclass(frozen=True)
class Answer:
    """An answer, without its probabilities."""

    concept: str
    accepted: str
    rank: str
    aphia_id: int | None
    lineage: tuple[str, ...]
    """The name at each of the seven ranks, empty where there is none."""

    @property
    def path(self) -> Path_:
        at_ranks = tuple((name, str(rank)) for name, rank in zip(self.lineage, RANKS, strict=True) if name)
        if at_ranks and at_ranks[-1][0] == self.accepted:
            return at_ranks
        return (*at_ranks, (self.accepted, self.rank))


@dataclass
class Tally:
    """The number of ROIs and the sum of their confidences."""

    rois: int = 0
    confidence: float = 0.0


@dataclass
class AnswerTally:
    """Every different answer, numbered as they appear, and how many ROIs have it."""

    tallies: dict[Answer, Tally] = field(default_factory=dict)
    _numbers: dict[Answer, int] = field(default_factory=dict)

    def add(self, table: pd.DataFrame) -> list[int]:
        """The number of each row's answer. Args: table with the columns of `AnswerTables.answered`."""
        names = [table[column].tolist() for column in (*ANSWER[:3], *map(str, RANKS))]
        aphia_ids = [None if pd.isna(value) else int(value) for value in table["aphia_id"].tolist()]
        numbers = []
        for values, aphia_id, confidence in zip(
            zip(*names, strict=True), aphia_ids, table["confidence"].tolist(), strict=True
        ):
            concept, accepted, rank, *lineage = values
            answer = Answer(concept, accepted, rank, aphia_id, tuple(lineage))
            tally = self.tallies.setdefault(answer, Tally())
            tally.rois += 1
            tally.confidence += confidence
            numbers.append(self._numbers.setdefault(answer, len(self._numbers)))
        return numbers

    def clades(self) -> tuple[list[list[Any]], list[list[Any]]]:
        """All taxa above and including the answers, and the answers by number.

        Returns:
            taxa: name, rank, index of the parent or -1, index of the last taxon below, ROIs at or below, their mean
                confidence. Parents come directly before their children, the most frequent child first.
            answers: concept, accepted name, rank, AphiaID or None, index of its taxon.
        """
        below: dict[Path_, Tally] = {}
        for answer, tally in self.tallies.items():
            path = answer.path
            for length in range(1, len(path) + 1):
                clade = below.setdefault(path[:length], Tally())
                clade.rois += tally.rois
                clade.confidence += tally.confidence
        ordered = sorted(below, key=lambda path: [(-below[path[:n]].rois, path[:n]) for n in range(1, len(path) + 1)])
        index = {path: place for place, path in enumerate(ordered)}
        last = list(range(len(ordered)))
        for place in reversed(range(len(ordered))):
            parent = index.get(ordered[place][:-1], -1)
            if parent >= 0:
                last[parent] = max(last[parent], last[place])
        taxa = []
        for place, path in enumerate(ordered):
            name, rank = map(visible, path[-1])
            clade = below[path]
            taxa.append(
                [name, rank, index.get(path[:-1], -1), last[place], clade.rois, rounded(clade.confidence / clade.rois)]
            )
        answers = []
        for answer in self._numbers:
            names = map(visible, (answer.concept, answer.accepted, answer.rank))
            answers.append([*names, answer.aphia_id, index[answer.path]])
        return taxa, answers


class RowFiles:
    """Rows in files of the same number of rows, whatever the numbers in which they arrive."""

    def __init__(self, folder: Path, kind: str, rows: int) -> None:
        """Args: kind, the first part of the files' names, and how they tell the page what they hold."""
        self.folder = folder
        self.kind = kind
        self.rows = rows
        self.files = 0
        self._waiting: list[list[Any]] = []

    def add(self, rows: Iterable[list[Any]]) -> None:
        for row in rows:
            self._waiting.append(row)
            if len(self._waiting) == self.rows:
                self.finish()

    def finish(self) -> None:
        """Write the rows that wait."""
        if not self._waiting:
            return
        columns = [list(column) for column in zip(*self._waiting, strict=True)]
        # Consecutive rows often repeat a text: a path, a reason.
        packed = [_without_repeats(column) if _is_text(column) else column for column in columns]
        with written_whole(self.folder / f"{self.kind}-{self.files}.js") as temporary:
            temporary.write_text(f'loaded("{self.kind}",{self.files},{script_json(packed)});\n', encoding="utf-8")
        self.files += 1
        self._waiting = []


def answer_rows(table: pd.DataFrame, answers: Sequence[int], pictures: Iterable[bool]) -> Iterable[list[Any]]:
    """row, answer, confidence, path, box, annotation id, track, the track's answer, rank and confidence, picture."""
    of_tracks = [_texts(table[column]) if column in table else [""] * len(table) for column in TRACK_ANSWER]
    confidences = _numbers(table[TRACK_ANSWER[4]]) if TRACK_ANSWER[4] in table else [None] * len(table)
    columns = (
        table["row"].tolist(),
        answers,
        _numbers(table["confidence"]),
        _texts(table["path"]),
        _boxes(table),
        _texts(table["annotation_id"]),
        _texts(table["track"]),
        of_tracks[0],
        of_tracks[2],
        confidences,
        map(int, pictures),
    )
    return map(list, zip(*columns, strict=True))


def detail_rows(table: pd.DataFrame) -> Iterable[list[Any]]:
    """The probabilities at the seven ranks, then concepts and probabilities of the most probable ones."""
    top = sum(column.startswith("concept_") and column[8:].isdigit() for column in table.columns)
    probabilities: list[list[Any]] = [_numbers(table[f"{rank}_probability"]) for rank in RANKS]
    for place in range(1, top + 1):
        probabilities += [_texts(table[f"concept_{place}"]), _numbers(table[f"probability_{place}"])]
    return map(list, zip(*probabilities, strict=True))


def skipped_rows(table: pd.DataFrame) -> Iterable[list[Any]]:
    """path, box, annotation id, reason."""
    columns = (_texts(table["path"]), _boxes(table), _texts(table["annotation_id"]), _texts(table["reason"]))
    return map(list, zip(*columns, strict=True))


def script_json(value: object) -> str:
    """JSON that cannot close its script element, whatever names it contains."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def rounded(value: float) -> float | None:
    """Enough digits to sort and show a probability; None if it is not finite."""
    return round(value, 4) if math.isfinite(value) else None


def _numbers(column: pd.Series) -> list[float | None]:
    return [rounded(value) for value in column.tolist()]


def _texts(column: pd.Series) -> list[str]:
    return ["" if pd.isna(value) else visible(str(value)) for value in column.tolist()]


def _boxes(table: pd.DataFrame) -> list[str]:
    """x, y, width and height in pixels, with a space between; empty for the whole picture."""
    boxes = zip(*(table[name].tolist() for name in "xywh"), strict=True)
    return ["" if math.isnan(box[0]) else " ".join(f"{round(side, 1):g}" for side in box) for box in boxes]


def _is_text(column: list[Any]) -> bool:
    return isinstance(column[0], str)


def _without_repeats(column: list[str]) -> list[Any]:
    """The different texts, and for each row the index of its own."""
    index: dict[str, int] = {}
    places = [index.setdefault(text, len(index)) for text in column]
    return [list(index), places]
