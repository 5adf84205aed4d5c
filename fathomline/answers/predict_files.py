"""From inputs to a file of answers: predict in chunks, resume a run that was killed, and write rows in order."""

import filecmp
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from tqdm import tqdm

from fathomline.answers.journal import Journal
from fathomline.answers.one_writer import one_writer
from fathomline.answers.table import SKIPPED, AnswerTables, Tracks, in_row_order, lowest_later_rows, tables_of
from fathomline.errors import InputError
from fathomline.files import write_report_csv, written_whole
from fathomline.inputs.requests import FrameRequest, RoiRequest
from fathomline.predictor.choice import Choice, Chooser
from fathomline.predictor.predictor import Predictor
from fathomline.predictor.stream import (
    Cutter,
    OpenPicture,
    PredictedChunk,
    in_chunks,
    predict_chunks,
    rois_per_chunk,
)
from fathomline.progress import progress, warning
from fathomline.version import __version__

Chunk = list[FrameRequest]

Writer = Callable[[Iterable[pd.DataFrame], Path], None]
"""Writes tables with the columns of `AnswerTables.answered` to a path. There is at least one; any may be empty."""


class Page(Protocol):
    """Shows the answers with their pictures."""

    folder: Path

    def begin(self, key: str) -> None:
        """Prepare for a run. Args: key, a digest of all that pictures and probabilities depend on; what an interrupted
        run with the same key has observed is kept."""

    def observe(self, request: RoiRequest, views: np.ndarray) -> None:
        """Receive an ROI with its views, (views, size, size, 3) uint8, from any thread. Not called for chunks that an
        interrupted run has finished."""

    def add(self, tables: AnswerTables) -> None:
        """Receive the rows of a chunk, in the order of chunks."""

    def finish(self) -> None:
        """Write the page."""


@dataclass(frozen=True)
class Job:
    """What to predict, and with what."""

    predictor: Predictor
    frames: Sequence[FrameRequest]
    open_picture: OpenPicture
    choice: Choice
    workers: int = 0
    """Threads that open and cut frames; 0 for one per core."""
    page: Page | None = None
    """A web page to write; None for no page."""


@dataclass(frozen=True)
class Counts:
    """How many rows of the input were answered and skipped."""

    answered: int
    skipped: int
    first_reason: str = ""
    """Why the first of those skipped was skipped; empty if there is none."""


def predict_files(job: Job, output: Path, write: Writer, overwrite: bool = False) -> Counts:
    """Answer every ROI of the input in `output`; list the others, with the reason, in `output`.skipped.csv.

    Until both files are complete, finished chunks are kept in the folder `output`.partial. A run that was killed
    continues there, and ends in the same files.

    Raises InputError if the input has no ROI, if `job.choice` leaves nothing to answer, if a file cannot be written
    because a folder or a device has its name, if another process is writing the same file or page, or if `output`
    exists with other content and `overwrite` is false. In the last case, the finished chunks are kept.
    """
    chooser = job.predictor.chooser(job.choice)
    chunks = list(in_chunks(job.frames, rois_per_chunk(job.predictor.preprocessing)))
    if not chunks:
        raise InputError("predict: the input has no pictures and no boxes; nothing was written")
    _refuse_special(output, _skipped_file(output))
    if output.exists() and not overwrite:
        warning(f"{output} exists; it will not be replaced by other answers without --overwrite")
    partial = output.with_name(f"{output.name}.partial")
    with one_writer(partial), nullcontext() if job.page is None else one_writer(job.page.folder):
        key = _key(job)
        journal = Journal(partial, key)
        if job.page is not None:
            job.page.begin(key)
        _predict(job, chunks, journal)
        tables = _shown(_tables(chunks, journal, chooser), job.page)
        counts = _write(tables, lowest_later_rows(chunks), output, write, overwrite)
        if job.page is not None:
            job.page.finish()
        journal.remove()
    return counts


def _refuse_special(*paths: Path) -> None:
    """Raise InputError now, not after the prediction, if one of `paths` is a folder or a device."""
    for path in paths:
        if path.exists() and not path.is_file():
            found = "a folder" if path.is_dir() else "a device or a pipe"
            raise InputError(f"{path} is {found}, expected a file or a new name; choose another name for the answers")


def _skipped_file(output: Path) -> Path:
    return output.with_name(f"{output.name}.skipped.csv")


def _predict(job: Job, chunks: list[Chunk], journal: Journal) -> None:
    """Predict the chunks that the journal lacks."""
    done = journal.finished()
    observe = None if job.page is None else job.page.observe
    cutter = Cutter(job.open_picture, job.predictor.preprocessing, job.predictor.engine, observe)
    sizes = [sum(len(frame.rois) for frame in chunk) for chunk in chunks]
    bar: tqdm[Any] = progress(label="predict", unit="ROI", total=sum(sizes), initial=sum(sizes[:done]))
    with bar:
        predicted = predict_chunks(chunks[done:], cutter, job.predictor.probabilities, job.workers)
        for number, chunk in enumerate(predicted, start=done):
            journal.write(number, chunk)
            bar.update(len(chunk.rois))


def _tables(chunks: list[Chunk], journal: Journal, chooser: Chooser) -> Iterator[AnswerTables]:
    def stored() -> Iterator[PredictedChunk]:
        return (journal.read(number, chunk) for number, chunk in enumerate(chunks))

    tracked = any(roi.track is not None for chunk in chunks for frame in chunk for roi in frame.rois)
    tracks = Tracks(stored(), chooser) if tracked else None
    for chunk, predicted in zip(chunks, stored(), strict=True):
        yield tables_of(predicted, [frame for frame in chunk for _ in frame.rois], chooser, tracks)


def _shown(tables: Iterator[AnswerTables], page: Page | None) -> Iterator[AnswerTables]:
    for table in tables:
        if page is not None:
            page.add(table)
        yield table


def _write(
    tables: Iterator[AnswerTables], lowest_later: np.ndarray, output: Path, write: Writer, overwrite: bool
) -> Counts:
    skipped: list[pd.DataFrame] = []
    answered = 0

    def answers() -> Iterator[pd.DataFrame]:
        nonlocal answered
        for table in tables:
            skipped.append(table.skipped)
            answered += len(table.answered)
            yield table.answered

    refused = _skipped_file(output)
    with written_whole(output) as temporary:
        write(in_row_order(answers(), lowest_later), temporary)
        if output.exists() and not overwrite and not filecmp.cmp(output, temporary, shallow=False):
            raise InputError(
                f"{output}: exists and has other content; add --overwrite to replace it (finished predictions are "
                "kept, so this takes only a moment), or choose another name"
            )
        rows = pd.concat(skipped, ignore_index=True).sort_values("row", kind="stable")
        if len(rows):
            write_report_csv(rows[[*SKIPPED]], refused)
        else:
            refused.unlink(missing_ok=True)
    return Counts(answered, len(rows), str(rows["reason"].iloc[0]) if len(rows) else "")


def _key(job: Job) -> str:
    """A digest of all that the predicted probabilities depend on."""
    parts = [__version__, job.predictor.engine.name, repr(job.predictor.bundle), str(job.page and job.page.folder)]
    hashed = hashlib.sha256("\n".join(parts).encode())
    for frame in job.frames:
        hashed.update(repr((frame, _state(frame.location))).encode())
    return hashed.hexdigest()


def _state(location: str) -> tuple[int, int] | None:
    """Size and time of modification of a file, which show whether it has changed; None if there is no such file."""
    try:
        found = os.stat(location)
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns
