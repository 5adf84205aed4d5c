"""What became of each image of a dataset: a table at the end, a journal on the way there."""

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

OWN_FILE = re.compile(r"images/-?[0-9]+\.[a-z]+", re.ASCII)
"""The only names that frames get: what a JSON or a server says never becomes a path."""


@dataclass(frozen=True)
class Record:
    """What is known of one image."""

    image_id: int
    url: str
    """Where the JSON says that it is: its `coco_url`, or its `file_name` for a local folder."""

    file: str
    """Path relative to the manifest, `images/<image_id>.<ext>`; empty when failed."""

    bytes: int
    sha256: str
    status: str
    """`ok` or `failed`."""

    error: str
    """Why it failed; empty when ok."""


COLUMNS = [field.name for field in fields(Record)]


def read_manifest(path: Path) -> dict[int, Record]:
    """Read a manifest.csv as records by image id; InputError when it is not one."""
    types = dict.fromkeys(COLUMNS, "str") | {"image_id": "int64", "bytes": "int64"}
    remedy = "remove it and run the download again"
    try:
        table = read_csv(path, COLUMNS, dtype=types, keep_default_na=False)
    except InputError:
        raise
    except (ValueError, OverflowError) as error:
        raise InputError(f"{path}: a column holds something else than numbers ({error}); {remedy}") from None
    records = {row["image_id"]: Record(**row) for row in table[COLUMNS].to_dict("records")}
    strange = [f"{record.image_id} has {record.file!r}" for record in records.values() if not _well_formed(record)]
    if strange:
        raise InputError(
            f"{path}: {len(strange)} row(s) are not as the download writes them: {listing(strange)}; {remedy}"
        )
    return records


def write_manifest(records: Iterable[Record], path: Path) -> None:
    """Write the records as a table, in the order given."""
    write_csv(pd.DataFrame([asdict(record) for record in records], columns=COLUMNS), path)


class Journal:
    """An append-only file of records beside the manifest, so that a killed run loses nothing it has fetched.

    Each run writes its own; every run reads all of them. A record is noted before its file gets its final name, so a
    file with a final name is always known to some journal.
    """

    def __init__(self, folder: Path) -> None:
        self._stream = open(folder / f".manifest.{uuid4().hex[:12]}.journal", "ab", buffering=0)  # noqa: SIM115
        self._lock = Lock()

    def note(self, record: Record) -> None:
        """Append one record. It is out of this process on return, and survives its death."""
        line = json.dumps(asdict(record)).encode() + b"\n"
        with self._lock:
            self._stream.write(line)

    def close(self) -> None:
        self._stream.close()


def journals(folder: Path) -> list[Path]:
    """The journals in `folder`, finished or not, in a fixed order."""
    return sorted(folder.glob(".manifest.*.journal"))


def read_journals(folder: Path) -> dict[int, Record]:
    """All records noted in `folder`, by image id. Lines cut short by a kill or a full disk are passed over."""
    records: dict[int, Record] = {}
    for path in journals(folder):
        with contextlib.suppress(FileNotFoundError):
            for line in path.read_bytes().splitlines():
                with contextlib.suppress(ValueError, TypeError):
                    record = Record(**json.loads(line))
                    if _well_formed(record):
                        records[record.image_id] = record
    return records


def remove_journals(folder: Path) -> None:
    """Remove every journal, another run's too: that one only loses its protection against being killed."""
    for path in journals(folder):
        with contextlib.suppress(OSError):
            os.unlink(path)


def one_line(text: str) -> str:
    """`text` as a cell of a table: what is not printable is escaped."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def _well_formed(record: Record) -> bool:
    return record.status == "failed" or (record.status == "ok" and bool(OWN_FILE.fullmatch(record.file)))
