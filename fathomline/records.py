"""Readers of the files that stages write: each file is checked against a schema, and every fault is reported."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any, TypeVar

import pandas as pd
from annotated_types import Interval
from pydantic import AfterValidator, BeforeValidator, FiniteFloat, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from fathomline.errors import InputError, listing, shown
from fathomline.files import content_digest, read_csv, read_json

Record = TypeVar("Record")

INT64_MAX = 2**63 - 1

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)


def _whole(text: object) -> int:
    if not isinstance(text, str) or not _WHOLE.fullmatch(text):
        raise ValueError("a 64-bit integer")
    return int(text)


def _decimal(text: object) -> float:
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise ValueError("a finite number")
    return float(text)


def _decimal_or_empty(text: object) -> float:
    return math.nan if text == "" else _decimal(text)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("text without control characters")
    return text


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("non-empty text")
    return text


Whole = Annotated[int, Interval(ge=-INT64_MAX, le=INT64_MAX), BeforeValidator(_whole)]
"""A cell with a 64-bit integer: 17, not 017, 17.0 or +17."""

Number = Annotated[FiniteFloat, BeforeValidator(_decimal)]
"""A cell with a finite number."""

Gap = Annotated[float, BeforeValidator(_decimal_or_empty)]
"""A cell with a finite number, or an empty cell, which is read as NaN."""

Text = Annotated[str, AfterValidator(_printable)]
"""A cell with text that prints on one line, possibly empty."""

Name = Annotated[Text, AfterValidator(_filled)]
"""A cell with text that prints on one line and is not empty."""


def read_table(path: Path, schema: Mapping[str, Any], remedy: str, *, may_be_empty: bool = False) -> pd.DataFrame:
    """Read a CSV and convert the columns that `schema` names to the types it gives; other columns stay text.

    `remedy` says what to do about a damaged file. Raises InputError in one line, with rows numbered as in a
    spreadsheet, when the file cannot be read, has no rows unless it `may_be_empty`, or has a cell of the wrong type.
    """
    try:
        table = read_csv(path, list(schema), dtype=str, keep_default_na=False, na_filter=False)
    except InputError as error:
        raise InputError(f"{error}; {remedy}") from None
    if table.empty and not may_be_empty:
        raise InputError(f"{path}: no rows, expected at least one; {remedy}")
    check_columns(path, table, schema, remedy)
    return table


def check_columns(path: Path, table: pd.DataFrame, schema: Mapping[str, Any], remedy: str) -> None:
    """Convert columns of `table`, read from `path` as text, in place to the types that `schema` gives.

    Raises InputError in one line that names every column with cells of the wrong type, and the first ten cells.
    """
    faults = []
    for column, kind in schema.items():
        list_of_kind: Any = GenericAlias(list, kind)
        try:
            table[column] = TypeAdapter(list_of_kind).validate_python(table[column].tolist())
        except ValidationError as error:
            faults.append(_column_fault(column, error))
    if faults:
        raise InputError(f"{path}: {'; '.join(faults)}; {remedy}")


def refuse_rows(path: Path, wrong: pd.Series, fault: str, remedy: str) -> None:
    """Raise InputError if any of `wrong`, (rows,) bool, is true, naming the rows of the table at `path`.

    `fault` completes the phrase "3 row(s) …".
    """
    rows = wrong.to_numpy().nonzero()[0]
    if len(rows):
        raise InputError(f"{path}: {len(rows)} row(s) {fault}: row {listing(rows + 2)}; {remedy}")


def read_record(path: Path, cls: type[Record], remedy: str) -> Record:
    """Read a JSON object as a `section` dataclass.

    Raises InputError in one line that names every key that is unknown, missing or of the wrong type.
    """
    return _parsed(_read_object(path, remedy), cls, path, remedy)


def read_sealed_record(path: Path, cls: type[Record], remedy: str) -> Record:
    """Read what `write_sealed_json` wrote, as `read_record` does; also InputError if the file was changed since."""
    return parse_sealed_record(_read_object(path, remedy), cls, path, remedy)


def parse_sealed_record(content: object, cls: type[Record], path: Path, remedy: str) -> Record:
    """Parse the JSON `content` of `path`. Raises InputError as `read_sealed_record` does."""
    content = dict(_object(content, path, remedy))
    seal = content.pop("sha256", None)
    record = _parsed(content, cls, path, remedy)
    if seal != content_digest(content):
        raise InputError(f"{path}: changed since it was written: `sha256` does not match; {remedy}")
    return record


def _read_object(path: Path, remedy: str) -> dict[str, Any]:
    try:
        content = read_json(path)
    except InputError as error:
        raise InputError(f"{error}; {remedy}") from None
    return _object(content, path, remedy)


def _object(content: object, path: Path, remedy: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object, found {shown(content)}; {remedy}")
    return content


def _parsed(content: dict[str, Any], cls: type[Record], path: Path, remedy: str) -> Record:
    try:
        # Validated as JSON, because a strict dataclass accepts a list for a tuple only there.
        return TypeAdapter(cls).validate_json(json.dumps(content))
    except ValidationError as error:
        raise InputError(f"{path}: {'; '.join(_key_faults(error))}; {remedy}") from None


def _column_fault(column: str, error: ValidationError) -> str:
    errors = error.errors(include_url=False)
    places = listing(f"row {int(fault['loc'][0]) + 2} has {shown(fault['input'])}" for fault in errors)
    return f"{len(errors)} cell(s) of `{column}` should be {_expected(errors[0])}: {places}"


def _key_faults(error: ValidationError) -> Iterable[str]:
    for fault in error.errors(include_url=False):
        key = listing([".".join(map(str, fault["loc"]))])
        if fault["type"] in ("unexpected_keyword_argument", "dataclass_extra_forbidden"):
            yield f"`{key}` is not a key of this file"
        elif fault["type"] in ("missing", "missing_argument"):
            yield f"`{key}` is missing"
        else:
            yield f"`{key}` is {shown(fault['input'])}, expected {_expected(fault)}"


def _expected(fault: ErrorDetails) -> str:
    return re.sub(r"^(Input should be|Value error,) ", "", fault["msg"])
