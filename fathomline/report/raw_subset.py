"""A subset as the download stage left it, and how the report names its frames and annotations."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import unquote, urlsplit

from fathomline.dataset.coco import Coco, JsonObject, described_size, read_dataset
from fathomline.dataset.manifest import Record, read_manifest


@dataclass(frozen=True)
class RawSubset:
    coco: Coco
    manifest: Mapping[int, Record]
    """By image id."""
    folder: Path
    """The folder that the paths in the manifest are relative to."""

    def frame_path(self, image_id: int) -> Path:
        """The file of a frame, which may be missing. Raises KeyError for an image that was not downloaded."""
        return self.folder / self.manifest[image_id].file

    def stated_size(self, image_id: int) -> tuple[int, int] | None:
        """The width and height that the JSON gives for a frame, in pixels; None if it gives none."""
        return described_size(self._images.get(image_id, {}))

    def frame_name(self, image_id: int, file_name: object = None) -> str:
        """The name of a frame that may be shared: `file_name` if it is a text, otherwise its location in the manifest,
        otherwise its id."""
        if isinstance(file_name, str) and file_name.strip():
            return without_folder(file_name.strip())
        record = self.manifest.get(image_id)
        return without_folder(record.url) if record is not None and record.url else f"image {image_id}"

    def image_id(self, image_id: int) -> str:
        """The id of an image in the user's file."""
        return without_folder(str(self._images.get(image_id, {}).get("source_id", image_id)))

    def annotation_id(self, annotation_id: int) -> str:
        """The id of an annotation in the user's file."""
        return without_folder(self._source_annotations.get(annotation_id, str(annotation_id)))

    @cached_property
    def _images(self) -> dict[int, JsonObject]:
        return {image["id"]: image for image in self.coco.images}

    @cached_property
    def _source_annotations(self) -> dict[int, str]:
        return {entry["id"]: str(entry["source_id"]) for entry in self.coco.annotations if "source_id" in entry}


def read_raw_subset(folder: Path) -> RawSubset:
    """Read dataset.json and manifest.csv of `folder`. Raises InputError if either is not as download writes it."""
    return RawSubset(read_dataset(folder / "dataset.json"), read_manifest(folder / "manifest.csv"), folder)


def without_folder(location: str) -> str:
    """A path or URL that a shared report may show: a relative path stays, anything else is cut to its last part.

    A URL loses its query, too, which may contain a password.
    """
    if "://" in location:
        name = PurePosixPath(unquote(urlsplit(location).path)).name
        return f"…/{name}" if name else "…"
    path = PureWindowsPath(location)  # understands both kinds of slashes
    if path.anchor or location.startswith("~") or ".." in path.parts:
        return f"…/{path.name}"
    return location
