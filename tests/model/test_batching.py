import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathomline.model import batching
from fathomline.model.batching import LARGEST_BATCH, batch_size, in_batches, rois_per_batch

MIB = 2**20


def test_a_batch_takes_a_share_of_the_free_memory():
    assert rois_per_batch(1000 * MIB, 1 * MIB) == 256, "half of the memory, rounded down to a power of two"
    assert rois_per_batch(1024 * MIB, 1 * MIB) == 512
    assert rois_per_batch(1000 * MIB, 4 * MIB) == 64
    assert rois_per_batch(80_000 * MIB, 1 * MIB) == LARGEST_BATCH
    assert rois_per_batch(1000 * MIB, 1 * MIB, largest=24) == 24
    assert rois_per_batch(20 * MIB, 1 * MIB, largest=24) == 8
    assert rois_per_batch(1 * MIB, 100 * MIB) == 1, "to try, at least"
    assert rois_per_batch(1000 * MIB, 0.0, largest=7) == 7, "nothing measured"


@given(st.integers(0, 10**12), st.floats(0, 1e10), st.integers(1, 5000))
def test_a_batch_never_exceeds_the_memory_or_the_cap(free, per_roi, largest):
    count = rois_per_batch(free, per_roi, largest)
    assert 1 <= count <= largest
    assert count == 1 or count * per_roi <= free / 2
    assert count == largest or count & (count - 1) == 0


def unused(rows: np.ndarray) -> None:
    raise AssertionError("a CPU measures nothing")


def test_batches_are_small_on_a_cpu_and_smaller_for_larger_or_more_views():
    cpu, rows = torch.device("cpu"), np.arange(9)
    sizes = [batch_size(unused, rows, cpu, side**2) for side in (64, 96, 224, 1024)]
    assert sizes == [48, 21, 3, 1]
    assert batch_size(unused, rows, cpu, 4 * 96**2) == 5
    assert batch_size(unused, rows, cpu, 64**2, largest=7) == 7


class Gpu:
    """Stands in for torch.cuda: `held` bytes are allocated, and a pass over n ROIs takes 3 MiB each at its peak."""

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
        # In its first pass cuDNN tries kernels.
        self.peak = max(self.peak, self.held + 3 * MIB * len(rows) + (0 if self.passes else 500 * MIB))
        self.passes.append(len(rows))
        return rows.tolist()


def test_on_a_gpu_the_batch_follows_from_the_memory_that_is_free_and_that_a_pass_takes(monkeypatch):
    gpu, device = Gpu(monkeypatch, free=600 * MIB, reserved=400 * MIB, held=100 * MIB), torch.device("cuda")
    # 900 MiB are to be had, half of them taken: 150 ROIs of 3 MiB.
    assert batch_size(gpu.compute, np.arange(50), device, 1) == 128
    assert gpu.passes == [4, 4], "once to warm up, once to measure"
    assert batch_size(gpu.compute, np.arange(50), device, 1, largest=2) == 2
    assert gpu.passes[2:] == [2, 2], "no more than allowed"
    assert batch_size(gpu.compute, np.arange(0), device, 1) == 1


def test_a_gpu_on_which_the_measured_pass_does_not_fit_begins_with_one_roi(monkeypatch):
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
    told = capsys.readouterr().err
    assert "out of memory with 16 ROIs at once; continuing with 8" in told
    assert "out of memory with 8 ROIs at once; continuing with 4" in told
    assert told.count("\n") == 2


def test_memory_that_holds_not_one_roi_is_an_error(monkeypatch):
    gpu = Gpu(monkeypatch, free=0, reserved=0, held=0)
    gpu.allowed = 0
    with pytest.raises(torch.OutOfMemoryError):
        list(in_batches(gpu.compute, np.arange(23), 16))


def test_the_failed_pass_is_let_go_of_before_the_next_begins(monkeypatch):
    """An error holds the frames that it went through, and they hold the tensors that filled the memory."""
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
