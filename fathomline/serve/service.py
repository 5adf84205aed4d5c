"""Cut the boxes of pictures in threads, and predict those of all clients in common batches."""

import asyncio
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeVar

import numpy as np
from PIL import Image

from fathomline.dataset.image_file import EXTENSIONS, MALFORMED, MAX_PIXELS, Frame, decode_image
from fathomline.errors import InputError, Unusable
from fathomline.inputs.requests import FrameRequest, RoiRequest
from fathomline.machine import cores
from fathomline.predictor.choice import Choice, Chooser
from fathomline.predictor.predictor import Predictor
from fathomline.predictor.stream import Cutter, PredictedChunk, RoiOutcome, in_chunks, rois_per_chunk
from fathomline.serve.batches import Batches
from fathomline.serve.form import Box, PictureForm
from fathomline.serve.limits import Limits
from fathomline.serve.refused import Refused

BATCH = 32
"""ROIs that the models see at once."""

CHUNK = 64
"""ROIs that a request holds in memory at once. A picture with more boxes is decoded again for each chunk."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Answered:
    """A request with its predictions."""

    frame: FrameRequest
    boxes: tuple[Box | None, ...]
    """As sent; None for the whole picture."""
    chunk: PredictedChunk
    choosers: tuple[Chooser, ...]
    """What chooses the answer of each ROI; the same object where the restriction is the same."""


class Service:
    """Answers forms. Belongs to the event loop that first calls `answered`."""

    def __init__(self, predictor: Predictor, limits: Limits) -> None:
        self.predictor = predictor
        self.limits = limits
        self._waiting = 0
        self._threads = ThreadPoolExecutor(cores(), thread_name_prefix="cut")
        self._batches = Batches(predictor.probabilities, BATCH)
        self._chooser = lru_cache(maxsize=64)(predictor.chooser)

    async def answered(self, form: PictureForm) -> Answered:
        """Predict the boxes of a form.

        Raises Refused if the picture cannot be used, if nothing can be answered, or if too many requests wait. Boxes
        that cannot be used have a reason in the result.
        """
        if self._waiting >= self.limits.waiting:
            raise Refused(429, "Too many requests are waiting; try again in a moment.", 2)
        self._waiting += 1
        try:
            choosers = await self.in_thread(lambda: self._choosers(form))
            boxes: tuple[Box | None, ...] = form.boxes or (None,)
            rois = tuple(RoiRequest(row, box and list(box)) for row, box in enumerate(boxes))
            # Without a location: the name comes from the client, and no writer may open a file of this machine by it.
            frame = FrameRequest(form.name, "", rois)
            return Answered(frame, boxes, await self._predicted(form.image, frame), choosers)
        finally:
            self._waiting -= 1

    async def in_thread(self, work: Callable[[], Result]) -> Result:
        """Run `work` in a thread of the service."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """End the threads."""
        self._batches.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _predicted(self, image: bytes, frame: FrameRequest) -> PredictedChunk:
        outcomes: list[RoiOutcome] = []
        rows: list[np.ndarray] = []
        size = max(1, min(CHUNK, rois_per_chunk(self.predictor.preprocessing) // 2))
        for part in [part for chunk in in_chunks([frame], size) for part in chunk]:
            cut = await self.in_thread(partial(self._cut, image, part))
            outcomes += [outcome for outcome, _ in cut]
            prepared = [pixels for _, pixels in cut if pixels is not None]
            rows += await self._batches.predicted(prepared)
        return PredictedChunk(outcomes, np.stack(rows) if rows else np.zeros((0, len(self.predictor.classes))))

    def _cut(self, image: bytes, frame: FrameRequest) -> list[tuple[RoiOutcome, np.ndarray | None]]:
        decoded = _decoded(image, self.limits)
        return Cutter(lambda _: decoded, self.predictor.preprocessing, self.predictor.engine).cut(frame)

    def _choosers(self, form: PictureForm) -> tuple[Chooser, ...]:
        """One for each box. Raises Refused if nothing could be answered."""
        try:
            return tuple(
                self._chooser(Choice(form.decoder, form.candidates, form.rank_floor, form.taxa, within, form.top))
                for within in form.within
            )
        except InputError as error:
            raise Refused(400, f"{str(error).removeprefix('predict: ')}.") from None


def _decoded(image: bytes, limits: Limits) -> Frame:
    """The decoded picture. Raises Refused if it is too large, or no picture."""
    if _pixels(image) > limits.pixels:
        raise Refused(413, f"The picture has more than {limits.pixels} pixels; send a smaller one.")
    try:
        return decode_image(image)
    except Unusable as error:
        raise Refused(415, f"The picture cannot be used: {error}; send a {_FORMATS} file.") from None


_FORMATS = ", ".join([*EXTENSIONS][:-1]) + f" or {[*EXTENSIONS][-1]}"


def _pixels(image: bytes) -> int:
    """Width times height as the file states them; 0 if it cannot be read, of which `decode_image` says why."""
    try:
        with Image.open(io.BytesIO(image), formats=list(EXTENSIONS)) as opened:
            return opened.width * opened.height
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return MAX_PIXELS + 1
    except MALFORMED:
        return 0
