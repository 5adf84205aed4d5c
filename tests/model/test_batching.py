import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathomline.model import batching
from fathomline.model.batching import LARGEST_BATCH, batch_size, in_batches, rois_per_batch

MIB = 2**20


def test_a_batch_uses_half_of_the_free_memory():
    assert rois_per_batch(1000 * MIB, 1 * MIB) == 256, "rounded down to a power of two"
    assert rois_per_batch(1024 * MIB, 1 * MIB) == 512
    assert rois_per_batch(1000 * MIB, 4 * MIB) == 64
    assert rois_per_batch(80_000 * MIB, 1 * MIB) == LARGEST_BATCH
    assert rois_per_batch(1000 * MIB, 1 * MIB, largest=24) == 24
    assert rois_per_batch(20 * MIB, 1 * MIB, largest=24) == 8
    assert rois_per_batch(1 * MIB, 100 * MIB) == 1, "at least one, to try"
    assert rois_per_batch(1000 * MIB, 0.0, largest=7) == 7, "nothing measured"


@given(st.integers(0, 10**12), st.floats(0, 1e10), st.integers(1, 5000))
def test_a_batch_never_exceeds_the_memory_or_the_largest_size(free, per_roi, largest):
    count = rois_per_batch(free, per_roi, largest)
    assert 1 <= count <= largest
    assert count == 1 or count * per_roi <= free / 2
    assert count == largest or count & (count - 1) == 0


def unused(rows: np.ndarray) -> None:
    raise AssertionError("nothing is measured on a CPU")


def test_batches_on_a_cpu_shrink_as_views_grow_in_size_or_number():
    cpu, rows = torch.device("cpu"), np.arange(9)
    sizes = [batch_size(unused, rows, cpu, side**2) for side in (64, 96, 224, 1024)]
    assert sizes == [48, 21, 3, 1]
    assert batch_size(unused, rows, cpu, 4 * 96**2) == 5
    assert batch_size(unused, rows, cpu, 64**2, largest=7) == 7


class Gpu:
    """Replaces torch.cuda: `held` bytes are allocated, and at its peak a pass uses 3 MiB per ROI."""

    def __init__(self, monkeypatch, free: int, reserved: int, held: int) -> None:
        self.held = self.peak = held
        self.passes: list[int] = []
        self.allowed = float("inf")
        for name, value in {
            "mem_get_info": lambda device: (free, 80_000 * MIB),
            "memory_reserved": lambda device: reserved,
            "memory_allocated": lambda device: self.held,
            "max_memory_allocated": lambda device: self.peak,
            "reset_peak_memory_stats": self.reset,
        }.items():
            monkeypatch.setattr(torch.cuda, name, value)

    def reset(self, device) -> None:
        self.peak = self.held

    def compute(self, rows: np.ndarray) -> list[int]:
        if len(rows) > self.allowed:
            raise torch.OutOfMemoryError("CUDA out of memory")
        # cuDNN benchmarks kernels in the first pass.
        self.peak = max(self.peak, self.held + 3 * MIB * len(rows) + (0 if self.passes else 500 * MIB))
        self.passes.append(len(rows))
        return rows.tolist()


def test_the_batch_on_a_gpu_follows_from_its_free_memory_and_the_memory_of_a_pass(monkeypatch):
    gpu, device = Gpu(monkeypatch, free=600 * MIB, reserved=400 * MIB, held=100 * MIB), torch.device("cuda")
    # 900 MiB are available; half of that is 150 ROIs of 3 MiB.
    assert batch_size(gpu.compute, np.arange(50), device, 1) == 128
    assert gpu.passes == [4, 4], "once to warm up, once to measure"
    assert batch_size(gpu.compute, np.arange(50), device, 1, largest=2) == 2
    assert gpu.passes[2:] == [2, 2], "no more than the largest batch"
    assert batch_size(gpu.compute, np.arange(0), device, 1) == 1


def test_a_gpu_that_cannot_fit_the_measured_pass_starts_with_one_roi(monkeypatch):
    gpu = Gpu(monkeypatch, free=600 * MIB, reserved=0, held=0)
    gpu.allowed = 3
    assert batch_size(gpu.compute, np.arange(50), torch.device("cuda"), 1) == 1


def test_batches_follow_the_order_of_the_rows():
    got = list(in_batches(lambda batch: batch.tolist(), np.array([5, 3, 100, 7, 7]), 2))
    assert got == [[5, 3], [100, 7], [7]]
    assert list(in_batches(unused, np.arange(0), 2)) == []


def test_a_batch_that_does_not_fit_is_halved_until_it_does(monkeypatch, capsys):
    gpu = Gpu(monkeypatch, free=0, reserved=0, held=0)
    gpu.allowed = 5
    parts = list(in_batches(gpu.compute, np.arange(23), 16))
    assert [row for part in parts for row in part] == list(range(23))
    assert gpu.passes == [4, 4, 4, 4, 4, 3]
    warnings = capsys.readouterr().err
    assert "out of memory with 16 ROIs at once; continuing with 8" in warnings
    assert "out of memory with 8 ROIs at once; continuing with 4" in warnings
    assert warnings.count("\n") == 2


def test_a_single_roi_that_does_not_fit_is_an_error(monkeypatch):
    gpu = Gpu(monkeypatch, free=0, reserved=0, held=0)
    gpu.allowed = 0
    with pytest.raises(torch.OutOfMemoryError):
        list(in_batches(gpu.compute, np.arange(23), 16))


def test_the_tensors_of_a_failed_pass_are_freed_before_the_next_pass(monkeypatch):
    """An error refers to its stack frames, and these refer to the tensors that filled the memory."""
    alive = []

    class Tensors:
        def __del__(self) -> None:
            alive.remove(self.number)

    def compute(rows: np.ndarray) -> int:
        assert alive == []
        tensors = Tensors()
        tensors.number = len(rows)
        alive.append(tensors.number)
        if len(rows) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return len(rows)

    assert list(batching.in_batches(compute, np.arange(4), 8)) == [2, 2]
