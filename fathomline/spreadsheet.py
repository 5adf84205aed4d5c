"""Tables as spreadsheets save them: any of the usual separators and encodings, headers without regard to case."""

import codecs
import csv
import io
import math
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

from fathomline.errors import InputError, listing, shown
from fathomline.files import read_user_file
from fathomline.progress import warning

SEPARATORS = ",;\t"

REMEDY = "save it as CSV UTF-8, which spreadsheets offer when saving"

_WORKBOOKS = {b"PK\x03\x04": "a workbook (.xlsx, .ods, .numbers) or a .zip", b"\xd0\xcf\x11\xe0": "a workbook (.xls)"}
"""The first bytes of files that are no text."""
_BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SAMPLE = 4096
"""Bytes by which to tell UTF-16 without a byte order mark."""
_ESCAPED = re.compile(r"^'(?=\s*[=+\-@＝＋－＠]|[\t\r])")  # noqa: RUF001 (spreadsheets accept full-width signs too)
"""The apostrophe that our own CSVs put before a text that a spreadsheet would run as a formula."""
_HEADER_LENGTH = 100_000
"""Characters by which to tell the separator."""
csv.field_size_limit(2**24)  # characters of a cell: the outlines of masks have more than Python's 131,072
_CELL_LIMITS = (*SEPARATORS, "\r", "\n", '"')
_SEPARATOR_LINE = re.compile(r"sep=([,;|\t])\r?\n", re.IGNORECASE)
"""A first line that declares the separator to Excel, which does not show it as a row."""


class TableRow(NamedTuple):
    """One row with at least one cell that is not empty."""

    number: int
    """The number of the row in a spreadsheet; the header is row 1, unless empty rows precede it."""

    cells: dict[str, str]
    """The cells by column name, without surrounding spaces; empty where the row is shorter than the header."""

    extra: list[str]
    """The cells beyond the header that are not empty."""


@dataclass(frozen=True)
class Table:
    """A table whose cells are text, read row by row."""

    path: Path

    columns: tuple[str, ...]
    """The names in the header as the file spells them, without surrounding spaces; some may be empty."""

    separator: str

    _text: str = field(repr=False)

    def find(self, *names: str) -> str | None:
        """The column that the file has under any of `names`, as the file spells it; None if it has none of them."""
        return next((self.columns[place] for name in names if (place := self._place(name)) is not None), None)

    def lacking(self, names: Collection[str]) -> list[str]:
        """Those of `names` that the header lacks."""
        return [name for name in names if self._place(name) is None]

    def rows(self, names: Sequence[str] | None = None) -> Iterator[TableRow]:
        """The rows below the header that are not empty, with the columns that are in `names` (None: all).

        Columns are matched as `column_key` does; `cells` has the spelling of `names`. A row may be shorter than the
        header, because Excel leaves out separators behind the last filled cell. Raises InputError for broken quotes.
        """
        wanted = [name for name in self.columns if name] if names is None else names
        places = [(name, place) for name in wanted if (place := self._place(name)) is not None]
        width = len(self.columns)
        longest = max((place for _, place in places), default=-1)
        for number, cells in self.records():
            if len(cells) <= longest:
                cells = cells + [""] * (longest + 1 - len(cells))
            named = {name: cells[place].strip() for name, place in places}
            for name, cell in named.items():
                if cell[:1] == "'":
                    named[name] = _ESCAPED.sub("", cell)
            extra = [cell for cell in cells[width:] if cell.strip()] if len(cells) > width else []
            yield TableRow(number, named, extra)

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """The number and the unchanged cells of each row below the header that is not empty.

        Raises InputError for broken quotes.
        """
        records = _records(self._text, self.separator, self.path)
        next(records)
        return records

    def number(self, text: str) -> float | None:
        """The finite number in a cell; None if it is none. A decimal comma is one unless commas separate the cells."""
        try:
            value = float(text)
        except ValueError:
            if self.separator == "," or not re.fullmatch(r"[+-]?\d*,\d*([eE][+-]?\d+)?", text):
                return None
            return self.number(text.replace(",", "."))
        return value if math.isfinite(value) and "_" not in text else None

    def _place(self, name: str) -> int | None:
        return self._places.get(column_key(name))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {column_key(name): place for place, name in enumerate(self.columns) if column_key(name)}


def read_table(path: Path, expected: str, known: Collection[str] = ()) -> Table:
    """Read a table, however a spreadsheet saved it.

    Cells are separated by comma, semicolon or tab, and in UTF-8, UTF-16 or Windows-1252; the last is a guess, which a
    warning reports. Empty rows above the header are skipped.

    Args:
        expected: what the file should be, for messages.
        known: names of columns by which to tell the separator if the header has several.
    Raises InputError if the file cannot be read, is empty or no text, or repeats a column name.
    """
    text = _decoded(_content(path, expected), path)
    declared = _SEPARATOR_LINE.match(text)
    if declared:
        text = text[declared.end() :]
    separator = declared[1] if declared else _sniffed(text, known)
    header = next(_records(text, separator, path), None)
    if header is None:
        raise InputError(f"{path}: the file is empty; expected {expected}")
    columns = tuple(name.strip() for name in header[1])
    keys = [key for name in columns if (key := column_key(name))]
    if not keys:
        raise InputError(f"{path}: the header has no names; expected {expected}")
    repeated = sorted({name.lower() for name in columns if keys.count(column_key(name)) > 1})
    if repeated:
        raise InputError(
            f"{path}: the header repeats the column(s) {listing(repeated)}; expected each name once, without regard to "
            "case, spaces and underscores; rename or remove all but one"
        )
    return Table(path, columns, separator, text)


def column_key(name: str) -> str:
    """The form by which to compare names of columns: `AphiaID`, `aphia_id` and ` Aphia ID` are one."""
    return "".join(character for character in name.casefold() if character.isalnum())


def _records(text: str, separator: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows with at least one cell that is not empty, the header included, each with its number."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for number, row in enumerate(reader, start=1):
            if "".join(row).strip():
                yield number, row
    except csv.Error as error:
        raise InputError(
            f"{path}: not a CSV: line {reader.line_num}: {error}; check the quotes up to there, or {REMEDY}"
        ) from None


def _sniffed(text: str, known: Collection[str]) -> str:
    """The separator by which the header has most of the `known` names, and then the most cells."""
    keys = {column_key(name) for name in known}

    def evidence(separator: str) -> tuple[int, int]:
        reader = csv.reader(io.StringIO(text[:_HEADER_LENGTH], newline=""), delimiter=separator)
        try:
            header = next((row for row in reader if "".join(row).strip()), [])
        except csv.Error:
            header = []
        return len(keys & set(map(column_key, header))), len(header)

    return max(SEPARATORS, key=evidence)


def _content(path: Path, expected: str) -> bytes:
    content = read_user_file(path, expected)  # once, because a shell's <(command) cannot be read twice
    kind = next((kind for start, kind in _WORKBOOKS.items() if content.startswith(start)), None)
    if kind is not None:
        raise InputError(f"{path}: {kind}, expected {expected}; open it in its program and {REMEDY}")
    return content


def _decoded(content: bytes, path: Path) -> str:
    encoding = _encoding(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            raise InputError(f"{path}: damaged text in {encoding.upper()}; {REMEDY}") from None
        text = _windows_1252(content, path)
    if "\0" in text:
        raise InputError(f"{path}: not text in UTF-8, UTF-16 or Windows-1252; {REMEDY}")
    return text


def _encoding(content: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return encoding
    # A table has many letters, separators and digits, whose upper byte in UTF-16 is 0.
    even, odd = content[:_SAMPLE:2].count(0), content[1:_SAMPLE:2].count(0)
    if max(even, odd) * 4 < len(content[:_SAMPLE]) or len(content) % 2:
        return "utf-8"
    return "utf-16-le" if odd > even else "utf-16-be"


def _windows_1252(content: bytes, path: Path) -> str:
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not in UTF-8, UTF-16 or Windows-1252; {REMEDY}") from None
    place = next(match.start() for match in re.finditer(r"[^\0-\x7f]", text))  # bytes beyond ASCII, or it were UTF-8
    start = max(text.rfind(limit, 0, place) for limit in _CELL_LIMITS) + 1
    end = min((found for limit in _CELL_LIMITS if (found := text.find(limit, place)) >= 0), default=len(text))
    _warn_once(
        f"{path}: not in UTF-8; read as Windows-1252, such as {shown(text[start:end].strip())}; if that reads wrong, "
        f"{REMEDY}"
    )
    return text


@cache
def _warn_once(line: str) -> None:
    """A file may be read several times in one run."""
    warning(line)
