"""Predict the ROIs of all clients in common batches."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class _Waiting:
    pixels: np.ndarray
    result: asyncio.Future[np.ndarray]


class Batches:
    """One thread predicts a batch, while the ROIs of the next one gather. Belongs to one event loop.

    A batch begins as soon as the thread is free, so a single request never waits. ROIs of cancelled requests are
    left out. If a batch fails, the error goes to its requests, and the next batch begins.
    """

    def __init__(self, predict: Callable[[np.ndarray], np.ndarray], largest: int) -> None:
        """Args: predict: (rois, …) uint8 -> (rois, classes); largest, ROIs per batch."""
        self._predict = predict
        self._largest = largest
        self._queue: deque[_Waiting] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict")
        self._busy = False

    async def predicted(self, rois: Sequence[np.ndarray]) -> list[np.ndarray]:
        """A row of `predict` for each ROI, in order."""
        loop = asyncio.get_running_loop()
        waiting = [_Waiting(pixels, loop.create_future()) for pixels in rois]
        self._queue.extend(waiting)
        self._begin()
        return await asyncio.gather(*(each.result for each in waiting))

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _begin(self) -> None:
        batch: list[_Waiting] = []
        while self._queue and not self._busy and len(batch) < self._largest:
            each = self._queue.popleft()
            if not each.result.cancelled():
                batch.append(each)
        if batch:
            self._busy = True
            running = asyncio.get_running_loop().run_in_executor(
                self._thread, self._run, [each.pixels for each in batch]
            )
            running.add_done_callback(lambda done: self._end(batch, done))

    def _run(self, rois: list[np.ndarray]) -> np.ndarray:
        return self._predict(np.stack(rois))

    def _end(self, batch: list[_Waiting], done: asyncio.Future[np.ndarray]) -> None:
        self._busy = False
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        for place, each in enumerate(batch):
            if each.result.cancelled():
                continue
            if error is None:
                each.result.set_result(done.result()[place])
            else:
                each.result.set_exception(error)
        self._begin()
