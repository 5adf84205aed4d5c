"""Finished chunks of an interrupted prediction, in a folder beside the file of answers."""

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from fathomline.errors import InputError, listing
from fathomline.files import read_json, write_json, written_whole
from fathomline.inputs.requests import FrameRequest
from fathomline.predictor.stream import PredictedChunk, RoiOutcome

OURS = re.compile(r"key\.json|chunk-[0-9]{7,}\.npz|\..+")
"""Files of a journal; those with a dot are temporary, or the system's."""


class Journal:
    """The chunks that have been predicted, in files that are either complete or absent."""

    def __init__(self, folder: Path, key: str) -> None:
        """Args:
            folder: it exists, and no other process writes in it.
            key: a digest of all that the chunks depend on; chunks with another key are removed.
        Raises InputError if they are to be removed, but `folder` has files of someone else, too.
        """
        self.folder = folder
        if self._key() != key:
            others = sorted(name for name in os.listdir(folder) if not OURS.fullmatch(name))
            if others:
                raise InputError(
                    f"{folder}: expected what an interrupted run has left, found {listing(others)}; move it away, or "
                    "choose another name for the answers"
                )
            self._remove_files()
            write_json({"key": key}, folder / "key.json")

    def _key(self) -> object:
        try:
            content = read_json(self.folder / "key.json")
        except InputError:
            return None
        return content.get("key") if isinstance(content, dict) else None

    def finished(self) -> int:
        """How many chunks are finished, from the first on without a gap."""
        number = 0
        while _is_whole(self._path(number)):
            number += 1
        return number

    def write(self, number: int, chunk: PredictedChunk) -> None:
        """Store a chunk."""
        outcomes = [[outcome.frame, outcome.box, outcome.reason] for outcome in chunk.rois]
        text = np.frombuffer(json.dumps(outcomes).encode(), dtype=np.uint8)
        with written_whole(self._path(number)) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, probabilities=chunk.probabilities, outcomes=text)

    def read(self, number: int, frames: list[FrameRequest]) -> PredictedChunk:
        """Read a chunk that `write` stored. Args: frames, its requests."""
        with np.load(self._path(number), allow_pickle=False) as stored:
            outcomes = json.loads(stored["outcomes"].tobytes())
            probabilities = stored["probabilities"]
        requests = [roi for frame in frames for roi in frame.rois]
        rois = [
            RoiOutcome(request, tuple(size), None if box is None else tuple(box), reason)
            for request, (size, box, reason) in zip(requests, outcomes, strict=True)
        ]
        return PredictedChunk(rois, probabilities)

    def remove(self) -> None:
        """Remove all chunks, and the folder if it has nothing else."""
        with suppress(OSError):
            self._remove_files()
            self.folder.rmdir()

    def _remove_files(self) -> None:
        for name in filter(OURS.fullmatch, os.listdir(self.folder)):
            (self.folder / name).unlink()

    def _path(self, number: int) -> Path:
        return self.folder / f"chunk-{number:07d}.npz"


def _is_whole(path: Path) -> bool:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return stored["probabilities"].ndim == 2 and stored["outcomes"].ndim == 1
    except (OSError, ValueError, KeyError, BadZipFile):
        return False
