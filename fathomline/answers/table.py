"""Answers as tables: one row per ROI, in the order of the input."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fathomline.decide.submit import ANSWER
from fathomline.inputs.requests import FrameRequest
from fathomline.predictor.choice import Chooser
from fathomline.predictor.stream import PredictedChunk, RoiOutcome

ROI = ("path", "image_id", "annotation_id", "x", "y", "w", "h", "frame_w", "frame_h", "track")
"""Columns that describe an ROI. `image_id`, `annotation_id` and `track` are None if the input has none. The box is in
pixels of the picture as it was given, NaN for the whole picture and for a box that is not four numbers. `frame_w` and
`frame_h` are the size of the picture in the pixel grid of the boxes, 0 if it could not be opened."""

TRACK_ANSWER = tuple(f"track_{column}" for column in ANSWER)
"""The answer for the track of an ROI; these columns exist only if an ROI has a track."""

SKIPPED = (*ROI, "reason")


@dataclass(frozen=True)
class AnswerTables:
    """The rows of one chunk of ROIs."""

    answered: pd.DataFrame
    """`row` (its place in the input), `location` (where the picture was read), ROI, ANSWER, AT_RANKS, then `concept_1`,
    `probability_1` … if the most probable concepts are listed, then TRACK_ANSWER if an ROI of the input has a track."""

    skipped: pd.DataFrame
    """`row`, `location`, then SKIPPED."""


def roi_table(rois: Sequence[RoiOutcome], frames: Sequence[FrameRequest]) -> pd.DataFrame:
    """`row`, `location`, then ROI. Args: frames, the frame of each ROI."""
    boxes = np.array([outcome.box or (np.nan,) * 4 for outcome in rois], dtype=np.float64).reshape(-1, 4)
    sizes = np.array([outcome.frame for outcome in rois], dtype=np.int64).reshape(-1, 2)
    columns: dict[str, Any] = {
        "row": np.array([outcome.request.row for outcome in rois], dtype=np.int64),
        "location": _objects(frame.location for frame in frames),
        "path": _objects(frame.path for frame in frames),
        "image_id": _objects(frame.image_id for frame in frames),
        "annotation_id": _objects(outcome.request.annotation_id for outcome in rois),
        **{name: boxes[:, column] for column, name in enumerate("xywh")},
        "frame_w": sizes[:, 0],
        "frame_h": sizes[:, 1],
        "track": _objects(outcome.request.track for outcome in rois),
    }
    return pd.DataFrame(columns)


def tables_of(
    chunk: PredictedChunk, frames: Sequence[FrameRequest], chooser: Chooser, tracks: "Tracks | None"
) -> AnswerTables:
    """The rows of a chunk.

    Args:
        frames: the frame of each ROI.
        tracks: the answers of the tracks; None if no ROI of the input has a track.
    """
    table = roi_table(chunk.rois, frames)
    reasons = np.array([outcome.reason for outcome in chunk.rois], dtype=object)
    seen = reasons == ""
    answered = table[seen].reset_index(drop=True)
    probabilities = chunk.probabilities if len(answered) else np.zeros((0, len(chooser.classes)))
    answered = pd.concat([answered, chooser.answers(probabilities)], axis=1)
    if tracks is not None:
        answered = pd.concat([answered, tracks.answers_for(answered["track"])], axis=1)
    skipped = table[~seen].assign(reason=reasons[~seen]).reset_index(drop=True)
    return AnswerTables(answered, skipped)


class Tracks:
    """One answer per track, from the mean of the log-probabilities of its ROIs."""

    def __init__(self, chunks: Iterable[PredictedChunk], chooser: Chooser) -> None:
        sums: dict[str, np.ndarray] = {}
        counts: dict[str, int] = {}
        for track, probabilities in _tracked(chunks):
            sums[track] = sums.get(track, 0.0) + np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
            counts[track] = counts.get(track, 0) + 1
        means = np.array([sums[track] / counts[track] for track in sums]).reshape(-1, len(chooser.classes))
        shifted = np.exp(means - means.max(axis=1, keepdims=True, initial=-np.inf))
        table = chooser.answers(shifted / shifted.sum(axis=1, keepdims=True))[[*ANSWER]]
        self._answers = table.set_axis([*TRACK_ANSWER], axis=1).set_axis(list(sums), axis=0)

    def answers_for(self, tracks: pd.Series) -> pd.DataFrame:
        """TRACK_ANSWER for each of `tracks`, one of which is None where an ROI has no track."""
        return self._answers.reindex(tracks.to_numpy()).reset_index(drop=True)


def _tracked(chunks: Iterable[PredictedChunk]) -> Iterator[tuple[str, np.ndarray]]:
    for chunk in chunks:
        rows = iter(chunk.probabilities)
        for outcome in chunk.rois:
            if not outcome.reason:
                probabilities = next(rows)
                if outcome.request.track is not None:
                    yield outcome.request.track, probabilities


def lowest_later_rows(chunks: Sequence[Sequence[FrameRequest]]) -> np.ndarray:
    """(chunks,) float64, the lowest row in any later chunk; infinity after the last. Args: all chunks of the input."""
    lowest = [min((roi.row for frame in chunk for roi in frame.rois), default=np.inf) for chunk in chunks]
    return np.minimum.accumulate([np.inf, *lowest[:0:-1]])[::-1] if lowest else np.zeros(0)


def in_row_order(tables: Iterable[pd.DataFrame], lowest_later: np.ndarray) -> Iterator[pd.DataFrame]:
    """Yield the rows of `tables`, one for each chunk, in ascending `row`.

    Rows wait in memory only where the input returns to a frame after others.

    Args: lowest_later, as `lowest_later_rows` returns it.
    """
    waiting: pd.DataFrame | None = None
    for table, limit in zip(tables, lowest_later, strict=True):
        rows = table if waiting is None else pd.concat([waiting, table], ignore_index=True)
        rows = rows.sort_values("row", kind="stable", ignore_index=True)
        ready = rows["row"] < limit
        yield rows[ready]
        waiting = None if ready.all() else rows[~ready]


def _objects(values: Iterable[object]) -> np.ndarray:
    listed = list(values)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return array
