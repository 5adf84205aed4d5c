"""Answers as files to download."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from fathomline.answers.formats import write_csv_answers
from fathomline.answers.predict_files import Writer
from fathomline.answers.table import AnswerTables
from fathomline.predictor.predictor import Predictor


@dataclass(frozen=True)
class Download:
    """A format that the page offers."""

    title: str
    file: str
    """Name of the file, as the browser stores it."""
    media_type: str
    writer: Callable[[Predictor], Writer]


DOWNLOADS: dict[str, Download] = {
    "csv": Download("CSV", "answers.csv", "text/csv; charset=utf-8", lambda _: write_csv_answers),
}
"""By the name in `POST /answers/<name>`."""


def written(download: Download, tables: AnswerTables, predictor: Predictor) -> bytes:
    """The file. It is written to a temporary folder and removed at once; pictures are not."""
    with TemporaryDirectory(prefix="fathomline-") as folder:
        path = Path(folder) / download.file
        download.writer(predictor)([tables.answered], path)
        return path.read_bytes()
