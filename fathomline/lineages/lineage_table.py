"""The user's own lineages: the CSV given by `taxonomy.lineages`."""

import csv
import difflib
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from fathomline.errors import InputError, listing, shown
from fathomline.files import without_formula
from fathomline.spreadsheet import read_table
from fathomline.taxonomy.lineage import Lineage, Node
from fathomline.taxonomy.ranks import RANKS, rank_or_none

ORIGIN = "lineages"
COLUMNS = ["concept_name", "aphia_id", "rank", *(rank.value for rank in RANKS)]
_SHOWN_FAULTS = 10


def read_lineage_table(path: Path, *, skip_unfilled: bool = False) -> dict[str, Lineage]:
    """Read the CSV, by concept. An empty cell means that the path skips the rank, or that the AphiaID is unknown.

    It may be as a spreadsheet saves it: see `read_table`; columns that are not in COLUMNS are ignored.

    If the rank of a concept is one of the seven, and the column of that rank has another name, then the concept is a
    synonym of that name.

    Args: skip_unfilled: ignore rows in which only the name is filled in, as `lineage_table_text` writes them.
    Raises InputError with file and row of each error, up to ten.
    """
    table = read_table(path, f"a CSV with the columns {', '.join(COLUMNS)}", known=COLUMNS)
    missing = table.lacking(COLUMNS)
    if missing:
        raise InputError(f"{path}: lacks the column(s) {', '.join(missing)}; the file has {listing(table.columns, 30)}")
    faults: list[str] = []
    lineages: dict[str, Lineage] = {}
    rows: dict[str, int] = {}
    for row, cells, extra in table.rows(COLUMNS):
        if extra:
            faults.append(f"row {row}: more cells than the header, such as {shown(extra[0])}; quote cells with commas")
            continue
        if skip_unfilled and not any(text for name, text in cells.items() if name != "concept_name"):
            continue
        try:
            lineage = _lineage(cells)
        except InputError as error:
            faults.append(f"row {row}: {error}")
            continue
        if lineage.concept in rows:
            faults.append(
                f"row {row}: {lineage.concept!r} is already in row {rows[lineage.concept]}; remove either row"
            )
            continue
        lineages[lineage.concept], rows[lineage.concept] = lineage, row
    faults.extend(contradictions(lineages, rows))
    if faults:
        more = [f"and {len(faults) - _SHOWN_FAULTS} more"] if len(faults) > _SHOWN_FAULTS else []
        raise InputError("\n".join(f"{path}: {fault}" for fault in [*faults[:_SHOWN_FAULTS], *more]))
    return lineages


def lineage_table_text(lineages: Mapping[str, Lineage | None]) -> str:
    """The CSV with a row per concept, as `read_lineage_table` reads it; without a lineage, a row has only the name."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for concept, lineage in lineages.items():
        cells = ["", ""] + [""] * len(RANKS)
        if lineage is not None:
            names = [lineage.names.get(rank, "") for rank in RANKS]
            cells = ["" if lineage.aphia_id is None else str(lineage.aphia_id), lineage.rank, *names]
        writer.writerow([without_formula(cell) for cell in (concept, *cells)])
    return stream.getvalue()


def _lineage(cells: dict[str, str]) -> Lineage:
    concept, text = cells["concept_name"], cells["rank"].lower()
    if not concept or not text:
        raise InputError(f"`rank` of {concept!r} is empty; fill it in" if concept else "`concept_name` is empty")
    # Programs often save a column of integers with gaps as floats.
    identifier = re.fullmatch(r"([1-9]\d{0,9})([.,]0)?", cells["aphia_id"])
    if cells["aphia_id"] and not identifier:
        raise InputError(
            f"`aphia_id` of {concept!r} is {cells['aphia_id']!r}, expected a positive integer or an empty cell"
        )
    _refuse_misspelt_rank(concept, text)
    names = {rank: cells[rank.value] for rank in RANKS if cells[rank.value]}
    own = rank_or_none(text)
    if own is not None and own not in names:
        raise InputError(f"the rank of {concept!r} is {own}, but its column `{own}` is empty; fill it in")
    accepted = concept if own is None else names[own]
    return Lineage(concept, accepted, text, names, int(identifier[1]) if identifier else None, ORIGIN)


def _refuse_misspelt_rank(concept: str, text: str) -> None:
    """Without this check, `speceis` would count as an intermediate rank, like `subspecies`, which is as similar."""
    close = difflib.get_close_matches(text, RANKS, n=1, cutoff=0.75)
    if close and not text.endswith(close[0]):
        raise InputError(f"the rank of {concept!r} is {text!r}; did you mean {close[0]}?")


def contradictions(lineages: dict[str, Lineage], rows: dict[str, int]) -> Iterator[str]:
    """Names with different paths in two rows, which do not form a tree. Args: rows, by concept, their numbers."""
    seen: dict[str, tuple[tuple[Node, ...], int]] = {}
    for concept, lineage in lineages.items():
        for length in range(1, len(lineage.path) + 1):
            path = lineage.path[:length]
            known, row = seen.setdefault(path[-1].name, (path, rows[concept]))
            if known != path:
                yield (
                    f"row {rows[concept]}: {path[-1].name!r} is {_last_two(path)}, but in row {row} it is "
                    f"{_last_two(known)}; correct either row"
                )
                break


def _last_two(path: tuple[Node, ...]) -> str:
    return " > ".join(f"{node.name} ({node.rank or 'intermediate rank'})" for node in path[-2:])
