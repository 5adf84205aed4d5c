import platform
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from fathomline.model.device import (
    arithmetic,
    computed_in,
    full_precision,
    keep_freed_memory,
    prepare_device,
    seed_everything,
    seed_of,
)


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


def test_a_cpu_computes_in_full_precision():
    layer = torch.nn.Linear(2, 2)
    with arithmetic(torch.device("cpu"), "bf16"):
        assert layer(torch.ones(1, 2)).dtype == torch.float32


@pytest.fixture
def settings() -> Iterator[None]:
    """Puts torch's settings back after the test."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    yield
    matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before


@pytest.mark.usefixtures("settings")
def test_preparing_a_gpu_allows_tf32_and_benchmarks_kernels_without_a_warning(recwarn):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.benchmark = False
    prepare_device(torch.device("cuda"))
    assert torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cuda.matmul.fp32_precision == "tf32", "the setting by its newer name says the same"
    assert torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.benchmark
    assert len(recwarn) == 0


@pytest.mark.usefixtures("settings")
def test_preparing_a_cpu_keeps_freed_memory_and_changes_no_setting_of_a_gpu(monkeypatch):
    asked = []
    monkeypatch.setattr("fathomline.model.device.keep_freed_memory", lambda: asked.append(True))
    torch.backends.cudnn.benchmark = False
    prepare_device(torch.device("cpu"))
    assert asked == [True]
    assert not torch.backends.cudnn.benchmark


@pytest.mark.usefixtures("settings")
def test_full_precision_on_a_gpu_ends_with_the_block():
    torch.backends.cuda.matmul.allow_tf32 = True
    with full_precision(torch.device("cuda")):
        assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cuda.matmul.allow_tf32
    with full_precision(torch.device("cpu")):
        assert torch.backends.cuda.matmul.allow_tf32, "nothing to do on a CPU"


def test_bf16_is_for_cuda_and_for_those_who_ask_for_it():
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    assert [computed_in(cuda, "bf16"), computed_in(cuda, "fp32"), computed_in(cpu, "bf16")] == ["bf16", "fp32", "fp32"]


MAPPED_ANEW = """
import resource
import sys
import torch
from fathomline.model.device import keep_freed_memory
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
