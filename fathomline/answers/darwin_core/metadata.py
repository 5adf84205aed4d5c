"""What the user's CSV says about each picture: dates, places, and any other Darwin Core term."""

import difflib
import posixpath
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fathomline.answers.darwin_core.terms import TERMS
from fathomline.answers.darwin_core.values import faults
from fathomline.errors import InputError, listing, shown
from fathomline.files import read_csv

PATH = "path"

WRITTEN_BY_US = (
    *("occurrenceID", "basisOfRecord", "occurrenceStatus", "verbatimIdentification"),
    *("identificationVerificationStatus", "identificationRemarks", "scientificNameID", "scientificName"),
    *("kingdom", "phylum", "class", "order", "family", "genus", "specificEpithet", "infraspecificEpithet", "taxonRank"),
)
"""Terms that follow from the answer: one value for a whole picture would be wrong for some of its ROIs."""


@dataclass(frozen=True)
class Metadata:
    """Darwin Core values for pictures."""

    source: str
    """The file they come from."""
    terms: tuple[str, ...]
    """Terms that have a value for at least one picture, in the order of TERMS."""
    records: Mapping[str, Mapping[str, str]]
    """By path: values by term, without empty ones."""

    def only(self, term: str) -> str | None:
        """The value of `term`, if all pictures share one; otherwise None."""
        values = {record.get(term) for record in self.records.values()}
        return values.pop() if len(values) == 1 else None


class Matching:
    """Finds the record of each picture: by its path, else by its base name if that is unambiguous."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata
        self._by_path = {normal_path(path): path for path in metadata.records}
        names = Counter(map(_base, metadata.records))
        self._by_name = {_base(path): path for path in metadata.records if names[_base(path)] == 1}
        self._pictures: dict[str, str] = {}
        """By path of a used record: the picture that it was used for."""

    def record(self, picture: str) -> Mapping[str, str]:
        """The values for a picture; empty if there are none.

        Raises InputError if two pictures of the same base name would get one record.
        """
        path = self._by_path.get(normal_path(picture)) or self._by_name.get(_base(picture))
        if path is None:
            return {}
        other = self._pictures.setdefault(path, picture)
        if normal_path(other) != normal_path(picture):
            raise InputError(
                f"{self._metadata.source}: path {shown(path)} could mean {shown(other)} or {shown(picture)}; give one "
                "row for each, with its path as in the answers"
            )
        return self._metadata.records[path]

    def unused(self) -> list[str]:
        """The paths of records that no picture used."""
        return [path for path in self._metadata.records if path not in self._pictures]


def read_metadata(path: Path) -> Metadata:
    """Read a CSV with the column `path` and columns named as Darwin Core terms, in any case.

    Raises InputError for a column that is not a term, or that follows from the answers, and for values that are
    impossible, with the first ten of them.
    """
    table = read_csv(path, [], dtype=str, keep_default_na=False, skip_blank_lines=False)
    table = table.set_axis(_terms([str(column) for column in table.columns], path), axis=1)
    for term in table.columns.difference([PATH]):
        table[term] = [" ".join(str(cell).split()) for cell in table[term]]
    table = table[(table != "").any(axis=1)]
    _refuse_faults(table, path)
    records = {
        str(row[PATH]): {str(term): value for term, value in row.items() if value and term != PATH}
        for row in table.to_dict("records")
    }
    used = {term for record in records.values() for term in record}
    return Metadata(str(path), tuple(term for term in TERMS if term in used), records)


def _terms(columns: list[str], path: Path) -> list[str]:
    """The columns as Darwin Core spells them."""
    known = {term.casefold(): term for term in (PATH, *TERMS)}
    unknown = [column for column in columns if column.strip().casefold() not in known]
    if unknown:
        hints = [f"{shown(column)}{_nearest(column, known)}" for column in unknown]
        raise InputError(
            f"{path}: the column(s) {listing(hints)} are not among the Darwin Core terms of an occurrence; correct or "
            "remove them"
        )
    terms = [known[column.strip().casefold()] for column in columns]
    repeated = [term for term, count in Counter(terms).items() if count > 1]
    if PATH not in terms or repeated:
        fault = f"repeats the column(s) {listing(repeated)}" if repeated else f"lacks the column {PATH}"
        raise InputError(f"{path}: {fault}; expected {PATH} and Darwin Core terms, each once")
    ours = [term for term in terms if term in WRITTEN_BY_US]
    if ours:
        raise InputError(f"{path}: the column(s) {listing(ours)} are written from the answers; remove them")
    return terms


def _nearest(column: str, known: Mapping[str, str]) -> str:
    found = difflib.get_close_matches(column.strip().casefold(), known, n=1, cutoff=0.5)
    return f" (nearest: {known[found[0]]})" if found else ""


def _refuse_faults(table: pd.DataFrame, path: Path) -> None:
    found: list[str] = []
    repeated = table[PATH].map(normal_path).duplicated(keep=False)
    for row, record in zip(table.index + 2, table.to_dict("records"), strict=True):
        where = f"row {row} ({shown(record[PATH])})"
        values = {str(term): value for term, value in record.items() if term != PATH}
        found += [f"{where}: {term} is {shown(values[term])}, expected {text}" for term, text in faults(values).items()]
        if not record[PATH]:
            found.append(f"{where}: {PATH} is empty")
        elif repeated[row - 2]:
            found.append(f"{where}: {PATH} appears more than once")
    if found:
        raise InputError(f"{path}: {len(found)} value(s) to correct (the header is row 1): {'; '.join(_first(found))}")


def _first(found: list[str], limit: int = 10) -> list[str]:
    return found if len(found) <= limit else [*found[:limit], f"and {len(found) - limit} more"]


def normal_path(path: str) -> str:
    """The path without `./` and the like; URLs stay as they are."""
    return path if "://" in path else posixpath.normpath(path.replace("\\", "/"))


def _base(path: str) -> str:
    return posixpath.basename(normal_path(path))
