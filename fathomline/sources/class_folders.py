"""Photos in folders, one folder per class: each photo is one ROI."""

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from fathomline.dataset.coco import WHOLE_FRAME, JsonObject, concept_name
from fathomline.dataset.picture_files import UNREAD_SUFFIXES, files_below, is_picture, linked_folders_below
from fathomline.errors import InputError, listing
from fathomline.sources.document import Document

SUBSET_FOLDERS = frozenset({"test", "train", "training", "val", "valid", "validation"})
"""Folders that programs export subsets to, in lower case. None is a taxon."""


def read_class_folders(folder: Path, *, labelled: bool) -> Document:
    """Every picture in `folder` and the folders below. Its concept is the name of the topmost folder that it is in.

    Args: labelled: False for a test subset, whose pictures need no class folder and get no label.
    Raises InputError if there is no picture, if the name of one is not in UTF-8, or, if `labelled`, if one is in no
    class folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected a folder with pictures, or with a folder for each class")
    files, links = files_below(folder), linked_folders_below(folder)
    pictures = [path for path in files if is_picture(path.name)]
    notes = list(_notes(files, pictures, links))
    if not pictures:
        found = listing(sorted({path.suffix.lower() or path.name for path in files})) or "no files"
        more = f"; {notes[-1]}" if links else ""
        raise InputError(
            f"{folder}: has no picture with one of the usual extensions (.jpg, .png, .tif, …), only {found}{more}"
        )
    _refuse_undecodable(folder, pictures)
    loose = [path.name for path in pictures if len(path.parts) == 1]
    if labelled and loose:
        jsons = [path.name for path in files if path.suffix.lower() == ".json" and len(path.parts) == 1]
        hint = f". If {listing(jsons, 3)} has their boxes, set `source.name: coco`" if jsons else ""
        raise InputError(
            f"{folder}: {len(loose)} of {len(pictures)} pictures are in no class folder: {listing(loose, 5)}; move "
            f"each into a folder that is named after its taxon{hint}"
        )
    names = sorted({_concept(path) for path in pictures}) if labelled else []
    if names and SUBSET_FOLDERS.issuperset(name.lower() for name in names):
        raise InputError(
            f"{folder}: its folders {', '.join(names)} are subsets, not taxa; set `source.train` to the one to train "
            f"on, such as {folder / names[-1]}, with `source.name: coco` if it contains a COCO JSON"
        )
    ids = {name: number for number, name in enumerate(names, start=1)}
    content = {
        "images": [{"id": number, "file_name": path.as_posix()} for number, path in enumerate(pictures, start=1)],
        "annotations": [
            _annotation(number, ids.get(_concept(path)) if labelled else None)
            for number, path in enumerate(pictures, start=1)
        ],
        "categories": [{"id": number, "name": name} for name, number in ids.items()],
    }
    return Document(content, notes=tuple(notes))


def _concept(picture: PurePosixPath) -> str:
    """In the form in which accents are typed: macOS may store them as characters of their own."""
    return unicodedata.normalize("NFC", concept_name(picture.parts[0]))


def _annotation(number: int, category: int | None) -> JsonObject:
    return {"id": number, "image_id": number, "category_id": category, "bbox": WHOLE_FRAME}


def _refuse_undecodable(folder: Path, pictures: Sequence[PurePosixPath]) -> None:
    """No JSON can hold a name that is not in UTF-8, which old archives contain."""
    names = [path.as_posix() for path in pictures if any("\ud800" <= each <= "\udfff" for each in path.as_posix())]
    if names:
        raise InputError(
            f"{folder}: the names of {len(names)} picture(s) or their folders are not in UTF-8: {listing(names)}; "
            "rename them"
        )


def _notes(
    files: Sequence[PurePosixPath], pictures: Sequence[PurePosixPath], links: Sequence[PurePosixPath]
) -> Iterator[str]:
    others = sorted(set(files) - set(pictures))
    unread = [path for path in others if path.suffix.lower() in UNREAD_SUFFIXES]
    rest = [path for path in others if path not in unread]
    if unread:
        yield (
            f"{len(unread)} picture(s) are in a format that is not read, and are ignored; save them as JPEG or PNG to "
            f"use them: {listing(unread, 5)}"
        )
    if rest:
        yield f"{len(rest)} file(s) are not pictures and are ignored: {listing(rest, 5)}"
    if links:
        yield (
            f"{len(links)} folder(s) are links and are not followed: {listing(links, 5)}; if their pictures belong to "
            "the subset, copy or move them here"
        )
