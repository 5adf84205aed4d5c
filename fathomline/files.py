"""Files that are either whole or absent, and byte for byte the same for the same content."""

import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pandas as pd

from fathomline.errors import InputError


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on leaving without an error, flush it and rename it to `path`.

    The temporary name is unique, so that two processes never write into one file, and starts with a dot and
    ends in `.part`, so that what a killed process leaves can be recognised.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:12]}.part")
    try:
        yield temporary
        with open(temporary, "rb") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        # Writing to an open file, a full disk names no file.
        error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_json(content: object, path: Path) -> None:
    """Write `content` as indented UTF-8 JSON; NaN and infinity, which JSON lacks, raise ValueError."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    with written_whole(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> object:
    """Read a JSON file; InputError names the file and the place when it is missing or malformed."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(_unreadable(path, error)) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not JSON ({error}); expected a JSON text in UTF-8") from None


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write `table` without its index, with Unix line ends on every system."""
    with written_whole(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def read_csv(path: Path, columns: list[str], **options) -> pd.DataFrame:
    """Read a CSV that must have `columns`; InputError names the file and what it lacks."""
    try:
        with warnings.catch_warnings():
            # A row longer than the header would otherwise be cut short, or shift all columns by one.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(path, index_col=False, **options)
    except OSError as error:
        raise InputError(_unreadable(path, error)) from None
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a CSV, or a row is longer than the header ({error})") from None
    missing = [column for column in columns if column not in table.columns]
    if missing:
        found = ", ".join(map(str, table.columns))
        raise InputError(f"{path}: lacks the column(s) {', '.join(missing)}; it has {found}")
    return table


def _unreadable(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path}: no such file"
    return f"{path}: cannot be read: {error.strerror or error}; expected a file"
