"""Darwin Core Archives of answers made by hand, read back with python-dwca-reader."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
from dwca.read import DwCAReader

from fathomline.answers.darwin_core.metadata import read_metadata
from fathomline.answers.formats import writer
from tests.answers.world import CONTEXT

COMPLETE = "path,eventDate,decimalLatitude,decimalLongitude\na.png,2024-05-31T14:07:00Z,36.7,-122.03\n"


def archive(folder: Path, *tables: pd.DataFrame, metadata: str | None = None) -> Path:
    path = folder / ".answers.part"
    given = None
    if metadata is not None:
        (folder / "metadata.csv").write_text(metadata, encoding="utf-8")
        given = read_metadata(folder / "metadata.csv")
    writer("dwc", replace(CONTEXT, metadata=given))(iter(tables), path)
    return path


def records(path: Path) -> list[dict[str, str]]:
    """The occurrences, by the term's last part."""
    with DwCAReader(str(path)) as reader:
        return [{term.rsplit("/", 1)[1]: value for term, value in found.data.items()} for found in reader]
