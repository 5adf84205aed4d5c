"""Read the annotations of a subset from any of the forms that users have, as a checked COCO dataset."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

from fathomline.dataset.box_format import BoxFormat, in_pixels, refuse_other_format
from fathomline.dataset.coco import EXPECTED, Coco, JsonObject, checked_coco, described_size, load_json
from fathomline.dataset.image_file import picture_size
from fathomline.errors import InputError, Unusable, listing, visible
from fathomline.files import read_user_file
from fathomline.sources.class_folders import SUBSET_FOLDERS, read_class_folders
from fathomline.sources.coco_export import ExportReader
from fathomline.sources.frame_names import FrameFolder
from fathomline.sources.roi_table import read_roi_table

SourceKind = Literal["coco", "folder", "table"]

Fetch = Callable[[str], tuple[bytes, str]]
"""Fetches a URL: its content, and its address after redirects. Raises InputError."""


@dataclass(frozen=True)
class SourceRequest:
    """Where the annotations and frames of a subset are, as the user gave it."""

    kind: SourceKind
    """coco: a COCO JSON. folder: pictures in a folder per class. table: a CSV with a row per ROI."""

    annotations: str
    """The JSON or CSV, or the folder of pictures: a path, or, for a COCO JSON, an http(s) URL."""

    images: str | None = None
    """Folder of the frames. None: each frame's URL, or the place of the annotations if these give no URL."""

    box_format: BoxFormat = "xywh"


@dataclass(frozen=True)
class SourceData:
    """The annotations of a subset, and where its frames are."""

    coco: Coco
    base: str | None
    """URL against which relative URLs of frames are resolved; None for local annotations."""

    frames: FrameFolder | None
    """The folder of the frames; None to fetch each `coco_url`."""

    notes: tuple[str, ...]
    """What was left out or read in an unusual way, one line each."""


def read_source(request: SourceRequest, *, labelled: bool, fetch: Fetch) -> SourceData:
    """Read and check the annotations of a subset. Frames are opened only for the sizes that normalized boxes need.

    Args: labelled, whether each annotation needs a concept, as in the training subset.
    Raises InputError with a line for each kind of problem: a file that cannot be read, is not what `request` says, or
    whose boxes are in another format.
    """
    if "://" in (request.images or ""):
        raise InputError(f"`source.images` is {request.images!r}, expected a local folder, or null")
    return _data(_read(request, labelled, fetch), request)


def read_concepts(request: SourceRequest, *, fetch: Fetch) -> list[str]:
    """The concepts of a training subset, in alphabetical order. Neither its boxes nor its frames are looked at.

    Raises InputError as `read_source` does, except for boxes and frames.
    """
    return sorted(category["name"] for category in _read(request, True, fetch).coco.categories)


def _read(request: SourceRequest, labelled: bool, fetch: Fetch) -> "_Read":
    if request.kind == "coco":
        return _read_coco(request, labelled, fetch)
    if "://" in request.annotations:
        raise InputError(f"{request.annotations}: expected a local path; only `source.name: coco` takes a URL")
    path = Path(request.annotations)
    if request.kind == "folder":
        document = read_class_folders(path, labelled=labelled)
    else:
        document = read_roi_table(path, labelled=labelled)
    coco = checked_coco(document.content, str(path), labelled=labelled)
    prescribed = document.box_format is not None
    return _Read(coco, document.box_format or request.box_format, document.notes, path, prescribed=prescribed)


def _read_coco(request: SourceRequest, labelled: bool, fetch: Fetch) -> "_Read":
    path, base = Path(request.annotations), None
    if "://" in request.annotations:
        where = request.annotations
        content, base = fetch(where)
    else:
        path = _only_json(path) if path.is_dir() else path
        where, content = str(path), read_user_file(path, EXPECTED)
    reader = ExportReader(where, labelled=labelled)
    adapted = reader.adapted(load_json(content, where, EXPECTED))
    coco = checked_coco(adapted, where, labelled=labelled)
    return _Read(coco, request.box_format, tuple(reader.notes), path, base)


def _only_json(folder: Path) -> Path:
    """The one JSON in a folder, where Roboflow puts it beside the frames."""
    found = sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
    if len(found) != 1:
        names = listing(path.name for path in found) or "none"
        below = sorted({path.parent for path in folder.glob("*/*.json")}) if not found else []
        hint = f", but there are some in {listing(map(str, below), 5)}; give the right one of these" if below else ""
        raise InputError(
            f"{folder}: expected the path of a COCO JSON, or a folder with exactly one; found {names}{hint}"
        )
    return found[0]


@dataclass(frozen=True)
class _Read:
    """Checked annotations, with boxes as the file has them."""

    coco: Coco
    box_format: BoxFormat
    notes: tuple[str, ...]
    path: Path
    """Of the file or folder; meaningless if `base` is given."""

    base: str | None = None
    """The address of the annotations, if they were fetched."""

    prescribed: bool = False
    """Whether the file itself says in which format its boxes are."""

    @property
    def where(self) -> str:
        return self.base or str(self.path)


def _data(read: _Read, request: SourceRequest) -> SourceData:
    frames = _frames(read, request.images)
    normalized = read.box_format.endswith("_normalized")
    sizes = _sizes(read.coco.images, frames if normalized else None)
    boxes = [annotation["bbox"] for annotation in read.coco.annotations]
    box_sizes = [sizes.get(annotation["image_id"]) for annotation in read.coco.annotations]
    refuse_other_format(boxes, box_sizes, read.box_format, read.where, prescribed=read.prescribed)
    if normalized and frames is None:
        _require_sizes(read, sizes)
    annotations = [
        {**annotation, "bbox": _converted(annotation["bbox"], read.box_format, size)}
        for annotation, size in zip(read.coco.annotations, box_sizes, strict=True)
    ]
    info = _named(read.coco.info, request.annotations)
    return SourceData(replace(read.coco, annotations=annotations, info=info), read.base, frames, read.notes)


def _frames(read: _Read, images: str | None) -> FrameFolder | None:
    if images is None and (read.base or any(_text(image, "coco_url") for image in read.coco.images)):
        return None
    folder = Path(images) if images is not None else _beside(read.path)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; set `source.images` to the folder of the frames")
    return FrameFolder(folder, (_text(image, "file_name") for image in read.coco.images))


def _beside(annotations: Path) -> Path:
    """Where the frames are if the user names no folder: with the annotations. CVAT writes annotations/ and images/."""
    folder = annotations if annotations.is_dir() else annotations.parent
    sibling = folder.absolute().parent / "images"
    return sibling if folder.absolute().name == "annotations" and sibling.is_dir() else folder


def _sizes(images: Iterable[JsonObject], frames: FrameFolder | None) -> dict[int, tuple[int, int]]:
    """The size of each frame by image id, as the annotations state it, or else, given `frames`, that of the file."""
    sizes = {}
    for image in images:
        size = described_size(image)
        if size is None and frames is not None:
            try:
                size = picture_size(frames.find(_text(image, "file_name")))
            except Unusable:
                continue  # the download stage says what is wrong with the frame
        if size is not None:
            sizes[image["id"]] = size
    return sizes


def _require_sizes(read: _Read, sizes: dict[int, tuple[int, int]]) -> None:
    """Raise InputError if the annotations do not give the size of a frame that is still to be fetched."""
    lacking = sorted({annotation["image_id"] for annotation in read.coco.annotations} - sizes.keys())
    if lacking:
        raise InputError(
            f"{read.where}: normalized boxes need the size of their frames, but {len(lacking)} of "
            f"{len(read.coco.images)} images have no `width` and `height`: images {listing(lacking)}; add them, or set "
            "`source.images` to a folder with the frames"
        )


def _converted(box: object, box_format: BoxFormat, size: tuple[int, int] | None) -> object:
    if box_format.endswith("_normalized") and size is None:
        return None  # its frame cannot be read, so crop quarantines it for that reason
    return in_pixels(box, box_format, size)


def _named(info: dict[str, str], location: str) -> dict[str, str]:
    """`info` with a description in any case: the data set's own, or the end of its path.

    The last part alone would often be `train` or `annotations.json`.
    """
    description = info.get("description", "")
    if description and not description.lower().startswith("exported from"):
        return info
    path = PurePosixPath(urlsplit(location).path if "://" in location else Path(location).absolute().as_posix())
    alone = path.parent.name == "" or not (path.suffix or path.name.lower() in SUBSET_FOLDERS)
    name = path.name if alone else f"{path.parent.name}/{path.name}"
    return info | {"description": visible(name)}


def _text(image: JsonObject, key: str) -> str:
    value = image.get(key)
    return value if isinstance(value, str) else ""
