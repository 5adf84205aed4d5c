import platform
import subprocess
import sys

import numpy as np
import pytest
import torch

from fathomline.learn.device import arithmetic, inference_batch, keep_freed_memory, seed_everything, seed_of


def test_near_numbers_give_unrelated_seeds_and_equal_numbers_equal_ones():
    seeds = {seed_of(seed, epoch, rank) for seed in range(5) for epoch in range(5) for rank in range(5)}
    assert len(seeds) == 125
    assert all(0 <= seed < 2**63 for seed in seeds), "what torch and NumPy take"
    assert max(seeds) - min(seeds) > 2**60
    assert seed_of(3, 1, 4) == seed_of(3, 1, 4)


def test_seeding_repeats_what_torch_and_numpy_draw():
    drawn = []
    for seed in (2**63 - 1, 2**63 - 1, 5):
        seed_everything(seed)
        drawn.append((torch.rand(()).item(), np.random.rand()))  # noqa: NPY002
    assert drawn[0] == drawn[1]
    assert drawn[0][0] != drawn[2][0]
    assert drawn[0][1] != drawn[2][1]


def test_a_cpu_computes_in_full_precision_and_in_small_batches():
    layer = torch.nn.Linear(2, 2)
    with arithmetic(torch.device("cpu"), "bf16"):
        assert layer(torch.ones(1, 2)).dtype == torch.float32


def test_batches_without_gradients_are_small_on_a_cpu_and_smaller_for_larger_pictures():
    cpu = torch.device("cpu")
    assert [inference_batch(cpu, 1, side) for side in (64, 96, 224, 1024)] == [48, 21, 3, 1]
    assert inference_batch(cpu, 4, 96) == 5
    assert inference_batch(torch.device("cuda"), 4, 224) == 256


MAPPED_ANEW = """
import resource
import sys
import torch
from fathomline.learn.device import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.ones(2**24)
before = faults()
for _ in range(10):
    torch.ones(2**24)
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this system's C library is not glibc")
def test_memory_that_is_kept_is_not_mapped_anew():
    page_faults = {
        manner: int(subprocess.check_output([sys.executable, "-c", MAPPED_ANEW, manner], text=True))
        for manner in ("kept", "given back")
    }
    assert page_faults["kept"] * 10 < page_faults["given back"]


def test_a_system_without_mallopt_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    assert not keep_freed_memory()
