"""Read the inputs of a prediction, in any mixture of formats."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from fathomline.dataset.picture_files import UNREAD_SUFFIXES, files_below, is_picture
from fathomline.errors import InputError, listing
from fathomline.inputs.csv_boxes import csv_rows
from fathomline.inputs.json_boxes import json_rows
from fathomline.inputs.named_pictures import URL
from fathomline.inputs.requests import FrameRequest
from fathomline.inputs.rows import Picture, Row, frames_of
from fathomline.inputs.yolo_labels import labelled_rows, labels_only_rows
from fathomline.progress import warning

READERS = {".json": json_rows, ".csv": csv_rows, ".tsv": csv_rows}

ACCEPTED = (
    "a picture (PNG, JPEG, WebP, TIFF, GIF, BMP), a folder of pictures or YOLO labels, a COCO or MegaDetector JSON, or "
    "a CSV of boxes"
)


def read_inputs(inputs: Sequence[str], images: Path | None) -> list[FrameRequest]:
    """The frames of all inputs, in order. Rows are numbered over all inputs; each is in exactly one frame.

    A picture that an input returns to is one frame. What is known to be unusable has a `reason`; files and URLs are
    not opened yet.

    Args: images, the folder of the pictures that a JSON, a CSV or label files name; None for the place of that file.
    Raises InputError for an input of an unknown kind, one that cannot be read or has nothing to predict.
    """
    if images is not None and not images.is_dir():
        raise InputError(f"--images {images}: no such folder; expected the folder of the pictures that the inputs name")
    frames: list[FrameRequest] = []
    inputs_of_track: dict[str, set[str]] = {}
    first = 0
    for source in inputs:
        rows = _rows(source, images)
        frames += frames_of(rows, first)
        first += len(rows)
        for track in {row.track for row in rows if row.track is not None}:
            inputs_of_track.setdefault(track, set()).add(source)
    shared = [track for track, sources in inputs_of_track.items() if len(sources) > 1]
    if shared:
        warning(f"tracks that occur in several inputs get one answer across all of them: {listing(sorted(shared))}")
    return frames


def _rows(source: str, images: Path | None) -> list[Row]:
    if URL.match(source):
        return [Row(Picture(source, source))]
    if os.path.isdir(source):
        return _folder_rows(Path(source), images)
    if is_picture(source):
        return [Row(Picture(source, source))]
    reader = READERS.get(os.path.splitext(source)[1].lower())
    if reader is not None:
        return reader(Path(source), images)
    found = "unknown kind of file" if os.path.exists(source) else "no such file or folder"
    raise InputError(f"{source}: {found}; expected {ACCEPTED}")


def _folder_rows(folder: Path, images: Path | None) -> list[Row]:
    files = files_below(folder)
    pictures = [name for name in files if is_picture(name.name)]
    texts = [name for name in files if name.suffix.lower() == ".txt"]
    if pictures:
        # Labels lie in the folder, or beside `images` above it. Most folders have none, and may be large.
        may_have_labels = texts or "images" in Path(os.path.abspath(folder)).parts
        labelled = labelled_rows(folder, pictures) if may_have_labels else None
        if labelled is not None:
            return labelled
        _warn_of_ignored(folder, files)
        return _whole_pictures(folder, pictures)
    if texts and images is not None:
        return labels_only_rows(folder, texts, images)
    hint = "; if it has YOLO labels, give the folder of their pictures with --images" if texts else ""
    raise InputError(f"{folder}: has no picture with one of the usual extensions (.jpg, .png, .tif, …){hint}")


def _warn_of_ignored(folder: Path, files: Sequence[PurePosixPath]) -> None:
    """Warn of files beside the pictures that the user may have meant."""
    boxes = [str(folder / name) for name in files if name.suffix.lower() in READERS]
    if boxes:
        warning(
            f"{folder}: each picture is taken for one animal; if {listing(boxes, 3)} has boxes, give that file instead"
        )
    unread = [name for name in files if name.suffix.lower() in UNREAD_SUFFIXES]
    if unread:
        warning(
            f"{folder}: {len(unread)} picture(s) are in a format that is not read, and are ignored; save them as JPEG "
            f"or PNG to use them: {listing(unread, 5)}"
        )


def _whole_pictures(folder: Path, pictures: Sequence[PurePosixPath]) -> list[Row]:
    """A row for each picture. Args: pictures, relative to the folder."""
    return [Row(Picture((folder / name).as_posix(), str(folder / name))) for name in pictures]
