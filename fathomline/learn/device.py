"""Where tensors live, how they are computed there, and the seeds of what is drawn."""

import ctypes
import platform
from contextlib import AbstractContextManager

import numpy as np
import torch

CACHED_PIXELS = 200_000
"""Pixels of input whose activations stay in the caches of a core, by trial with MobileNetV2 at 96, 112 and 160 px."""


def best_device(number: int = 0) -> torch.device:
    """The GPU of that number on CUDA, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", number)
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def arithmetic(device: torch.device, precision: str) -> AbstractContextManager:
    """Autocast to bf16 where that pays: on CUDA, when `precision` asks for it."""
    return torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda" and precision == "bf16")


def inference_batch(device: torch.device, views: int, side: int) -> int:
    """ROIs at once without gradients: few on a CPU, where activations that leave its caches take twice the time.

    Args: views of an ROI, and their side in pixels.
    """
    return max(1, CACHED_PIXELS // (views * side**2)) if device.type == "cpu" else 256


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
