"""Answers as a Darwin Core Archive: a zip of occurrence.txt, meta.xml and eml.xml, which OBIS and GBIF read."""

import hashlib
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

import pandas as pd

from fathomline.answers.darwin_core.eml import eml, xml_bytes
from fathomline.answers.darwin_core.metadata import Metadata
from fathomline.answers.darwin_core.occurrences import ALWAYS, Occurrences
from fathomline.answers.darwin_core.terms import iri
from fathomline.answers.rows import rows_of, spool_folder, write_lines
from fathomline.bundle.bundle import BundleContent
from fathomline.errors import visible

OCCURRENCES = "occurrence.txt"

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every file in the zip, so that equal answers give equal bytes."""


def write_archive(tables: Iterable[pd.DataFrame], path: Path, bundle: BundleContent, metadata: Metadata | None) -> None:
    """Write one occurrence per ROI. Terms that no occurrence has are left out.

    Warns of what OBIS will miss, and of pictures and rows of `metadata` that do not match each other.
    Raises InputError if two pictures would get one row of `metadata`.
    """
    occurrences = Occurrences(bundle, metadata)
    with tempfile.TemporaryFile(dir=spool_folder(path)) as spool:
        write_lines(map("\t".join, _cells(occurrences, tables)), spool)
        columns = [
            column for column, term in enumerate(occurrences.terms) if term in occurrences.seen or term in ALWAYS
        ]
        terms = [occurrences.terms[column] for column in columns]
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            digest = _write_occurrences(archive, _lines(spool, columns, terms), spool.tell())
            archive.writestr(_entry("meta.xml"), _meta(terms))
            archive.writestr(_entry("eml.xml"), eml(bundle, metadata, digest))
    occurrences.warn()


def _cells(occurrences: Occurrences, tables: Iterable[pd.DataFrame]) -> Iterator[list[str]]:
    """The values of each occurrence for `occurrences.terms`: which of them to write is known only at the end."""
    for record in occurrences.records(rows_of(tables)):
        printable = {term: value if value.isprintable() else visible(value) for term, value in record.items()}
        yield [printable.get(term, "") for term in occurrences.terms]


def _write_occurrences(archive: zipfile.ZipFile, lines: Iterable[bytes], at_most: int) -> str:
    """Write occurrence.txt, which has `at_most` bytes. Returns its SHA-256."""
    hashed = hashlib.sha256()
    entry = _entry(OCCURRENCES)
    entry.file_size = at_most  # whether the entry needs the format for large files
    with archive.open(entry, "w") as stream:
        for line in lines:
            stream.write(line)
            hashed.update(line)
    return hashed.hexdigest()


def _lines(spool: IO[bytes], columns: Sequence[int], header: Sequence[str]) -> Iterator[bytes]:
    """The header, then these columns of each spooled line."""
    yield "\t".join(header).encode() + b"\n"
    spool.seek(0)
    for line in spool:
        cells = line.rstrip(b"\n").split(b"\t")
        yield b"\t".join([cells[column] for column in columns]) + b"\n"


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix, on every system
    entry.external_attr = 0o644 << 16
    return entry


def _meta(terms: Sequence[str]) -> bytes:
    root = ElementTree.Element("archive", {"xmlns": "http://rs.tdwg.org/dwc/text/", "metadata": "eml.xml"})
    layout = {
        "encoding": "UTF-8",
        "fieldsTerminatedBy": "\\t",
        "linesTerminatedBy": "\\n",
        "fieldsEnclosedBy": "",
        "ignoreHeaderLines": "1",
        "rowType": iri("Occurrence"),
    }
    core = ElementTree.SubElement(root, "core", layout)
    ElementTree.SubElement(ElementTree.SubElement(core, "files"), "location").text = OCCURRENCES
    ElementTree.SubElement(core, "id", {"index": str(terms.index("occurrenceID"))})
    for index, term in enumerate(terms):
        ElementTree.SubElement(core, "field", {"index": str(index), "term": iri(term)})
    return xml_bytes(root)
