"""What happened to each image of a dataset: a table once the download ends, a journal while it runs."""

import contextlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from threading import Lock
from uuid import uuid4

import pandas as pd

from fathomline.errors import InputError, listing
from fathomline.files import read_csv, write_csv

FRAME_FILE = re.compile(r"images/-?[0-9]+\.[a-z]+", re.ASCII)
"""The only names given to frames: no text from a JSON or a server ever becomes a path."""


@dataclass(frozen=True)
class Record:
    """The state of one image."""

    image_id: int
    url: str
    """Its location in the JSON: the `coco_url`, or the `file_name` for a local folder."""

    file: str
    """Path relative to the manifest, `images/<image_id>.<ext>`; empty if failed."""

    bytes: int
    sha256: str
    status: str
    """`ok` or `failed`."""

    error: str
    """Why it failed; empty if ok."""


COLUMNS = [field.name for field in fields(Record)]


def read_manifest(path: Path) -> dict[int, Record]:
    """Read a manifest.csv as records by image id; raise InputError if it is not valid."""
    types = dict.fromkeys(COLUMNS, "str") | {"image_id": "int64", "bytes": "int64"}
    remedy = "remove it and run the download again"
    try:
        table = read_csv(path, COLUMNS, dtype=types, keep_default_na=False)
    except InputError:
        raise
    except (ValueError, OverflowError) as error:
        raise InputError(f"{path}: expected integers in `image_id` and `bytes` ({error}); {remedy}") from None
    records = {row["image_id"]: Record(**row) for row in table[COLUMNS].to_dict("records")}
    invalid = [
        f"image {record.image_id} has status {record.status!r} and file {record.file!r}"
        for record in records.values()
        if not _is_valid(record)
    ]
    if invalid:
        raise InputError(
            f"{path}: {len(invalid)} row(s) were not written by the download: {listing(invalid)}; expected status "
            f"'ok' with a file images/<image_id>.<ext>, or status 'failed'; {remedy}"
        )
    return records


def write_manifest(records: Iterable[Record], path: Path) -> None:
    """Write the records as a table, in the order given."""
    write_csv(pd.DataFrame([asdict(record) for record in records], columns=COLUMNS), path)


class ManifestJournal:
    """An append-only file of records beside the manifest, so that a killed run loses nothing it has fetched.

    Each run writes its own journal, and every run reads all of them. A record is appended before its file gets its
    final name, so every file with a final name is listed in a journal.
    """

    def __init__(self, folder: Path) -> None:
        self._stream = open(folder / f".manifest.{uuid4().hex[:12]}.journal", "ab", buffering=0)  # noqa: SIM115
        self._lock = Lock()

    def append(self, record: Record) -> None:
        """Append one record, which then persists even if this process is killed. Threads may call this concurrently."""
        line = json.dumps(asdict(record)).encode() + b"\n"
        with self._lock:
            self._stream.write(line)

    def close(self) -> None:
        self._stream.close()


def read_journals(folder: Path) -> dict[int, Record]:
    """All journaled records in `folder`, by image id. Lines truncated by a kill or a full disk are skipped."""
    records: dict[int, Record] = {}
    for path in _journal_files(folder):
        with contextlib.suppress(FileNotFoundError):
            for line in path.read_bytes().splitlines():
                with contextlib.suppress(ValueError, TypeError):
                    record = Record(**json.loads(line))
                    if _is_valid(record):
                        records[record.image_id] = record
    return records


def remove_journals(folder: Path) -> None:
    """Remove every journal in `folder`. A run still writing to one loses only its protection against being killed."""
    for path in _journal_files(folder):
        with contextlib.suppress(OSError):
            os.unlink(path)


def one_line(text: str) -> str:
    """`text` as a cell of a table: if any character is not printable, all special characters are escaped."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def _journal_files(folder: Path) -> list[Path]:
    return sorted(folder.glob(".manifest.*.journal"))


def _is_valid(record: Record) -> bool:
    return record.status == "failed" or (record.status == "ok" and bool(FRAME_FILE.fullmatch(record.file)))
