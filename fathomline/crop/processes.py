"""Cut many frames at once, in order, in bounded memory."""

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
from fathomline.progress import progress

IN_FLIGHT = 4
"""Frames per process that wait to be cut or to be noted: enough to keep all busy, few enough to need no memory."""


def cut_all(jobs: list[FrameJob], plan: CutPlan, workers: int) -> Iterator[CutFrame]:
    """Cut all frames, in order, with as many processes as asked for; one process is this one."""
    plan.rois.mkdir(parents=True, exist_ok=True)
    workers = min(workers or _cores(), len(jobs))
    with progress(label="crop", unit="frame", total=len(jobs)) as bar:
        for frame in _in_processes(jobs, plan, workers) if workers > 1 else (cut_frame(job, plan) for job in jobs):
            bar.update()
            yield frame


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
        raise InputError("crop: a process was killed, most likely for lack of memory; lower `crop.workers`") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _started(workers: int) -> ProcessPoolExecutor:
    pool = ProcessPoolExecutor(workers, initializer=_end_with_the_parent)
    with warnings.catch_warnings():
        # From 3.12 on Python warns of forking beside threads, which NumPy has; our processes take no lock of theirs.
        warnings.filterwarnings("ignore", message=".*use of fork", category=DeprecationWarning)
        pool.submit(int).result()  # where processes fork, all do so with the first task
    return pool


def _end_with_the_parent() -> None:
    """A parent that is killed outright sends no signal, and its processes would wait for work forever."""

    def wait() -> None:
        parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
