"""Which files of a folder are pictures."""

import os
from pathlib import Path, PurePosixPath

from fathomline.dataset.image_file import EXTENSIONS
from fathomline.errors import InputError

PICTURE_SUFFIXES = frozenset(f".{extension}" for extension in (*EXTENSIONS.values(), "jpeg", "tiff"))

UNREAD_SUFFIXES = frozenset({".heic", ".heif", ".avif", ".jxl", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".dng"})
"""Extensions of pictures in formats of telephones and cameras that cannot be read."""


def is_picture(name: str) -> bool:
    """Whether the name is that of a picture, by its extension."""
    return os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES


def files_below(folder: Path) -> list[PurePosixPath]:
    """Paths of all files in the folder and its subfolders, relative to it, sorted; without hidden ones.

    Links to folders are not followed. Raises InputError if a folder cannot be listed.
    """
    found: list[PurePosixPath] = []

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: the folder cannot be listed ({error.strerror}); change its permissions")

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        relative = PurePosixPath(Path(place).relative_to(folder).as_posix())
        found += [relative / name for name in names if not name.startswith(".")]
    return sorted(found)


def linked_folders_below(folder: Path) -> list[PurePosixPath]:
    """Paths of the links to folders, which `files_below` does not follow, relative to the folder and sorted."""
    places = ((Path(place), name) for place, folders, _ in os.walk(folder) for name in folders)
    links = (place / name for place, name in places if not name.startswith(".") and (place / name).is_symlink())
    return sorted(PurePosixPath(link.relative_to(folder).as_posix()) for link in links)
