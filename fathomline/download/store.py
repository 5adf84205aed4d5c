"""The folder of a downloaded subset: every file in it is complete and listed in the manifest."""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Self

from fathomline.dataset.manifest import (
    ManifestJournal,
    Record,
    read_journals,
    read_manifest,
    remove_journals,
    write_manifest,
)
from fathomline.files import written_whole

MAX_ATTEMPTS = 10


class Store:
    """Stores frames under `images/` by image id. It tolerates being killed, and a second run in the same folder.

    A frame is recorded in the journal, then written to a temporary name, flushed and renamed. Cleaning up removes all
    temporary files, including those of another run: that run still has the bytes in memory and writes them again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "images").mkdir(parents=True, exist_ok=True)
        self.previous = self._read_records()
        """Records of earlier runs, by image id. Check their files with `is_intact`."""
        self._remove_temporary_files()
        self._journal = ManifestJournal(folder)

    def is_intact(self, record: Record) -> bool:
        """Whether the record's file exists and has the recorded size and hash."""
        path = self.folder / record.file
        try:
            if record.status != "ok" or path.stat().st_size != record.bytes:
                return False
            with open(path, "rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest() == record.sha256
        except OSError:
            return False

    def put(self, record: Record, body: bytes) -> None:
        """Record a frame and write its file; OSError if it cannot be written."""
        self._journal.append(record)

        def write() -> None:
            with written_whole(self.folder / record.file) as temporary:
                temporary.write_bytes(body)

        write_again_if_removed(write)

    def finish(self, records: list[Record]) -> list[Record]:
        """Write the manifest, remove every file that it does not list, and return the records as written.

        A second run may be fetching into the same folder. Its files get their names only after their journal entries
        are written. So files are listed first and the journals read second: an image that failed here but was fetched
        by the other run is then found in its journal, and its file is kept.
        """
        files = sorted((self.folder / "images").iterdir())
        journaled = read_journals(self.folder)
        records = [self._fetched_by_another_run(record, journaled) or record for record in records]
        write_again_if_removed(lambda: write_manifest(records, self.folder / "manifest.csv"))
        listed = {Path(record.file).name for record in records if record.status == "ok"}
        for path in files:
            if path.name not in listed and (path.is_symlink() or not path.is_dir()):
                _remove(path)
        self._remove_temporary_files()
        self._journal.close()
        remove_journals(self.folder)
        return records

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the journal; its file remains for the next run unless `finish` has removed it."""
        self._journal.close()

    def _read_records(self) -> dict[int, Record]:
        path = self.folder / "manifest.csv"
        return (read_manifest(path) if path.exists() else {}) | read_journals(self.folder)

    def _fetched_by_another_run(self, record: Record, journaled: dict[int, Record]) -> Record | None:
        """The other run's record of a failed image, if it fetched the image from the same place."""
        other = journaled.get(record.image_id)
        if record.status != "ok" and other is not None and other.url == record.url and self.is_intact(other):
            return other
        return None

    def _remove_temporary_files(self) -> None:
        for folder in (self.folder, self.folder / "images"):
            for path in folder.glob(".*.part"):
                _remove(path)


def write_again_if_removed(write: Callable[[], None]) -> None:
    """Call `write`, and call it again if another run's cleaning up removed its temporary file."""
    for _ in range(MAX_ATTEMPTS - 1):
        with contextlib.suppress(FileNotFoundError):
            return write()
    return write()


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # already removed, or open in another process on Windows
        path.unlink()
