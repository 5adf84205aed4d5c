"""Readers of the files that stages write: each is checked against one schema, and every fault is named."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pandas as pd
from annotated_types import Interval
from pydantic import AfterValidator, BeforeValidator, FiniteFloat, TypeAdapter, ValidationError

from fathomline.errors import InputError, listing, shown
from fathomline.files import content_digest, read_csv, read_json

Record = TypeVar("Record")

MOST = 2**63 - 1
"""Whole numbers are 64-bit in every table."""

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)


def _whole(text: object) -> int:
    if not isinstance(text, str) or not _WHOLE.fullmatch(text):
        raise ValueError("a whole number of 64 bits")
    return int(text)


def _decimal(text: object) -> float:
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise ValueError("a finite number")
    return float(text)


def _decimal_or_nothing(text: object) -> float:
    return math.nan if text == "" else _decimal(text)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("a text without control characters")
    return text


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("a text that is not empty")
    return text


Whole = Annotated[int, Interval(ge=-MOST, le=MOST), BeforeValidator(_whole)]
"""A cell with a whole number of 64 bits: 17, not 017, 17.0 or +17."""

Number = Annotated[FiniteFloat, BeforeValidator(_decimal)]
"""A cell with a finite number."""

Gap = Annotated[float, BeforeValidator(_decimal_or_nothing)]
"""A cell with a finite number, or with nothing, which is NaN."""

Text = Annotated[str, AfterValidator(_printable)]
"""A cell with a text that prints on one line, possibly empty."""

Name = Annotated[Text, AfterValidator(_filled)]
"""A cell with a text that prints on one line and is not empty."""


def read_table(path: Path, schema: Mapping[str, Any], remedy: str) -> pd.DataFrame:
    """Read a CSV whose cells in each column are of the type that `schema` gives it; columns beyond it stay text.

    `remedy` says what to do about a damaged file. Raises InputError in one line, with the row as a spreadsheet counts
    it, when the file cannot be read, has no rows, or has a cell of another type.
    """
    try:
        table = read_csv(path, list(schema), dtype=str, keep_default_na=False, na_filter=False)
    except InputError as error:
        raise InputError(f"{error}; {remedy}") from None
    if table.empty:
        raise InputError(f"{path}: no rows, expected at least one; {remedy}")
    check_columns(path, table, schema, remedy)
    return table


def check_columns(path: Path, table: pd.DataFrame, schema: Mapping[str, Any], remedy: str) -> None:
    """Turn the texts in the columns of `table`, read from `path`, into what `schema` says, in place.

    Raises InputError in one line that names every cell of another type.
    """
    faults = []
    for column, kind in schema.items():
        try:
            table[column] = TypeAdapter(list[kind]).validate_python(table[column].tolist())
        except ValidationError as error:
            faults.append(_column_fault(column, error))
    if faults:
        raise InputError(f"{path}: {'; '.join(faults)}; {remedy}")


def refuse_rows(path: Path, wrong: pd.Series, fault: str, remedy: str) -> None:
    """Raise InputError naming the rows of the table at `path` where `wrong` (rows,) bool is true, if there are any.

    `fault` continues "3 row(s) …".
    """
    rows = wrong.to_numpy().nonzero()[0]
    if len(rows):
        raise InputError(f"{path}: {len(rows)} row(s) {fault}: row {listing(rows + 2)}; {remedy}")


def read_record(path: Path, cls: type[Record], remedy: str) -> Record:
    """Read a JSON object as a `section` dataclass, which takes no unknown, missing or mistyped key.

    Raises InputError in one line that names every fault.
    """
    return _parsed(_read_object(path, remedy), cls, path, remedy)


def read_sealed_record(path: Path, cls: type[Record], remedy: str) -> Record:
    """Read what `write_sealed_json` wrote; as `read_record`, and InputError when the file was changed since."""
    content = _read_object(path, remedy)
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
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object, found {shown(content)}; {remedy}")
    return content


def _parsed(content: dict[str, Any], cls: type[Record], path: Path, remedy: str) -> Record:
    try:
        # Read as JSON, which has no tuples: there a list may stand for one, however strict the dataclass.
        return TypeAdapter(cls).validate_json(json.dumps(content))
    except ValidationError as error:
        raise InputError(f"{path}: {'; '.join(_key_faults(error))}; {remedy}") from None


def _column_fault(column: str, error: ValidationError) -> str:
    errors = error.errors(include_url=False)
    places = listing(f"row {fault['loc'][0] + 2} has {shown(fault['input'])}" for fault in errors)
    return f"{len(errors)} cell(s) of `{column}` are not {_expected(errors[0])}: {places}"


def _key_faults(error: ValidationError) -> Iterable[str]:
    for fault in error.errors(include_url=False):
        key = listing([".".join(map(str, fault["loc"]))])
        if fault["type"] in ("unexpected_keyword_argument", "dataclass_extra_forbidden"):
            yield f"`{key}` is not a key of this file"
        elif fault["type"] in ("missing", "missing_argument"):
            yield f"`{key}` is missing"
        else:
            yield f"`{key}` is {shown(fault['input'])}, expected {_expected(fault)}"


def _expected(fault: dict) -> str:
    return re.sub(r"^(Input should be|Value error,) ", "", fault["msg"])
