"""Where the frames of a dataset come from: the web, or a local folder."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urljoin

from fathomline.dataset.manifest import Record
from fathomline.download.transfer import Fetcher
from fathomline.errors import InputError, Unusable, listing

ABSOLUTE = re.compile(r"[A-Za-z]:|[/\\]")
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class Origin(Protocol):
    def place(self, image: dict) -> str:
        """Where the JSON says that the image is."""

    def read(self, image: dict, most_bytes: int) -> bytes:
        """The image's file; Unusable says why there is none."""

    def has_changed(self, image: dict, record: Record) -> bool:
        """Whether the image's file may no longer be what `record` noted from the same place."""


@dataclass(frozen=True)
class WebOrigin:
    """Frames by their `coco_url`. What a URL gave once is taken to be what it gives for ever."""

    fetcher: Fetcher
    base: str | None
    """URL of the JSON, against which relative URLs are resolved; None for a local JSON."""

    def check(self, images: list[dict], where: str) -> None:
        """Raise InputError for relative URLs that are relative to nothing."""
        relative = [image["id"] for image in images if self.place(image) and not SCHEME.match(self.place(image))]
        if relative and self.base is None:
            raise InputError(
                f"{where}: {len(relative)} images have a relative `coco_url`, which a local JSON gives no base for: "
                f"images {listing(relative)}; set `source.images` to the folder of the frames"
            )

    def place(self, image: dict) -> str:
        url = image.get("coco_url")
        return url if isinstance(url, str) else ""

    def read(self, image: dict, most_bytes: int) -> bytes:
        if not self.place(image):
            raise Unusable("the JSON gives no `coco_url`; set `source.images` to a folder of frames if there is one")
        try:
            url = urljoin(self.base or "", self.place(image))
        except ValueError:
            raise Unusable("`coco_url` is no URL") from None
        return self.fetcher.fetch(url, most_bytes)[0]

    def has_changed(self, image: dict, record: Record) -> bool:
        return False


@dataclass(frozen=True)
class FolderOrigin:
    """Frames by their `file_name` under a folder, which no name leads out of."""

    folder: Path

    def check(self) -> None:
        """Raise InputError when there is no such folder."""
        if not self.folder.is_dir():
            raise InputError(f"{self.folder}: no such folder; `source.images` names the folder of the frames")

    def place(self, image: dict) -> str:
        name = image.get("file_name")
        return name if isinstance(name, str) else ""

    def read(self, image: dict, most_bytes: int) -> bytes:
        path = self._path(self.place(image))
        try:
            if not path.is_file():
                raise Unusable("no such file under `source.images`")
            if path.stat().st_size > most_bytes:
                raise Unusable(f"larger than {most_bytes / 1e6:g} MB; see `download.max_megabytes`")
            return path.read_bytes()
        except OSError as error:
            raise Unusable(f"cannot be read: {error.strerror}") from None

    def has_changed(self, image: dict, record: Record) -> bool:
        try:
            return hashlib.sha256(self.read(image, record.bytes)).hexdigest() != record.sha256
        except Unusable:
            return True

    def _path(self, name: str) -> Path:
        if not name:
            raise Unusable("the JSON gives no `file_name`")
        if ABSOLUTE.match(name) or "\0" in name or ".." in re.split(r"[/\\]", name):
            raise Unusable(f"refused: `file_name` {name[:200]!r} leads out of the folder")
        try:
            path = (self.folder / name).resolve()
        except (OSError, RuntimeError):
            raise Unusable("cannot be read: a loop of links") from None
        if not path.is_relative_to(self.folder.resolve()):
            raise Unusable(f"refused: `file_name` {name[:200]!r} is a link that leads out of the folder")
        return path
