"""The formats of a file of answers, and which one a file's ending chooses."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from fathomline.answers.coco_writer import write_coco_answers
from fathomline.answers.csv_writer import write_csv_answers
from fathomline.answers.darwin_core.archive import write_archive
from fathomline.answers.darwin_core.metadata import Metadata
from fathomline.answers.jsonl_writer import write_jsonl_answers
from fathomline.answers.parquet_writer import require_pyarrow, write_parquet_answers
from fathomline.answers.predict_files import Writer
from fathomline.bundle.bundle import BundleContent
from fathomline.errors import InputError
from fathomline.taxonomy.tree import Taxonomy

FormatName = Literal["csv", "jsonl", "coco", "parquet", "dwc"]

ENDINGS: dict[str, FormatName] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "coco",
    ".parquet": "parquet",
    ".zip": "dwc",
}


@dataclass(frozen=True)
class WriterContext:
    """What writers need in addition to the answers."""

    bundle: BundleContent
    taxonomy: Taxonomy
    metadata: Metadata | None = None
    """What the user says about the pictures; for `dwc` only."""


def format_of(path: Path, name: str | None = None) -> FormatName:
    """The format `name`, or without one, the format that the ending of `path` chooses.

    Raises InputError if there is no such format.
    """
    if name is not None:
        found = next((known for known in get_args(FormatName) if known == name), None)
        if found is None:
            raise InputError(f"--format: {name!r} is not a format; expected one of {', '.join(get_args(FormatName))}")
        return found
    if path.suffix.lower() not in ENDINGS:
        endings = ", ".join(f"{ending} ({known})" for ending, known in ENDINGS.items())
        raise InputError(f"{path}: unknown file ending; expected {endings}; or choose a format with --format")
    return ENDINGS[path.suffix.lower()]


def writer(name: FormatName, context: WriterContext) -> Writer:
    """The writer of a format.

    Raises InputError if the format needs a package that is missing, or has no place for `context.metadata`.
    """
    if context.metadata is not None and name != "dwc":
        raise InputError(
            f"--metadata: only the format dwc can include it, not {name}; add --format dwc, or leave out --metadata"
        )
    if name == "parquet":
        require_pyarrow()
    writers: dict[FormatName, Writer] = {
        "csv": write_csv_answers,
        "jsonl": write_jsonl_answers,
        "coco": partial(write_coco_answers, bundle=context.bundle, taxonomy=context.taxonomy),
        "parquet": write_parquet_answers,
        "dwc": partial(write_archive, bundle=context.bundle, metadata=context.metadata),
    }
    return writers[name]
