"""Whether annotations have changed since they were downloaded, which DVC does not notice."""

from collections.abc import Iterator
from pathlib import Path

from fathomline.check.finding import Finding
from fathomline.check.subset import Subset
from fathomline.dataset.coco import read_dataset
from fathomline.errors import InputError


def downloaded_findings(subset: Subset, dataset: Path) -> Iterator[Finding]:
    """A finding if the annotations differ from those in `dataset`, the dataset.json of an earlier download."""
    if not dataset.exists():
        return
    try:
        before = read_dataset(dataset)
    except InputError:
        return  # the stages that read it say what is wrong with it
    now = subset.data.coco
    if now.content() == before.content():
        return
    yield Finding(
        "surprise",
        f"the {subset.word} subset has {len(now.images)} images with {len(now.annotations)} annotations, and differs "
        f"from the one downloaded before, with {len(before.images)} and {len(before.annotations)}. DVC does "
        "not notice changes of the files that params.yaml names: run `dvc repro --force "
        f"download@{subset.name}`, then `dvc repro`",
    )
