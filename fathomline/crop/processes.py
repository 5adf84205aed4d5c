"""Cut frames in several processes, in order and in bounded memory."""

import os
import threading
import warnings
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import parent_process

from fathomline.crop.cut import CutFrame, CutPlan, FrameJob, cut_frame
from fathomline.errors import InputError
from fathomline.machine import cores
from fathomline.progress import progress

IN_FLIGHT = 4
"""Frames per process that are submitted ahead; it keeps all processes busy and uses little memory."""


def cut_all(jobs: list[FrameJob], plan: CutPlan, workers: int) -> Iterator[CutFrame]:
    """Cut all frames and yield the outcomes in order.

    Args: workers, the number of processes; 0 for one per core, 1 for this process only.
    Raises InputError if a process is killed.
    """
    plan.rois.mkdir(parents=True, exist_ok=True)
    workers = min(workers or cores(), len(jobs))
    frames = _in_processes(jobs, plan, workers) if workers > 1 else (cut_frame(job, plan) for job in jobs)
    yield from progress(frames, label="crop", unit="frame", total=len(jobs))


def _in_processes(jobs: list[FrameJob], plan: CutPlan, workers: int) -> Iterator[CutFrame]:
    pool = _started(workers)
    waiting: deque[Future[CutFrame]] = deque()
    try:
        for job in jobs:
            waiting.append(pool.submit(cut_frame, job, plan))
            if len(waiting) >= workers * IN_FLIGHT:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise InputError("crop: a process was killed, probably for lack of memory; lower `machine.workers`") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _started(workers: int) -> ProcessPoolExecutor:
    pool = ProcessPoolExecutor(workers, initializer=_exit_with_parent)
    with warnings.catch_warnings():
        # Python 3.12 and later warn about forking while NumPy's threads run; these processes use none of their locks.
        warnings.filterwarnings("ignore", message=".*use of fork", category=DeprecationWarning)
        pool.submit(int).result()  # where processes fork, all of them do so with the first task
    return pool


def _exit_with_parent() -> None:
    """Exit when the parent does: after a SIGKILL, it cannot stop its processes, which would wait forever."""
    parent = parent_process()
    if parent is None:
        raise RuntimeError("this is not a process of a pool")

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
