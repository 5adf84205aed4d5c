"""The frames of a subset: which are there, and how large they are."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fathomline.check.finding import Finding, stops
from fathomline.check.subset import Subset
from fathomline.dataset.coco import JsonObject, described_size
from fathomline.dataset.image_file import picture_size
from fathomline.download.download import DownloadConfig
from fathomline.download.frame_sources import SCHEME, refuse_relative_urls, url_of
from fathomline.errors import Unusable, listing, shown
from fathomline.sources.frame_names import FrameFolder

SAMPLE = 300
"""Local frames whose headers are read for their sizes, if the annotations do not give them."""

MAX_REASONS = 5
"""Reasons for missing frames that a message lists."""


@dataclass(frozen=True)
class Frames:
    """What is known of a subset's frames, by image id."""

    files: dict[int, Path]
    """Local files; empty if the frames are fetched."""

    bytes: int
    """Of all local files."""

    sizes: dict[int, tuple[int, int]]
    """Width and height in pixels of the frames of which they are known."""

    failures: dict[str, list[JsonObject]]
    """By reason, the images whose frames the download would not get."""

    @property
    def missing(self) -> frozenset[int]:
        """Ids of the images in `failures`."""
        return frozenset(image["id"] for images in self.failures.values() for image in images)


def frames_of(subset: Subset, max_megabytes: float) -> Frames:
    """Look for each local frame, and read the headers of some whose size the annotations do not give."""
    images, folder = subset.data.coco.images, subset.data.frames
    failures: dict[str, list[JsonObject]] = {}
    files: dict[int, Path] = {}
    total = 0
    for image in images:
        try:
            if folder is None:
                _require_url(image)
                continue
            path = folder.find(_file_name(image))
            size = os.stat(path).st_size
            if size == 0:
                raise Unusable("zero bytes")
            if size > max_megabytes * 1e6:
                raise Unusable(f"larger than {max_megabytes:g} MB; see `download.max_megabytes`")
            files[image["id"]] = path
            total += size
        except Unusable as error:
            failures.setdefault(str(error), []).append(image)
        except OSError as error:
            failures.setdefault(f"cannot be read: {error.strerror}", []).append(image)
    return Frames(files, total, _sizes(images, files), failures)


def frame_findings(subset: Subset, frames: Frames, download: DownloadConfig | None) -> Iterator[Finding]:
    """Frames that the download would not get, or that it would get from elsewhere than the annotations say."""
    data = subset.data
    if data.frames is None:
        yield from stops(lambda: refuse_relative_urls(data.coco.images, data.base))
    else:
        yield from (Finding("note", f"{subset.word} subset: {note}") for note in data.frames.notes())
    failed = len(frames.missing)
    if failed:
        allowed = download.allowed_missing if download else 0.0
        share = failed / len(data.coco.images)
        lines = [
            f"{len(images)} × {reason} (the first is {_place(images[0], data.frames)})"
            for reason, images in frames.failures.items()
        ]
        if len(lines) > MAX_REASONS:
            lines[MAX_REASONS:] = [f"and {len(lines) - MAX_REASONS} more reasons"]
        count = f"{failed} of {len(data.coco.images)} {subset.word} frames ({100 * share:.3g} %) cannot be used"
        limit = f"download.allowed_missing allows {100 * allowed:.3g} %"
        key = "source.test_images" if subset.name == "test" else "source.images"
        remedy = [f"set {key} to the folder of the frames"] if share == 1 and data.frames is not None else []
        yield Finding("stop" if share > allowed else "surprise", "\n".join([f"{count}; {limit}:", *lines, *remedy]))


def _sizes(images: list[JsonObject], files: dict[int, Path]) -> dict[int, tuple[int, int]]:
    sizes = {image["id"]: size for image in images if (size := described_size(image))}
    unknown = [image_id for image_id in files if image_id not in sizes]
    for image_id in unknown[:: max(1, len(unknown) // SAMPLE)]:
        try:
            sizes[image_id] = picture_size(files[image_id])
        except Unusable:
            continue  # only the download decodes all frames, and says what is wrong with one
    return sizes


def _require_url(image: JsonObject) -> None:
    if not url_of(image):
        raise Unusable("no `coco_url`; if you have the frames, set `source.images` to their folder")
    if SCHEME.match(url_of(image)) and not url_of(image).lower().startswith(("http://", "https://")):
        raise Unusable("`coco_url` is neither http:// nor https://")


def _file_name(image: JsonObject) -> str:
    name = image.get("file_name")
    return name if isinstance(name, str) else ""


def _place(image: JsonObject, folder: FrameFolder | None) -> str:
    """Where a frame is looked for first."""
    if folder is None:
        return f"image {listing([image['id']])}"
    return shown(str(folder.folder / _file_name(image)), 200)
