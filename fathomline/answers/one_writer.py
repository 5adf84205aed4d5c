"""Let only one process at a time write in a folder."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fathomline.errors import InputError


@contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Make `folder`, and lock it. The lock ends with the block, or with the process if it is killed.

    If the folder is empty then, it is removed.

    On Windows, and on file systems without locks, nothing is locked. Raises InputError if another process has the
    lock, or if `folder` cannot be made because a file is in the way.
    """
    _make(folder)
    if sys.platform == "win32":
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor, folder)
        if not _is_at(folder, descriptor):
            raise InputError(f"{folder}: another run has just removed it; run the command again")
        try:
            yield
        finally:
            with suppress(OSError):  # it is not empty, or gone
                folder.rmdir()
    finally:
        os.close(descriptor)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        parts = (folder, *folder.parents)
        obstacle = next((part for part in parts if os.path.lexists(part) and not part.is_dir()), folder)
        raise InputError(f"{obstacle}: expected a folder, found a file; move it away, or choose another name") from None


def _is_at(folder: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(folder), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _lock(descriptor: int, folder: Path) -> None:
    import fcntl  # Windows lacks it

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(f"{folder}: another run is writing there; wait for its end, or choose another name") from None
    except OSError:
        pass  # a file system without locks
