"""Choose how many ROIs to compute at once without gradients, by the memory of the device."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import torch

from fathomline.progress import warning

Part = TypeVar("Part")
"""The result for a batch of rows."""

CACHED_PIXELS = 200_000
"""Input pixels whose activations stay in a core's caches; found by trial with MobileNetV2 at 96, 112 and 160 px."""

MPS_PIXELS = 64 * 224**2
"""Input pixels per batch on Apple's MPS, whose free memory torch cannot report."""

SHARE_OF_FREE_MEMORY = 0.5
"""Share of a GPU's free memory to use; the rest allows for fragmentation, larger workspaces and other processes."""

LARGEST_BATCH = 1024
"""In ROIs. A larger batch is no faster on any GPU, and its pixels would be pinned in the host's memory."""

PROBED_ROIS = 4
"""ROIs in the forward pass whose memory is measured."""


def rois_per_batch(free: int, per_roi: float, largest: int = LARGEST_BATCH) -> int:
    """The batch size for `free` bytes of memory and `per_roi` bytes for each ROI.

    Returns: the largest power of two that fits SHARE_OF_FREE_MEMORY, limited to [1, largest].
    """
    fitting = max(1, int(SHARE_OF_FREE_MEMORY * free / max(per_roi, 1.0)))
    return max(1, min(largest, 2 ** (fitting.bit_length() - 1)))


def batch_size(
    compute: Callable[[np.ndarray], Part],
    rows: np.ndarray,
    device: torch.device,
    pixels_per_roi: int,
    largest: int | None = None,
) -> int:
    """The number of ROIs to compute at once.

    On a CPU it is small, as activations that do not fit the caches take twice the time. On CUDA, it follows from the
    free memory and from the memory that `compute` needs for the first few of `rows`.

    Args:
        pixels_per_roi: pixels of the classifier's input, views · side².
        largest: the largest number of ROIs; None for LARGEST_BATCH.
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
    """Yield the result of `compute` for each batch of `count` rows, in order. If memory runs out, halve `count`.

    Raises torch.OutOfMemoryError if a single row does not fit.
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
            # Until the `except` block has ended, the error keeps the tensors of the failed pass alive.
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            continue
        start += len(batch)
        yield part


def free_memory(device: torch.device) -> int:
    """Bytes of GPU memory that torch can still use: free ones, and unused ones that its allocator has reserved."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def _bytes_per_roi(compute: Callable[[np.ndarray], object], rows: np.ndarray, device: torch.device) -> float:
    compute(rows)  # in the first pass, cuDNN benchmarks kernels, which needs extra memory
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    compute(rows)
    return (torch.cuda.max_memory_allocated(device) - before) / len(rows)
