"""Where tensors live, how they are computed there, and the seeds of what is drawn."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import torch


def best_device(number: int = 0) -> torch.device:
    """The GPU of that number on CUDA, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", number)
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def prepare_device(device: torch.device) -> None:
    """Set up a process that does nothing but compute on `device`: for training, validation, features and predictions.

    On a CPU, freed memory is kept. What `prepare_arithmetic` sets up, too.
    """
    if device.type == "cpu":
        keep_freed_memory()
    prepare_arithmetic(device)


def prepare_arithmetic(device: torch.device) -> None:
    """On CUDA, let fp32 products use TF32 and cuDNN try its kernels for each new shape.

    All that a bundle sets up in a program that is not ours, whose memory is not ours to keep.
    """
    if device.type == "cuda":
        # The flags, not `fp32_precision`: torch refuses to read one after the other was set, and inductor reads these.
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True


def computed_in(device: torch.device, precision: str) -> str:
    """The arithmetic of a forward pass, `bf16` or `fp32`: bf16 only on CUDA, and when `train.precision` says so."""
    return "bf16" if device.type == "cuda" and precision == "bf16" else "fp32"


def arithmetic(device: torch.device, precision: str) -> AbstractContextManager:
    """Autocast to bf16 where `computed_in` says so."""
    return torch.autocast("cuda", torch.bfloat16, enabled=computed_in(device, precision) == "bf16")


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Compute fp32 products in fp32 even on CUDA, where autocast would take bf16 and `prepare_device` allows TF32."""
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
    """Let this process keep the memory that it frees, where the C library is glibc; returns whether it does.

    By default, glibc maps every tensor of more than 32 MiB anew and gives it back when it is freed, so that the kernel
    zeroes all activations in each step of a training on a CPU: a quarter to a half of its time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if platform.system() == "Linux" else None
    if mallopt is None:
        return False
    # From malloc.h: M_MMAP_MAX, M_TRIM_THRESHOLD (-1: never) and M_TOP_PAD.
    return all(mallopt(option, value) for option, value in ((-4, 0), (-1, -1), (-2, 64 * 2**20)))


def seed_of(*numbers: int) -> int:
    """A seed for what the numbers name, such as (seed, epoch): near numbers, unrelated draws."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def seed_everything(seed: int) -> None:
    """Seed the global generators: torch's on every device, for weights and dropout, and NumPy's, for timm's mixup."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
