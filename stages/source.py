"""Where the data comes from: the `source` section of params."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

from fathomline.config import section

Subset = Literal["train", "test"]


@section
class SourceConfig:
    name: Literal["reef", "coco"] = "reef"
    """reef: the embedded FathomNet, whose frames are drawn · coco: the COCO JSONs below."""

    train: str | None = None
    """COCO JSON of the training subset: a path or an http(s) URL. Required by `coco`."""

    test: str | None = None
    """COCO JSON of the test subset: a path or an http(s) URL. Required by `coco`; its categories may be null."""

    images: str | None = None
    """Local folder that contains the frames by `file_name`; null: fetch each `coco_url`. Used by `coco`."""

    reef_frames: Annotated[int, Interval(ge=8, le=99_999)] = 320
    """Training frames that `reef` draws; it draws a fifth as many test frames."""

    reef_seed: Annotated[int, Interval(ge=0, lt=2**32)] = 0
    """Seed of `reef`: a different seed draws different frames of the same taxa."""

    def __post_init__(self) -> None:
        if self.name == "coco":
            self.coco_location("train")
            self.coco_location("test")

    def coco_location(self, subset: Subset) -> str:
        """Path or URL of the COCO JSON of a subset. ValueError if it is not set."""
        location = self.train if subset == "train" else self.test
        if not location:
            raise ValueError("`name: coco` needs both `train` and `test`: the path or URL of a COCO JSON for each")
        return location


@dataclass(frozen=True)
class Source:
    """Where to get one subset and its names while the source is open."""

    annotations: str
    """COCO JSON, a path or URL."""

    images: str | None
    """Local folder of the frames; None: fetch them by URL."""

    worms: str | None
    """Base URL of the WoRMS service to query; None for FathomNet's."""

    allow_loopback: bool
    """Whether frames may come from this machine, as those of the reef do."""


@contextmanager
def opened(config: SourceConfig, subset: Subset) -> Iterator[Source]:
    """Open the source of a subset; the server of the reef runs as long as the context is open."""
    if config.name == "coco":
        yield Source(config.coco_location(subset), config.images, worms=None, allow_loopback=False)
        return
    from reef.reef import Reef
    from reef.server import serve

    with serve(Reef(config.reef_frames, config.reef_seed)) as base:
        yield Source(f"{base}/{subset}.json", images=None, worms=f"{base}/worms", allow_loopback=True)
