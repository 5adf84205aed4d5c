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


def test_similar_numbers_give_unrelated_seeds():
    seeds = {seed_of(seed, epoch, rank) for seed in range(5) for epoch in range(5) for rank in range(5)}
    assert len(seeds) == 125
    assert all(0 <= seed < 2**63 for seed in seeds), "as torch and NumPy require"
    assert max(seeds) - min(seeds) > 2**60
    assert seed_of(3, 1, 4) == seed_of(3, 1, 4)


def test_the_same_seed_repeats_the_draws_of_torch_and_numpy():
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
    """Restores torch's settings after the test."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark
    yield
    matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before


@pytest.mark.usefixtures("settings")
def test_preparing_a_gpu_allows_tf32_and_benchmarks_kernels(recwarn):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.benchmark = False
    prepare_device(torch.device("cuda"))
    assert torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cuda.matmul.fp32_precision == "tf32", "the newer name of the setting agrees"
    assert torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.benchmark
    assert len(recwarn) == 0


@pytest.mark.usefixtures("settings")
def test_preparing_a_cpu_keeps_freed_memory_and_changes_no_gpu_setting(monkeypatch):
    asked = []
    monkeypatch.setattr("fathomline.model.device.keep_freed_memory", lambda: asked.append(True))
    torch.backends.cudnn.benchmark = False
    prepare_device(torch.device("cpu"))
    assert asked == [True]
    assert not torch.backends.cudnn.benchmark


@pytest.mark.usefixtures("settings")
def test_tf32_is_disabled_only_within_full_precision():
    torch.backends.cuda.matmul.allow_tf32 = True
    with full_precision(torch.device("cuda")):
        assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cuda.matmul.allow_tf32
    with full_precision(torch.device("cpu")):
        assert torch.backends.cuda.matmul.allow_tf32, "a CPU does not use TF32"


def test_bf16_is_used_only_on_cuda_and_only_on_request():
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    assert [computed_in(cuda, "bf16"), computed_in(cuda, "fp32"), computed_in(cpu, "bf16")] == ["bf16", "fp32", "fp32"]


COUNT_PAGE_FAULTS = """
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
def test_kept_memory_causes_few_page_faults():
    page_faults = {
        mode: int(subprocess.check_output([sys.executable, "-c", COUNT_PAGE_FAULTS, mode], text=True))
        for mode in ("kept", "unmapped")
    }
    assert page_faults["kept"] * 10 < page_faults["unmapped"]


def test_nothing_is_changed_on_a_system_without_glibc(monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    assert not keep_freed_memory()
