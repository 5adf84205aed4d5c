"""Batches on a CPU: one for each thread at a time, in order, whatever the number of threads."""

import threading

import numpy as np
import pytest
import torch

from fathomline.predictor.cpu_batches import PIXELS_PER_BATCH, CpuBatches
from fathomline.predictor.torch_engine import _cpu_batches


def doubled(batch: np.ndarray) -> np.ndarray:
    return np.stack([2.0 * batch, 3.0 * batch])


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("rois", [1, 4, 5, 23])
def test_logits_are_in_the_order_of_the_rois(threads, rois):
    given = np.arange(rois * 2, dtype=np.float64).reshape(rois, 2)
    found = CpuBatches(threads).logits(doubled, given, PIXELS_PER_BATCH // 4)
    np.testing.assert_array_equal(found, doubled(given))


@pytest.mark.parametrize("threads", [1, 3])
def test_the_sizes_of_batches_do_not_depend_on_the_threads(threads):
    sizes = []
    CpuBatches(threads).logits(lambda batch: sizes.append(len(batch)) or batch, np.zeros((9, 1)), 60_000)
    assert sorted(sizes) == [3, 3, 3]


def test_each_thread_is_prepared_once():
    prepared = []
    batches = CpuBatches(3, lambda: prepared.append(threading.get_ident()))
    assert len(set(prepared)) == len(prepared) == 3
    seen = set()
    batches.logits(lambda batch: seen.add(threading.get_ident()) or batch, np.zeros((8, 1)), PIXELS_PER_BATCH)
    assert seen <= set(prepared)


def test_an_error_in_a_thread_is_raised():
    def fail(*_):
        raise MemoryError("no memory")

    with pytest.raises(MemoryError, match="no memory"):
        CpuBatches(2, fail)
    with pytest.raises(MemoryError, match="no memory"):
        CpuBatches(2).logits(fail, np.zeros((8, 1)), 1)


def test_a_thread_of_the_torch_engine_computes_alone_and_other_threads_as_before():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        batches, used = _cpu_batches(), []
        batches.logits(lambda batch: used.append(torch.get_num_threads()) or batch, np.zeros((8, 1)), PIXELS_PER_BATCH)
        other = []
        thread = threading.Thread(target=lambda: other.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert (set(used), other, torch.get_num_threads()) == ({1}, [2], 2)
    finally:
        torch.set_num_threads(before)
