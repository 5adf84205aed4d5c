"""Read the annotations of a subset as the download does, without fetching anything."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fathomline.check.finding import Finding, stopped
from fathomline.errors import InputError
from fathomline.sources.read_source import SourceData, SourceRequest, read_source

SubsetName = Literal["train", "test"]

IN_WORDS: dict[SubsetName, str] = {"train": "training", "test": "test"}


@dataclass(frozen=True)
class Subset:
    """The annotations of a subset."""

    name: SubsetName
    where: str
    """The path that the user gave, for messages."""

    data: SourceData

    @property
    def word(self) -> str:
        """`training` or `test`, for messages."""
        return IN_WORDS[self.name]


def read_subset(name: SubsetName, request: SourceRequest) -> tuple[Subset | None, list[Finding]]:
    """The annotations, or None if they are at a URL or have problems; and what there is to say about them."""
    if "://" in request.annotations and request.kind == "coco":
        return None, [Finding("expected", f"source.{name} is a URL; the download will check what is there")]
    path = Path(request.annotations)
    if "://" not in request.annotations and not path.exists():
        text = (
            f"source.{name} is {request.annotations!r}: no such file or folder. Paths start at the folder of "
            f"params.yaml, so this is {path.absolute()}"
        )
        return None, [Finding("stop", text)]
    try:
        data = read_source(request, labelled=name == "train", fetch=_refuse_to_fetch)
    except InputError as error:
        return None, list(stopped(error))
    notes = [Finding("note", f"{IN_WORDS[name]} subset: {note}") for note in data.notes]
    return Subset(name, request.annotations, data), notes


def _refuse_to_fetch(url: str) -> tuple[bytes, str]:
    raise ValueError(f"{url} must not be fetched")
