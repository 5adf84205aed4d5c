"""The folder of a downloaded subset: what is in it is whole, and named in the manifest."""

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

TRIES = 10


class Store:
    """Keeps frames under `images/` by image id, safe against being killed and against a second run at once.

    A frame is noted in the journal, then written to a temporary name, flushed and renamed. Tidying removes temporary
    files at once, whoever's they are: a run that loses one that way has the bytes in memory and writes again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "images").mkdir(parents=True, exist_ok=True)
        self.known = self._records()
        """What earlier runs noted, by image id; files are to be checked with `holds`."""
        self._remove_temporaries()
        self._journal = ManifestJournal(folder)

    def holds(self, record: Record) -> bool:
        """Whether the record's file is there, with every byte as noted."""
        path = self.folder / record.file
        try:
            if record.status != "ok" or path.stat().st_size != record.bytes:
                return False
            with open(path, "rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest() == record.sha256
        except OSError:
            return False

    def put(self, record: Record, body: bytes) -> None:
        """Note the record and write its file; OSError when the disk does not take it."""
        self._journal.append(record)

        def write() -> None:
            with written_whole(self.folder / record.file) as temporary:
                temporary.write_bytes(body)

        again_if_tidied(write)

    def finish(self, records: list[Record]) -> list[Record]:
        """Write the manifest and remove all that it does not name. Returns the records as written.

        The order matters for a second run in the same folder: a file is listed only after its journal line was
        written, so a failed image whose file that run brought meanwhile is found in its journal, and kept.
        """
        listed = sorted((self.folder / "images").iterdir())
        noted = read_journals(self.folder)
        records = [self._adopted(record, noted.get(record.image_id)) for record in records]
        again_if_tidied(lambda: write_manifest(records, self.folder / "manifest.csv"))
        named = {Path(record.file).name for record in records if record.status == "ok"}
        for path in listed:
            if path.name not in named and (path.is_symlink() or not path.is_dir()):
                _remove(path)
        self._remove_temporaries()
        self._journal.close()
        remove_journals(self.folder)
        return records

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the journal; its file stays for the next run unless `finish` was called."""
        self._journal.close()

    def _records(self) -> dict[int, Record]:
        path = self.folder / "manifest.csv"
        return (read_manifest(path) if path.exists() else {}) | read_journals(self.folder)

    def _adopted(self, record: Record, noted: Record | None) -> Record:
        if record.status == "ok" or noted is None or noted.url != record.url or not self.holds(noted):
            return record
        return noted

    def _remove_temporaries(self) -> None:
        for folder in (self.folder, self.folder / "images"):
            for path in folder.glob(".*.part"):
                _remove(path)


def again_if_tidied(write: Callable[[], None]) -> None:
    """Write a file; when another run's tidying takes the temporary file away meanwhile, write it again."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(FileNotFoundError):
            return write()
    return write()


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # gone already, or open in another process on Windows
        path.unlink()
