"""pixels.npy: uint8 rows of views, written by many processes, read as one memory map."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class PixelFile:
    """An .npy file of uint8 whose rows can be written in any order, by any process."""

    path: Path
    shape: tuple[int, ...]
    """(rows, views, size, size, 3)."""

    offset: int
    """Bytes before the first row."""

    @property
    def row_bytes(self) -> int:
        return int(np.prod(self.shape[1:]))

    def write(self, row: int, pixels: np.ndarray) -> None:
        """Write one row, (views, size, size, 3) uint8.

        Through a file and not a memory map: mapped pages count as memory of every process, and a full disk would kill
        the process where this raises OSError.
        """
        with open(self.path, "r+b") as stream:
            stream.seek(self.offset + row * self.row_bytes)
            stream.write(np.ascontiguousarray(pixels, dtype=np.uint8).data)


def create_pixels(path: Path, shape: tuple[int, ...]) -> PixelFile:
    """Create the file, all zeros; it takes up disk space only as rows are written."""
    offset = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape).offset
    return PixelFile(path, shape, offset)


def copy_rows(source: PixelFile, rows: list[int], path: Path) -> None:
    """Create a file at `path` that holds only `rows` of `source`, in that order."""
    target = create_pixels(path, (len(rows), *source.shape[1:]))
    with open(source.path, "rb") as reader, open(path, "r+b") as writer:
        writer.seek(target.offset)
        for row in rows:
            reader.seek(source.offset + row * source.row_bytes)
            writer.write(reader.read(source.row_bytes))


def keep_rows(pixels: PixelFile, rows: list[int]) -> None:
    """Drop all rows but `rows`, which are in ascending order, from the file."""
    if len(rows) == pixels.shape[0]:
        return
    shorter = pixels.path.with_name(f"{pixels.path.name}.shorter.part")
    try:
        copy_rows(pixels, rows, shorter)
        os.replace(shorter, pixels.path)
    finally:
        shorter.unlink(missing_ok=True)
