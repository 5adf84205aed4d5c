"""Read files strictly, and write them atomically: the same content gives the same bytes."""

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
from typing import Any
from uuid import uuid4

import pandas as pd

from fathomline.errors import InputError, listing

ABANDONED = 3600.0
"""Age in seconds at which a temporary file is removed if we cannot find out whether its writer still runs."""

_TEMPORARY = re.compile(r"\..+\.(?P<host>[0-9a-f]{8})-(?P<pid>[0-9]+)-[0-9a-f]{12}\.part")
_SPECIAL = {
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}
_UMASK = os.umask(0)
os.umask(_UMASK)
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r]")  # noqa: RUF001 (spreadsheets accept full-width signs too)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; if no error occurs, flush the file there and rename it to `path`.

    Only a regular file is replaced. If `path` is a symbolic link, the new file replaces the link and its target stays
    unchanged: DVC may link an output to its cache, and the cache must never change.

    The temporary name is unique, so that two processes never write to the same file. It starts with a dot, ends in
    `.part` and identifies its writer, so that the next process to write in this folder can remove the file if its
    writer was killed.

    Raises InputError when `path` is a folder, a device, a pipe or a socket, or when its parent is not a folder;
    OSError with the name of `path` when it cannot be written.
    """
    _make_folder(path)
    _refuse_special(path)
    _remove_abandoned(path.parent.absolute())
    temporary = path.with_name(f".{path.name}.{_host()}-{os.getpid()}-{uuid4().hex[:12]}.part")
    try:
        yield temporary
        with open(temporary, "rb") as stream:
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_UMASK)  # safetensors creates files that only their owner may read
        os.replace(temporary, path)
    except OSError as error:
        # On a full disk, the error has no file name after a write, and the source's name after a copy. The temporary
        # name means nothing to the user.
        if error.filename is None or str(temporary) in (str(error.filename), str(error.filename2)):
            error.filename, error.filename2 = str(path), None
        raise
    except Exception as error:
        # safetensors raises its own exception on a full disk. Importing it here would slow down every stage.
        if type(error).__name__ == "SafetensorError" and (found := re.search(r"\(os error (\d+)\)", str(error))):
            number = int(found[1])
            raise OSError(number, os.strerror(number), str(path)) from error
        raise
    finally:
        with suppress(OSError):  # on a read-only file system, even removing a missing file fails
            temporary.unlink(missing_ok=True)


def write_json(content: object, path: Path) -> None:
    """Write `content` as indented UTF-8 JSON. Raises ValueError for NaN and infinity, which JSON lacks."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    with written_whole(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> object:
    """Read a JSON file, accepting nothing that the JSON standard does not define.

    Raises InputError naming the file when it is missing, unreadable or malformed, is nested too deeply, repeats a key
    in an object, or contains an invalid number or character (NaN, Infinity, 1e999, half a surrogate pair).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(_unreadable(path, error)) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not JSON ({_one_line(error)}); expected JSON in UTF-8") from None
    return parse_json(text, path)


def parse_json(text: str, path: Path) -> object:
    """Parse JSON that was read from `path`. Raises InputError as `read_json` does."""
    try:
        content = json.loads(
            text, parse_constant=_finite, parse_float=_finite, object_pairs_hook=_object_with_unique_keys
        )
        if re.search(r"\\u[dD][89a-fA-F]", text):
            json.dumps(content, ensure_ascii=False).encode()
    except RecursionError:
        raise InputError(f"{path}: not JSON that can be read: it is nested too deeply") from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({_one_line(error)}); expected JSON in UTF-8") from None
    return content


def read_user_file(path: Path, expected: str) -> bytes:
    """The content of a file of the user's. Raises InputError, naming what was `expected`, if it cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected {expected}") from None
    except (OSError, ValueError) as error:  # a path that contains a NUL raises ValueError
        cause = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({cause}); expected {expected}") from None


def write_sealed_json(content: dict[str, object], path: Path) -> None:
    """Write `content` with its own checksum under the key `sha256`, so that readers can detect an edit."""
    write_json(content | {"sha256": content_digest(content)}, path)


def content_digest(content: dict[str, object]) -> str:
    """Return the SHA-256 of JSON content in hexadecimal; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write `table` without its index, cells unchanged, with Unix line endings on every system."""
    with written_whole(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def write_report_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table that people open in a spreadsheet and that no stage reads back.

    Text that a spreadsheet would run as a formula gets a leading apostrophe, in cells and in the header. Numbers stay
    unchanged.
    """
    escaped = table.rename(columns=without_formula)
    for place, dtype in enumerate(escaped.dtypes):
        if not pd.api.types.is_numeric_dtype(dtype):
            cells = [without_formula(cell) for cell in escaped.iloc[:, place]]
            escaped.isetitem(place, pd.Series(cells, escaped.index, dtype=object))  # or 1 beside None becomes 1.0
    write_csv(escaped, path)


def without_formula(cell: object) -> object:
    """The cell of a table; text that a spreadsheet would run as a formula gets a leading apostrophe."""
    if not isinstance(cell, str):
        return cell
    escaped = cell.replace("\r", "\\r")  # pandas does not quote it, and readers would start a new row
    return f"'{escaped}" if _FORMULA.match(cell) else escaped


def read_csv(path: Path, columns: list[str], **options: Any) -> pd.DataFrame:
    """Read a UTF-8 CSV that must have `columns`; `options` are passed to `pandas.read_csv`.

    Raises InputError naming the file when it is missing, unreadable or not a CSV, lacks a column, or repeats a column
    name.
    """
    try:
        content = path.read_bytes()  # read once, because a shell's <(command) cannot be read twice
        rows = csv.reader(io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline=""))
        header = next((row for row in rows if row), [])
        with warnings.catch_warnings():
            # Without this, pandas truncates a row longer than the header, or shifts all columns by one.
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
        # pandas would rename the second one, although the first may not be the one that was meant.
        raise InputError(f"{path}: the header repeats the column(s) {listing(repeated)}; expected each name once")
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise InputError(f"{path}: lacks the column(s) {', '.join(missing)}; the file has {listing(table.columns, 30)}")
    return table


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal. Raises InputError when it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(_unreadable(path, error)) from None


def code_of(*patterns: str) -> bytes:
    """Return the content of the package's source files that match, for cache keys that depend on code.

    Raises LookupError for a pattern without a match: it may name a moved file, whose changes would go unnoticed.
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
            f"{path}: cannot be written, because {obstacle} is not a folder; move it away or choose another name"
        ) from None


def _refuse_special(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return  # a new name, or a broken link
    if not stat.S_ISREG(mode):
        kind = _SPECIAL.get(stat.S_IFMT(mode), "not a file")
        raise InputError(f"{path} is {kind}, expected a file or a new name")
    folder = path.absolute().parent.resolve()
    if path.is_symlink() and any(folder.is_relative_to(system) for system in ("/dev", "/proc")):
        raise InputError(f"{path} belongs to the operating system, expected a file or a new name")


@cache
def _remove_abandoned(folder: Path) -> None:
    """Remove temporary files of killed processes, once per folder, because listing a folder of frames takes long."""
    try:
        names = os.listdir(folder)
    except PermissionError:
        return  # a folder may be writable but not readable
    for name in names:
        found = _TEMPORARY.fullmatch(name)
        if found and _is_abandoned(folder / name, found["host"], int(found["pid"])):
            with suppress(PermissionError):  # another user's file in a shared folder
                (folder / name).unlink(missing_ok=True)


def _is_abandoned(path: Path, host: str, pid: int) -> bool:
    if host == _host() and sys.platform != "win32":  # on Windows, signal 0 is Ctrl-C
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except (PermissionError, OverflowError):
            pass  # another user's process, or not a valid process id: decide by age
    try:
        return time.time() - path.stat().st_mtime > ABANDONED
    except FileNotFoundError:
        return False


@cache
def _host() -> str:
    """A hash of this host and container: process ids are unique only within them."""
    try:
        container = os.readlink("/proc/self/ns/pid")
    except OSError:  # not Linux
        container = ""
    return hashlib.sha256(f"{socket.gethostname()} {container}".encode()).hexdigest()[:8]


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is not a valid JSON number")
    return value


def _object_with_unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError(f"an object repeats the key(s) {listing(_repeated(key for key, _ in pairs))}")
    return content


def _repeated(names: Iterable[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _unreadable(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path}: no such file"
    return f"{path}: cannot be read: {error.strerror or error}; expected a file"
