"""Predict frames in chunks of ROIs: some threads open and cut frames while another runs the models."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from fathomline.crop.cut import OpenFrame, cut_views
from fathomline.crop.views import Rectangle, clip, parse_box
from fathomline.dataset.image_file import Frame
from fathomline.errors import Unusable, shown
from fathomline.inputs.requests import FrameRequest, RoiRequest
from fathomline.machine import cores
from fathomline.predictor.engine import Engine
from fathomline.rois.preprocessing import Preprocessing

BYTES_PER_CHUNK = 32 * 2**20
"""Pixels of the ROIs that are predicted together, in bytes."""

LARGEST_CHUNK = 256
"""In ROIs. What an interruption loses at most, and enough to keep a GPU busy."""

CHUNKS_AHEAD = 2
"""Chunks that are opened and cut before their turn, so that the models never wait."""

DECIMALS = 6
"""Of a pixel, to which boxes that are given as fractions are rounded: 0.1 + 0.2 would end in 00000004."""

OpenPicture = Callable[[FrameRequest], Frame]
"""Reads and decodes a picture; raises Unusable if it cannot."""

Observer = Callable[[RoiRequest, np.ndarray], None]
"""Receives each ROI that could be cut with its views, (views, size, size, 3) uint8, in any order and thread."""


@dataclass(frozen=True, slots=True)
class RoiOutcome:
    """What became of an ROI before prediction."""

    request: RoiRequest
    frame: tuple[int, int]
    """Width and height of the picture in the pixel grid of the boxes; (0, 0) if it could not be opened."""
    box: tuple[float, float, float, float] | None
    """x, y, width and height in pixels, as given or converted from fractions; None for the whole picture, and for a
    box that is not four numbers."""
    reason: str
    """Why the ROI could not be cut; empty if it was."""


@dataclass(frozen=True)
class PredictedChunk:
    """The ROIs of consecutive frames."""

    rois: Sequence[RoiOutcome]
    """In the order of the frames and of the ROIs in each."""
    probabilities: np.ndarray
    """(ROIs without a `reason`, classes) float64, calibrated, in the same order."""


@dataclass(frozen=True)
class Cutter:
    """Cuts the ROIs of a frame and prepares them for an engine."""

    open_picture: OpenPicture
    preprocessing: Preprocessing
    engine: Engine
    observe: Observer | None = None

    def cut(self, frame: FrameRequest) -> list[tuple[RoiOutcome, np.ndarray | None]]:
        """Each ROI of the frame with its prepared pixels, or None if it could not be cut."""
        try:
            opened = OpenFrame.decoded(self.open_picture(frame), frame.size, self.preprocessing)
        except Unusable as error:
            return [(RoiOutcome(roi, (0, 0), None, roi.reason or str(error)), None) for roi in frame.rois]
        return [self._cut_roi(roi, frame, opened) for roi in frame.rois]

    def _cut_roi(self, roi: RoiRequest, frame: FrameRequest, opened: OpenFrame) -> tuple[RoiOutcome, np.ndarray | None]:
        size, box = opened.image.size, None
        try:
            if roi.reason:
                raise Unusable(roi.reason)
            rectangle: Rectangle = (0.0, 0.0, float(size[0]), float(size[1]))
            if roi.box is not None:
                left, top, right, bottom = _in_pixels(parse_box(roi.box), size, frame.fractions)
                width, height = right - left, bottom - top
                if not all(map(math.isfinite, (left, top, width * height))):  # JSON cannot hold box or area
                    raise Unusable(f"box is {shown(roi.box)}, which is too large")
                box = (left, top, width, height)
                rectangle = clip((left, top, right, bottom), size)
            views = cut_views(opened, rectangle, self.preprocessing)
        except Unusable as error:
            return RoiOutcome(roi, size, box, str(error)), None
        if self.observe is not None:
            self.observe(roi, views)
        return RoiOutcome(roi, size, box, ""), self.engine.prepared(views)


def rois_per_chunk(preprocessing: Preprocessing) -> int:
    """ROIs that are predicted together; it depends on nothing else, so that a resumed run makes the same chunks."""
    per_roi = len(preprocessing.views) * preprocessing.size**2 * 3
    return max(1, min(LARGEST_CHUNK, BYTES_PER_CHUNK // per_roi))


def in_chunks(frames: Iterable[FrameRequest], rois: int) -> Iterator[list[FrameRequest]]:
    """Group consecutive frames into chunks of `rois` ROIs or a few more. A frame with more is opened several times."""
    chunk: list[FrameRequest] = []
    count = 0
    for frame in frames:
        for start in range(0, len(frame.rois), rois):
            part = frame if len(frame.rois) <= rois else replace(frame, rois=frame.rois[start : start + rois])
            chunk.append(part)
            count += len(part.rois)
            if count >= rois:
                yield chunk
                chunk, count = [], 0
    if chunk:
        yield chunk


def predict_chunks(
    chunks: Iterable[list[FrameRequest]],
    cutter: Cutter,
    probabilities: Callable[[np.ndarray], np.ndarray],
    workers: int = 0,
) -> Iterator[PredictedChunk]:
    """Predict each chunk, in order.

    Args:
        probabilities: (rois, …) prepared pixels -> (rois, classes) float64; it is never called without an ROI.
        workers: threads that open and cut frames; 0 for one per core.
    """
    pool = ThreadPoolExecutor(workers or cores(), thread_name_prefix="cut")
    waiting: deque[list[Future[list[tuple[RoiOutcome, np.ndarray | None]]]]] = deque()
    iterator = iter(chunks)
    try:
        while True:
            for chunk in islice(iterator, CHUNKS_AHEAD + 1 - len(waiting)):
                waiting.append([pool.submit(cutter.cut, frame) for frame in chunk])
            if not waiting:
                return
            cut = [roi for frame in waiting.popleft() for roi in frame.result()]
            pixels = [prepared for _, prepared in cut if prepared is not None]
            predicted = probabilities(np.stack(pixels)) if pixels else np.zeros((0, 0))
            yield PredictedChunk([outcome for outcome, _ in cut], predicted)
    finally:
        pool.shutdown(cancel_futures=True)


def _in_pixels(rectangle: Rectangle, size: tuple[int, int], fractions: bool) -> Rectangle:
    if not fractions:
        return rectangle
    (left, top, right, bottom), (width, height) = rectangle, size
    return (
        round(left * width, DECIMALS),
        round(top * height, DECIMALS),
        round(right * width, DECIMALS),
        round(bottom * height, DECIMALS),
    )
