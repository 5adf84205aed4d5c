"""Where the data comes from: the `source` section of params."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval

from fathomline.config import section


@section
class SourceConfig:
    name: Literal["reef", "coco"] = "reef"
    """`reef`: the embedded, drawn FathomNet; `coco`: the COCO files named below."""

    train: str | None = None
    """COCO JSON of the training subset, a path or an http(s) URL. For `coco`."""

    test: str | None = None
    """COCO JSON of the test subset, a path or an http(s) URL; its categories may be null. For `coco`."""

    images: str | None = None
    """Local folder that holds the frames by their `file_name`; null: fetch each `coco_url`. For `coco`."""

    reef_frames: Annotated[int, Interval(ge=8, le=99_999)] = 320
    """Training frames that `reef` draws; it draws a fifth as many test frames."""

    reef_seed: Annotated[int, Interval(ge=0, lt=2**32)] = 0
    """Seed of the reef: another seed, other frames of the same taxa."""

    def __post_init__(self) -> None:
        if self.name == "coco" and not (self.train and self.test):
            raise ValueError("`name: coco` needs both `train` and `test`, the path or URL of a COCO JSON each")


@dataclass(frozen=True)
class Source:
    """Where one subset and its names are to be had while the source is open."""

    annotations: str
    """COCO JSON, a path or URL."""

    images: str | None
    """Local folder of the frames; None: by their URLs."""

    worms: str | None
    """Base URL of the WoRMS service to ask; None for FathomNet's."""

    allow_loopback: bool
    """Whether frames may come from this machine: the reef's do."""


@contextmanager
def opened(config: SourceConfig, subset: Literal["train", "test"]) -> Iterator[Source]:
    """Open the source of a subset; a reef is served for as long as the context lasts."""
    if config.name == "coco":
        location = config.train if subset == "train" else config.test
        yield Source(location, config.images, worms=None, allow_loopback=False)
        return
    from reef.reef import Reef
    from reef.server import serve

    with serve(Reef(config.reef_frames, config.reef_seed)) as base:
        yield Source(f"{base}/{subset}.json", images=None, worms=f"{base}/worms", allow_loopback=True)
