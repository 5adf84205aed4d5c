"""How many ROIs to compute at once without gradients, by what the device holds."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import torch

from fathomline.progress import warning

Part = TypeVar("Part")
"""What is computed of some rows."""

CACHED_PIXELS = 200_000
"""Pixels of input whose activations stay in the caches of a core, by trial with MobileNetV2 at 96, 112 and 160 px."""

MPS_PIXELS = 64 * 224**2
"""Pixels of input at once on Apple's MPS, of whose free memory torch knows nothing."""

SHARE_OF_FREE_MEMORY = 0.5
"""Of a GPU: the rest allows for fragmentation, larger workspaces, and other processes on the same GPU."""

LARGEST_BATCH = 1024
"""ROIs: a GPU gains nothing from more, and their pixels are pinned in the computer's memory."""

PROBED_ROIS = 4
"""ROIs of the forward pass whose memory is measured."""


def rois_per_batch(free: int, per_roi: float, largest: int = LARGEST_BATCH) -> int:
    """ROIs that fit a share of `free` bytes at `per_roi` bytes each: a power of two or `largest`, at least 1."""
    fitting = max(1, int(SHARE_OF_FREE_MEMORY * free / max(per_roi, 1.0)))
    return max(1, min(largest, 2 ** (fitting.bit_length() - 1)))


def batch_size(
    compute: Callable[[np.ndarray], Part],
    rows: np.ndarray,
    device: torch.device,
    pixels_per_roi: int,
    largest: int | None = None,
) -> int:
    """ROIs to compute at once.

    On a CPU few: activations that leave its caches take twice the time. On CUDA as many as the free memory holds, by
    the memory that `compute` takes for the first of `rows`.

    Args: pixels_per_roi of input, views · side²; largest number of ROIs, None for LARGEST_BATCH.
    """
    largest = LARGEST_BATCH if largest is None else largest
    if device.type != "cuda":
        return max(1, min(largest, (CACHED_PIXELS if device.type == "cpu" else MPS_PIXELS) // pixels_per_roi))
    if len(rows) == 0:
        return 1
    try:
        per_roi = _bytes_per_roi(compute, rows[: min(PROBED_ROIS, largest)], device)
    except torch.OutOfMemoryError:
        return 1
    return rois_per_batch(free_memory(device), per_roi, largest)


def in_batches(compute: Callable[[np.ndarray], Part], rows: np.ndarray, count: int) -> Iterator[Part]:
    """`compute` of `count` rows at a time, in their order. When memory runs out, `count` is halved.

    Raises torch.OutOfMemoryError when not even one row fits.
    """
    start = 0
    while start < len(rows):
        batch = rows[start : start + count]
        try:
            part = compute(batch)
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
            count = len(batch) // 2
            warning(f"out of memory with {len(batch)} ROIs at once; continuing with {count}")
            part = None
        if part is None:
            # Only here has the error let go of the tensors of the failed pass.
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            continue
        start += len(batch)
        yield part


def free_memory(device: torch.device) -> int:
    """Bytes of a GPU that torch can still have: those that are free, and those that its allocator holds unused."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def _bytes_per_roi(compute: Callable[[np.ndarray], object], rows: np.ndarray, device: torch.device) -> float:
    compute(rows)  # in its first pass, cuDNN tries kernels, which takes memory that later passes do not
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    compute(rows)
    return (torch.cuda.max_memory_allocated(device) - before) / len(rows)
