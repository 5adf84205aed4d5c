"""Where the data comes from: the `source` section of params."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

from fathomline.config import section
from fathomline.dataset.box_format import BoxFormat
from fathomline.sources.read_source import SourceRequest

Subset = Literal["train", "test"]

ANNOTATIONS = {
    "coco": "a COCO JSON: a path, a URL, or a folder with one JSON",
    "folder": "a folder of pictures",
    "table": "a CSV",
}


@section
class SourceConfig:
    name: Literal["reef", "coco", "folder", "table"] = "reef"
    """reef: the embedded FathomNet · coco: COCO JSONs · folder: one folder per concept · table: CSVs. `folder` takes
    each picture for one ROI, and the name of its folder for the concept. `table` needs the columns `path`, `label`, and
    `x`, `y`, `w`, `h` unless ROIs are whole pictures; it also reads the CSV exports of VIAME, BIIGLE, SQUIDLE+ and
    Tator."""

    train: str | None = None
    """Annotations of the training subset: a COCO JSON (path or URL), a folder, or a CSV, according to `name`. Required
    unless `name` is `reef`."""

    test: str | None = None
    """Annotations of the test subset, which need no labels; null: no test subset. For `folder`, the pictures may lie in
    any subfolders."""

    images: str | None = None
    """Local folder of the frames, found by `file_name`; null: each `coco_url`, or the place of the annotations. The
    latter is used if no image has a `coco_url`. A frame that is not where its `file_name` says is found by its base
    name, if only one file has that."""

    test_images: str | None = None
    """Local folder of the test frames; null: the same as `images`."""

    box_format: BoxFormat = "xywh"
    """What the four numbers of a box are. xywh: left, top, width, height in pixels, as in COCO; xyxy: left, top, right,
    bottom; xywh_normalized: xywh as fractions of the frame; cxcywh_normalized: centre, width and height as fractions,
    as in YOLO. Boxes that are evidently in another format stop the download."""

    test_box_format: BoxFormat | None = None
    """What the four numbers of a box of the test subset are; null: the same as `box_format`."""

    reef_frames: Annotated[int, Interval(ge=8, le=99_999)] = 320
    """Training frames that `reef` draws; it draws a fifth as many test frames."""

    reef_seed: Annotated[int, Interval(ge=0, lt=2**32)] = 0
    """Seed of `reef`: a different seed draws different frames of the same taxa."""

    def __post_init__(self) -> None:
        if self.name != "reef" and not self.train:
            raise ValueError(f"`name: {self.name}` needs `train`: {ANNOTATIONS[self.name]}")

    def request(self, subset: Subset) -> SourceRequest | None:
        """Where the annotations of a subset are, for any source but the reef; None if there is no test subset."""
        if self.name == "reef":
            raise ValueError("the reef has no files")
        location, images, box_format = self.train, self.images, self.box_format
        if subset == "test":
            location, images = self.test, self.test_images or self.images
            box_format = self.test_box_format or self.box_format
        return SourceRequest(self.name, location, images, box_format) if location else None


@dataclass(frozen=True)
class Source:
    """Where to get one subset and its names while the source is open."""

    request: SourceRequest | None
    """None if there is no test subset."""

    worms: str | None
    """Base URL of the WoRMS service to query; None for FathomNet's."""

    allow_loopback: bool
    """Whether frames may come from this machine, as those of the reef do."""


@contextmanager
def opened(config: SourceConfig, subset: Subset) -> Iterator[Source]:
    """Open the source of a subset; the server of the reef runs as long as the context is open."""
    if config.name != "reef":
        yield Source(config.request(subset), worms=None, allow_loopback=False)
        return
    from reef.reef import Reef
    from reef.server import serve

    with serve(Reef(config.reef_frames, config.reef_seed)) as base:
        yield Source(SourceRequest("coco", f"{base}/{subset}.json"), worms=f"{base}/worms", allow_loopback=True)
