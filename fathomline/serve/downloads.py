"""Answers as files to download."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fathomline.answers.formats import FormatName, WriterContext, writer
from fathomline.answers.table import AnswerTables
from fathomline.predictor.predictor import Predictor


@dataclass(frozen=True)
class Download:
    """A format that the page offers."""

    format: FormatName
    title: str
    file: str
    """Name of the file, as the browser stores it."""
    media_type: str


DOWNLOADS: dict[str, Download] = {
    "csv": Download("csv", "CSV", "answers.csv", "text/csv; charset=utf-8"),
    "coco": Download("coco", "COCO", "answers.json", "application/json"),
    "dwc": Download("dwc", "Darwin Core", "answers-dwc.zip", "application/zip"),
}
"""By the name in `POST /answers/<name>`."""


def written(download: Download, tables: AnswerTables, predictor: Predictor) -> bytes:
    """The file. It is written to a temporary folder and removed at once; pictures are not."""
    write = writer(download.format, WriterContext(predictor.bundle, predictor.taxonomy))
    with TemporaryDirectory(prefix="fathomline-") as folder:
        path = Path(folder) / download.file
        write([tables.answered], path)
        return path.read_bytes()
