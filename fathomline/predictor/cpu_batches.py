"""Run a model on a CPU: a batch on each core, instead of every batch on all cores.

Cores that share a batch wait for each other after every layer. If another thread or program takes one of them for a
moment, the others wait too, and a forward pass can take 10 times as long. Batches of their own never wait.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np

PIXELS_PER_BATCH = 200_000
"""Input pixels whose activations stay in a core's caches."""


class CpuBatches:
    """Threads that compute batches. Safe to use from several threads."""

    def __init__(self, threads: int, prepare_thread: Callable[[], None] = lambda: None) -> None:
        """Args: prepare_thread, called once in each thread before this returns."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="predict")
        all_started = Barrier(threads)

        def start() -> None:
            all_started.wait()
            prepare_thread()

        for started in [self._pool.submit(start) for _ in range(threads)]:
            started.result()

    def logits(self, compute: Callable[[np.ndarray], np.ndarray], rois: np.ndarray, pixels: int) -> np.ndarray:
        """Compute the logits of `rois` in batches. Their sizes depend on nothing but `pixels` and the number of ROIs.

        Args:
            compute: (batch, …) -> (…, batch, classes).
            rois: (rois, …), at least one.
            pixels: of the input that `compute` gives to the model for an ROI.
        Returns: (…, rois, classes)
        """
        count = max(1, PIXELS_PER_BATCH // pixels)
        batches = [rois[start : start + count] for start in range(0, len(rois), count)]
        return np.concatenate(list(self._pool.map(compute, batches)), axis=-2)
