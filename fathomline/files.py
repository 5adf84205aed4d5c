"""Files that are either whole or absent, and byte for byte the same for the same content."""

import csv
import hashlib
import io
import json
import math
import os
import re
import socket
import stat
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from uuid import uuid4

import pandas as pd

from fathomline.errors import InputError, listing

ABANDONED = 3600.0
"""Seconds after which an untouched temporary file is removed, where it cannot be told whether its writer still runs."""

_TEMPORARY = re.compile(r"\..+\.(?P<place>[0-9a-f]{8})-(?P<pid>[0-9]+)-[0-9a-f]{12}\.part")
_SPECIAL = {
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}
_UMASK = os.umask(0)
os.umask(_UMASK)
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r]")  # noqa: RUF001 (spreadsheets read the wide signs too)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on leaving without an error, flush it and rename it to `path`.

    Only a regular file is replaced. Where `path` is a symbolic link, the link itself is replaced by the new file, and
    what it pointed to stays as it was: DVC may link an output to its cache, and the cache must never change.

    The temporary name is unique, so that two processes never write into one file. It starts with a dot, ends in
    `.part` and names its writer, so that the next process to write in this folder can remove what a killed one left.

    Raises InputError when `path` is a folder, a device, a pipe or a socket, or when a file is in the place of its
    folder; OSError with the name of `path` when it cannot be written.
    """
    _make_folder(path)
    _refuse_special(path)
    _remove_abandoned(path.parent.absolute())
    temporary = path.with_name(f".{path.name}.{_place()}-{os.getpid()}-{uuid4().hex[:12]}.part")
    try:
        yield temporary
        with open(temporary, "rb") as stream:
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_UMASK)  # safetensors makes files that only their owner may read
        os.replace(temporary, path)
    except OSError as error:
        # A full disk names no file when an open file is written, and the original when a file is copied. The
        # temporary name means nothing to a reader.
        if error.filename is None or str(temporary) in (str(error.filename), str(error.filename2)):
            error.filename, error.filename2 = str(path), None
        raise
    except Exception as error:
        # safetensors has an exception of its own for a full disk. Importing it here would slow down every stage.
        if type(error).__name__ == "SafetensorError" and (found := re.search(r"\(os error (\d+)\)", str(error))):
            number = int(found[1])
            raise OSError(number, os.strerror(number), str(path)) from error
        raise
    finally:
        with suppress(OSError):  # on a read-only file system, even removing a missing file fails
            temporary.unlink(missing_ok=True)


def write_json(content: object, path: Path) -> None:
    """Write `content` as indented UTF-8 JSON; NaN and infinity, which JSON lacks, raise ValueError."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    with written_whole(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> object:
    """Read a JSON file as strictly as JSON is defined.

    Raises InputError naming the file when it is missing, unreadable or malformed, nests too deeply, repeats a key in
    an object, or has numbers or characters that no JSON file can hold (NaN, Infinity, 1e999, half a surrogate pair).
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(
            text, parse_constant=_finite, parse_float=_finite, object_pairs_hook=_object_of_different_keys
        )
        if re.search(r"\\u[dD][89a-fA-F]", text):
            json.dumps(content, ensure_ascii=False).encode()
    except OSError as error:
        raise InputError(_unreadable(path, error)) from None
    except RecursionError:
        raise InputError(f"{path}: not JSON that can be read: it is nested too deeply") from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({_one_line(error)}); expected a JSON text in UTF-8") from None
    return content


def write_sealed_json(content: dict[str, object], path: Path) -> None:
    """Write `content` with its own checksum under the key `sha256`, so that its reader notices an edit."""
    write_json(content | {"sha256": content_digest(content)}, path)


def content_digest(content: dict[str, object]) -> str:
    """SHA-256, in hexadecimal, of JSON content, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write `table` without its index, every cell exactly as it is, with Unix line ends on every system."""
    with written_whole(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def write_report_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table that people open in a spreadsheet and that no stage reads back.

    A text that a spreadsheet would run as a formula gets an apostrophe in front, in cells and in the header. Numbers
    stay as they are.
    """
    shown = table.rename(columns=_inert)
    for place, kind in enumerate(shown.dtypes):
        if not pd.api.types.is_numeric_dtype(kind):
            shown.isetitem(place, shown.iloc[:, place].astype(object).map(_inert))
    write_csv(shown, path)


def read_csv(path: Path, columns: list[str], **options) -> pd.DataFrame:
    """Read a CSV in UTF-8 that must have `columns`; `options` go to `pandas.read_csv`.

    Raises InputError naming the file when it is missing, unreadable or no CSV, lacks a column, or has two columns of
    one name.
    """
    try:
        content = path.read_bytes()  # once: what a shell passes as <(command) cannot be read twice
        rows = csv.reader(io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline=""))
        header = next((row for row in rows if row), [])
        with warnings.catch_warnings():
            # A row longer than the header would otherwise be cut short, or shift all columns by one.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(io.BytesIO(content), index_col=False, **options)
    except OSError as error:
        raise InputError(_unreadable(path, error)) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a CSV in UTF-8 ({error})") from None
    except (csv.Error, pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: not a CSV, or a row is longer than the header ({_one_line(error)})") from None
    repeated = _repeated(header)
    if repeated:
        # pandas would rename the second one, and which of the two was meant could not be told.
        raise InputError(f"{path}: the header repeats the column(s) {listing(repeated)}; expected each name once")
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise InputError(f"{path}: lacks the column(s) {', '.join(missing)}; it has {listing(table.columns, 30)}")
    return table


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; InputError when it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(_unreadable(path, error)) from None


def code_of(*patterns: str) -> bytes:
    """The source files of this package that match, for keys of caches that depend on code.

    Raises LookupError for a pattern that matches none: after a file has moved, its cache would outlive its changes.
    """
    folder = Path(__file__).parent
    sources = [sorted(folder.glob(pattern)) for pattern in patterns]
    if not all(sources):
        raise LookupError(f"no source file of {folder} matches one of {patterns}")
    return b"".join(source.read_bytes() for matching in sources for source in matching)


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        outermost_first = reversed(path.parents)
        obstacle = next((parent for parent in outermost_first if parent.exists() and not parent.is_dir()), path.parent)
        raise InputError(
            f"{path}: cannot be written, because {obstacle} is not a folder; move that away or choose another name"
        ) from None


def _refuse_special(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return  # a new name, or a link to nothing
    if not stat.S_ISREG(mode):
        kind = _SPECIAL.get(stat.S_IFMT(mode), "not a file")
        raise InputError(f"{path} is {kind}, expected a file or a new name")
    folder = path.absolute().parent.resolve()
    if path.is_symlink() and any(folder.is_relative_to(system) for system in ("/dev", "/proc")):
        raise InputError(f"{path} belongs to the operating system, expected a file or a new name")


@cache
def _remove_abandoned(folder: Path) -> None:
    """Remove the temporary files of processes that were killed: once per folder, as folders of frames are long."""
    try:
        names = os.listdir(folder)
    except PermissionError:
        return  # a folder may be open for writing and closed for listing
    for name in names:
        found = _TEMPORARY.fullmatch(name)
        if found and _is_abandoned(folder / name, found["place"], int(found["pid"])):
            with suppress(PermissionError):  # another user's file in a shared folder
                (folder / name).unlink(missing_ok=True)


def _is_abandoned(path: Path, place: str, pid: int) -> bool:
    if place == _place() and sys.platform != "win32":  # on Windows, signal 0 is Ctrl-C
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except (PermissionError, OverflowError):
            pass  # another user's process, or no number of a process: its age decides
    try:
        return time.time() - path.stat().st_mtime > ABANDONED
    except FileNotFoundError:
        return False


@cache
def _place() -> str:
    """Where process numbers mean the same: this host, and within it this container."""
    try:
        container = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        container = ""
    return hashlib.sha256(f"{socket.gethostname()} {container}".encode()).hexdigest()[:8]


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is not a number in JSON")
    return value


def _object_of_different_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError(f"an object repeats the key(s) {listing(_repeated(key for key, _ in pairs))}")
    return content


def _repeated(names: Iterable[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _inert(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    escaped = cell.replace("\r", "\\r")  # pandas does not quote it, and readers would start a new row there
    return f"'{escaped}" if _FORMULA.match(cell) else escaped


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _unreadable(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path}: no such file"
    return f"{path}: cannot be read: {error.strerror or error}; expected a file"
