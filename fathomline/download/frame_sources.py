"""Where the frames of a dataset come from: the web, or a local folder."""

import hashlib
import re
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urljoin

from fathomline.dataset.coco import JsonObject
from fathomline.dataset.manifest import Record
from fathomline.download.transfer import Fetcher
from fathomline.errors import InputError, Unusable, listing
from fathomline.sources.frame_names import FrameFolder

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class FrameSource(Protocol):
    """`image` is an entry of the JSON's `images`."""

    def location(self, image: JsonObject) -> str:
        """The image's location as given in the JSON."""

    def read(self, image: JsonObject, max_bytes: int) -> bytes:
        """The bytes of the image's file; Unusable if there is no such file or it is larger than `max_bytes`."""

    def may_have_changed(self, image: JsonObject, record: Record) -> bool:
        """Whether the image's file may differ from the one that `record` describes, at the same location."""


@dataclass(frozen=True)
class WebSource:
    """Frames by their `coco_url`. The content of a URL is assumed never to change."""

    fetcher: Fetcher
    base: str | None
    """URL of the JSON, against which relative URLs are resolved; None for a local JSON."""

    def check(self, images: list[JsonObject]) -> None:
        """Raise InputError if there are relative URLs and no base."""
        locations = {image["id"]: self.location(image) for image in images}
        relative = [image_id for image_id, url in locations.items() if url and not SCHEME.match(url)]
        if relative and self.base is None:
            raise InputError(
                f"{len(relative)} images have a relative `coco_url`, but a local JSON has no base URL: "
                f"images {listing(relative)}; set `source.images` to the folder of the frames"
            )

    def location(self, image: JsonObject) -> str:
        url = image.get("coco_url")
        return url if isinstance(url, str) else ""

    def read(self, image: JsonObject, max_bytes: int) -> bytes:
        if not self.location(image):
            raise Unusable("the JSON gives no `coco_url`; if you have the frames, set `source.images` to their folder")
        try:
            url = urljoin(self.base or "", self.location(image))
        except ValueError:
            raise Unusable("`coco_url` is not a valid URL") from None
        return self.fetcher.fetch(url, max_bytes)[0]

    def may_have_changed(self, image: JsonObject, record: Record) -> bool:
        return False


@dataclass(frozen=True)
class FolderSource:
    """Frames by their `file_name` in a folder."""

    frames: FrameFolder

    def location(self, image: JsonObject) -> str:
        name = image.get("file_name")
        return name if isinstance(name, str) else ""

    def read(self, image: JsonObject, max_bytes: int) -> bytes:
        path = self.frames.find(self.location(image))
        try:
            if path.stat().st_size > max_bytes:
                raise Unusable(f"larger than {max_bytes / 1e6:g} MB; see `download.max_megabytes`")
            return path.read_bytes()
        except OSError as error:
            raise Unusable(f"cannot be read: {error.strerror}") from None

    def may_have_changed(self, image: JsonObject, record: Record) -> bool:
        try:
            return hashlib.sha256(self.read(image, record.bytes)).hexdigest() != record.sha256
        except Unusable:
            return True
