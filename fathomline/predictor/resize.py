"""Resize pictures in NumPy, without torch, to exactly the bytes that torch gives for uint8 on a CPU."""

from functools import cache
from typing import NamedTuple

import numpy as np


class Taps(NamedTuple):
    """Which pixels of a line make up each pixel of the resized line, in fixed point."""

    indices: np.ndarray
    """(taps, size) int64"""
    weights: np.ndarray
    """(taps, size) int32; they sum to about 2**bits for each pixel."""
    bits: int


def resized_views(views: np.ndarray, size: int) -> np.ndarray:
    """Antialiased bilinear resizing, as the torch engine does it.

    Pillow rounds differently: a few pixels in a thousand differ by one or two levels, enough to change an answer.

    Args: (views, side, side, 3) uint8; size, in pixels.
    Returns: (views, size, size, 3) uint8.
    """
    side = views.shape[1]
    if side == size:
        return views
    taps = _taps(side, size)
    return _resized_axis(_resized_axis(views, 2, taps), 1, taps)


def _resized_axis(views: np.ndarray, axis: int, taps: Taps) -> np.ndarray:
    total: np.ndarray | np.int32 = np.int32(1 << (taps.bits - 1))  # half a level, so that the shift rounds
    shape = (-1, 1, 1) if axis == 1 else (-1, 1)
    for indices, weights in zip(taps.indices, taps.weights, strict=True):
        total = total + np.take(views, indices, axis=axis) * weights.reshape(shape)
    return np.clip(np.asarray(total) >> taps.bits, 0, 255).astype(np.uint8)


@cache
def _taps(side: int, size: int) -> Taps:
    scale = side / size
    reach = max(scale, 1.0)
    """Half the width of the triangle that weights the pixels, in pixels of `side`."""
    centers = scale * (np.arange(size) + 0.5)
    first = np.maximum((centers - reach + 0.5).astype(np.int64), 0)
    last = np.minimum((centers + reach + 0.5).astype(np.int64), side)  # exclusive
    indices = first + np.arange((last - first).max())[:, None]
    weights = np.maximum(1 - np.abs((indices - centers + 0.5) / reach), 0) * (indices < last)
    weights /= weights.sum(axis=0)
    # As many bits as leave the largest weight in 16 bits, sign included.
    bits = next(bits for bits in range(22) if bits == 21 or int(0.5 + weights.max() * 2 ** (bits + 1)) >= 2**15)
    fixed = (0.5 + weights * 2**bits).astype(np.int32)
    return Taps(np.minimum(indices, side - 1), fixed, bits)
