"""The device to compute on, its arithmetic and memory settings, and random seeds."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import torch


def best_device(number: int = 0) -> torch.device:
    """CUDA device `number` if CUDA is available, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", number)
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def prepare_device(device: torch.device) -> None:
    """Set up a process that only computes on `device`: `prepare_arithmetic`, and on a CPU `keep_freed_memory`."""
    if device.type == "cpu":
        keep_freed_memory()
    prepare_arithmetic(device)


def prepare_arithmetic(device: torch.device) -> None:
    """On CUDA, let fp32 products use TF32, and let cuDNN benchmark its kernels for each new shape.

    Safe in someone else's program, as it does not change how the process manages memory.
    """
    if device.type == "cuda":
        # Not `fp32_precision`: once it is set, torch refuses to read these flags, and inductor reads them.
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True


def computed_in(device: torch.device, precision: str) -> str:
    """The precision of a forward pass: `bf16` on CUDA if `precision` is `bf16`, otherwise `fp32`."""
    return "bf16" if device.type == "cuda" and precision == "bf16" else "fp32"


def arithmetic(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Autocast to bf16 if `computed_in` returns `bf16`."""
    return torch.autocast("cuda", torch.bfloat16, enabled=computed_in(device, precision) == "bf16")


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Compute fp32 products in fp32 on CUDA, despite autocast to bf16 and the TF32 that `prepare_device` allows."""
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.autocast("cuda", enabled=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def keep_freed_memory() -> bool:
    """Make glibc keep freed memory in this process; returns whether it does, which is False for other C libraries.

    By default, glibc maps new memory for every tensor of more than 32 MiB and unmaps it when the tensor is freed. The
    kernel then zeroes all activations in each training step, a quarter to a half of the step's time on a CPU.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if platform.system() == "Linux" else None
    if mallopt is None:
        return False
    # From malloc.h: M_MMAP_MAX, M_TRIM_THRESHOLD (-1: never) and M_TOP_PAD.
    return all(mallopt(option, value) for option, value in ((-4, 0), (-1, -1), (-2, 64 * 2**20)))


def seed_of(*numbers: int) -> int:
    """A seed in [0, 2^63) from numbers such as (seed, epoch); similar numbers give unrelated seeds."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def seed_everything(seed: int) -> None:
    """Seed the global generators of torch, for initial weights and dropout, and of NumPy, for timm's mixup."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
