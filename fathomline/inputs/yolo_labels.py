"""Boxes from folders of YOLO labels: a .txt for each picture, with a line for each box."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fathomline.dataset.picture_files import files_below, is_picture
from fathomline.errors import InputError
from fathomline.files import read_user_file
from fathomline.inputs.rows import Picture, Row
from fathomline.inputs.yolo_lines import LabelLine, parse_line, tracks
from fathomline.progress import warning


@dataclass(frozen=True)
class LabelFile:
    """A label file, without its blank lines."""

    name: str
    lines: list[tuple[int, LabelLine]]
    """With their numbers, from 1."""

    @property
    def is_label(self) -> bool:
        """Whether any of its lines is a label."""
        return any(line.box is not None for _, line in self.lines)


def labelled_rows(folder: Path, pictures: list[PurePosixPath]) -> list[Row] | None:
    """The rows of a folder that has pictures and their labels; None if it has no labels.

    The labels of images/train/a.jpg are labels/train/a.txt, images/train/labels/a.txt, or images/train/a.txt, the
    first of these that exists.

    Args: pictures, relative to the folder.
    """
    found = {picture: _read(path) for picture in pictures if (path := _label_path(folder, picture)) is not None}
    if not found:
        return None
    with_lines = [labels for labels in found.values() if labels.lines]
    if with_lines and not any(labels.is_label for labels in with_lines):
        warning(f"{folder}: the .txt files beside its pictures are not YOLO labels; predicting whole pictures")
        return None
    named = {picture: Picture((folder / picture).as_posix(), str(folder / picture)) for picture in found}
    return _rows(found, named, len(pictures), str(folder))


def labels_only_rows(folder: Path, texts: list[PurePosixPath], images: Path) -> list[Row]:
    """The rows of a folder that has labels, of pictures with the same names in the folder `images`.

    Args: texts, the .txt files relative to the folder. Those without labels and without a picture are not used.
    """
    pictures = [name for name in files_below(images) if is_picture(name.name)]
    by_stem = {picture.with_suffix(""): picture for picture in reversed(pictures)}
    found: dict[PurePosixPath, LabelFile] = {}
    named: dict[PurePosixPath, Picture] = {}
    for text in texts:
        labels, picture = _read(folder / text), by_stem.get(text.with_suffix(""))
        if picture is not None:
            named[text] = Picture(str(picture), str(images / picture))
        elif labels.is_label:
            named[text] = Picture(str(text.with_suffix("")), "")
        if text in named:
            found[text] = labels
    if not found:
        raise InputError(f"{folder}: has no YOLO label for any of the {len(pictures)} pictures in {images}")
    return _rows(found, named, max(len(pictures), len(found)), str(folder))


def _rows(
    found: Mapping[PurePosixPath, LabelFile], named: Mapping[PurePosixPath, Picture], pictures: int, where: str
) -> list[Row]:
    """A row for each line, in order. Pictures without a line are frames without animals: they are counted.

    Args: found and named have the same keys; pictures, how many there are.
    """
    numbered = [(key, number, line) for key, labels in found.items() for number, line in labels.lines]
    of_tracks = tracks([line for _, _, line in numbered])
    rows = []
    for (key, number, line), track in zip(numbered, of_tracks, strict=True):
        picture, reason = named[key], ""
        if line.box is None:
            reason = f"{found[key].name}, line {number}: expected `class x y width height`"
        elif not picture.location:
            reason = f"no picture has the name of its label file, {found[key].name}"
        boxed = Picture(picture.path, picture.location, fractions=True)
        rows.append(Row(boxed, line.box, track=track, reason=reason))
    without = pictures - sum(bool(labels.lines) for labels in found.values())
    if without:
        warning(f"{where}: {without} of {pictures} pictures have no label and are left out")
    return rows


def _read(path: Path) -> LabelFile:
    text = read_user_file(path, "YOLO labels").decode("utf-8-sig", errors="replace")
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    return LabelFile(path.name, [(number, parse_line(line)) for number, line in lines])


def _label_path(folder: Path, picture: PurePosixPath) -> Path | None:
    path = Path(os.path.abspath(folder / picture))  # `images` may be above the folder
    beside = path.with_suffix(".txt")
    candidates = [path.parent / "labels" / beside.name, beside]
    if "images" in path.parent.parts:
        parts = [*beside.parts]
        parts[len(parts) - 1 - parts[::-1].index("images", 1)] = "labels"
        candidates.insert(0, Path(*parts))
    return next((candidate for candidate in candidates if candidate.is_file()), None)
