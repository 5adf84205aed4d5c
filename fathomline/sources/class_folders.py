"""Photos in folders, one folder per class: each photo is one ROI."""

from pathlib import Path, PurePosixPath

from fathomline.dataset.coco import WHOLE_FRAME, JsonObject
from fathomline.dataset.picture_files import files_below, is_picture
from fathomline.errors import InputError, listing
from fathomline.sources.document import Document


def read_class_folders(folder: Path, *, labelled: bool) -> Document:
    """Every picture in `folder` and the folders below. Its concept is the name of the topmost folder that it is in.

    Args: labelled: False for a test subset, whose pictures need no class folder and get no label.
    Raises InputError if there is no picture, or, if `labelled`, if a picture is in no class folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected a folder with pictures, or with a folder for each class")
    files = files_below(folder)
    pictures = [path for path in files if is_picture(path.name)]
    if not pictures:
        found = listing(sorted({path.suffix.lower() or path.name for path in files})) or "no files"
        raise InputError(
            f"{folder}: has no picture with one of the usual extensions (.jpg, .png, .tif, …), only {found}"
        )
    loose = [path.name for path in pictures if len(path.parts) == 1]
    if labelled and loose:
        raise InputError(
            f"{folder}: {len(loose)} of {len(pictures)} pictures are in no class folder: {listing(loose)}; move each "
            "into a folder that is named after its taxon"
        )
    names = sorted({path.parts[0].strip() for path in pictures}) if labelled else []
    ids = {name: number for number, name in enumerate(names, start=1)}
    content = {
        "images": [{"id": number, "file_name": path.as_posix()} for number, path in enumerate(pictures, start=1)],
        "annotations": [
            _annotation(number, ids.get(path.parts[0].strip()) if labelled else None)
            for number, path in enumerate(pictures, start=1)
        ],
        "categories": [{"id": number, "name": name} for name, number in ids.items()],
    }
    return Document(content, notes=(*_notes(files, pictures), *_linked(folder)))


def _annotation(number: int, category: int | None) -> JsonObject:
    return {"id": number, "image_id": number, "category_id": category, "bbox": WHOLE_FRAME}


def _linked(folder: Path) -> list[str]:
    """Links may lead outside the folder, or in circles, so they are not followed."""
    linked = sorted(path.name for path in folder.iterdir() if path.is_symlink() and path.is_dir())
    return [f"{len(linked)} folder(s) are links and are ignored: {listing(linked, 5)}"] if linked else []


def _notes(files: list[PurePosixPath], pictures: list[PurePosixPath]) -> list[str]:
    others = sorted(set(files) - set(pictures))
    return [f"{len(others)} file(s) are not pictures and are ignored: {listing(others, 5)}"] if others else []
