"""pixels.npy: the views of all ROIs, written by several processes and read as a memory map."""

import os
import tokenize
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fathomline.errors import InputError, visible


@dataclass(frozen=True)
class PixelFile:
    """An .npy file of uint8 whose rows can be written in any order and by any process."""

    path: Path
    shape: tuple[int, ...]
    """(rows, views, size, size, 3)."""

    offset: int
    """Size of the header in bytes."""

    @property
    def row_bytes(self) -> int:
        return int(np.prod(self.shape[1:]))

    def write(self, row: int, pixels: np.ndarray) -> None:
        """Write one row, (views, size, size, 3) uint8.

        Raises OSError on a full disk, where a write to a memory map would kill the process. A map would also count as
        memory of every process.
        """
        with open(self.path, "r+b") as stream:
            stream.seek(self.offset + row * self.row_bytes)
            stream.write(np.ascontiguousarray(pixels, dtype=np.uint8).data)


def create_pixels(path: Path, shape: tuple[int, ...]) -> PixelFile:
    """Create the file, filled with zeros; it uses disk space only for rows that are written."""
    offset = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape).offset
    return PixelFile(path, shape, offset)


def read_pixels(path: Path, shape: tuple[int, ...], remedy: str) -> np.ndarray:
    """Memory-map the file, read-only; nothing in it is unpickled.

    Args: shape, the expected one, (rows, views, size, size, 3); remedy, what to do about a damaged file.
    Raises InputError if it is not an .npy file of uint8 in C order with that shape.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # raised for headers written by Python 2
            pixels = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {remedy}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}, expected a file; {remedy}") from None
    except _INVALID_NPY as error:
        cause = visible(str(error))[:200]
        raise InputError(f"{path}: not an .npy file of numbers, or truncated ({cause}); {remedy}") from None
    if pixels.dtype != np.uint8 or not pixels.flags.c_contiguous:
        order = "C" if pixels.flags.c_contiguous else "Fortran"
        raise InputError(f"{path}: holds {pixels.dtype} in {order} order, expected uint8 in C order; {remedy}")
    if pixels.shape != shape:
        raise InputError(
            f"{path}: has the shape {pixels.shape}, expected {shape} (rows, views, size, size, 3); {remedy}"
        )
    return pixels


_INVALID_NPY = (ValueError, TypeError, OverflowError, SyntaxError, RecursionError, UserWarning, tokenize.TokenError)
"""What NumPy raises, depending on which part of a file's header is damaged."""


def copy_rows(source: PixelFile, rows: list[int], path: Path) -> None:
    """Create a file at `path` with `rows` of `source`, in that order."""
    target = create_pixels(path, (len(rows), *source.shape[1:]))
    with open(source.path, "rb") as reader, open(path, "r+b") as writer:
        writer.seek(target.offset)
        for row in rows:
            reader.seek(source.offset + row * source.row_bytes)
            writer.write(reader.read(source.row_bytes))


def keep_rows(pixels: PixelFile, rows: list[int]) -> None:
    """Remove all rows from the file except `rows`, given in ascending order."""
    if len(rows) == pixels.shape[0]:
        return
    shorter = pixels.path.with_name(f"{pixels.path.name}.shorter.part")
    try:
        copy_rows(pixels, rows, shorter)
        os.replace(shorter, pixels.path)
    finally:
        shorter.unlink(missing_ok=True)
