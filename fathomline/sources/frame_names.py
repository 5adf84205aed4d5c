"""Find the frames that an annotation file names, although programs write paths differently."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import takewhile
from pathlib import Path, PurePosixPath
from threading import Lock
from urllib.parse import parse_qs, unquote, urlsplit

from fathomline.dataset.picture_files import files_below
from fathomline.errors import Unusable, listing, shown
from fathomline.sources.inside_folder import path_inside

UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-")
"""What Label Studio puts before the name of an uploaded file."""


class FrameFolder:
    """The frames in a folder, by the names that an annotation file gives them. Threads may share it."""

    def __init__(self, folder: Path, names: Iterable[str] = ()) -> None:
        """Args: names, all that the annotations give: a file found by its base name must fit only one of them."""
        self.folder = folder
        self._names = frozenset(names)
        self.renamed: dict[str, Path] = {}
        """Names that were found only by a part of them, with the file found."""
        self._lock = Lock()

    def find(self, name: str) -> Path:
        """The file `name` of the folder. If there is none, the one file that has the same path in other letter case or
        with accents stored otherwise, or else the same base name; of several, the one whose folders agree best with
        those of `name`.

        No file outside the folder is ever found. Raises Unusable if there is no such file, or several, or if other
        names that the annotations give lead to the same file: at most one of them means it.
        """
        refusal = Unusable("no such file in the folder of the frames")
        try:
            path = path_inside(self.folder, name)
            if path.is_file():
                return path
        except Unusable as error:
            refusal = error
        except OSError as error:  # a name that is too long
            refusal = Unusable(f"cannot be read: {error.strerror}")
        found = self._similar(name)
        if not found:
            raise refusal
        if len(found) > 1:
            raise Unusable(
                f"{len(found)} files in the folder of the frames have this base name: {listing(found, 2)}; write "
                "the path of the right one in the annotations"
            )
        path = path_inside(self.folder, found[0].as_posix())
        with self._lock:  # so that only one thread looks for the files of all names
            if self._has_rivals(name, found[0]):
                raise Unusable(
                    "not at its path in the folder of the frames, and the one file with its base name is also that of "
                    "another path in the annotations; keep the folders that the annotations name, or correct the paths"
                )
            self.renamed[name] = path
        return path

    def notes(self) -> Iterator[str]:
        """One line on the files that were found only by a part of their names, if there are any."""
        if self.renamed:
            name, path = min(self.renamed.items())
            yield (
                f"{len(self.renamed)} frame(s) are not where the annotations say; found by their base name, such as "
                f"{shown(str(self.folder / name), 200)} as {path.relative_to(self.folder.resolve()).as_posix()}"
            )

    def _similar(self, name: str) -> list[PurePosixPath]:
        """Files whose path, or else base name, differs only in what programs change."""
        for candidate in _readings(name):
            for files, wanted in ((self._by_path, candidate), (self._by_base_name, PurePosixPath(candidate).name)):
                found = [path for path in files.get(_key(wanted), []) if (self.folder / path).is_file()]
                if found:
                    return _closest(found, candidate)
        return []

    def _has_rivals(self, name: str, file: PurePosixPath) -> bool:
        """Whether `name` is not the path of `file`, and another path in the annotations leads to `file`, too."""
        place = _place(name)
        return place != _key(file.as_posix()) and bool(self._places.get(file, set()) - {place})

    @cached_property
    def _places(self) -> dict[PurePosixPath, set[str]]:
        """For each file, the paths in the annotations that lead to it."""
        places: dict[PurePosixPath, set[str]] = {}
        for name in self._names:
            found = self._similar(name)
            if len(found) == 1:
                places.setdefault(found[0], set()).add(_place(name))
        return places

    @cached_property
    def _files(self) -> list[PurePosixPath]:
        return files_below(self.folder)

    @cached_property
    def _by_path(self) -> dict[str, list[PurePosixPath]]:
        return _grouped((path.as_posix(), path) for path in self._files)

    @cached_property
    def _by_base_name(self) -> dict[str, list[PurePosixPath]]:
        return _grouped((path.name, path) for path in self._files)


def _closest(found: list[PurePosixPath], wanted: str) -> list[PurePosixPath]:
    """Of files with the same base name, the one whose folders agree best with the path `wanted`; all if that is a tie.

    Cameras number the frames of each dive from 1, so that only the folders tell them apart.
    """
    parts = [_key(part) for part in reversed(PurePosixPath(wanted).parts)]

    def agreement(path: PurePosixPath) -> int:
        own = [_key(part) for part in reversed(path.parts)]
        return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(own, parts, strict=False))))

    best = max(map(agreement, found))
    closest = [path for path in found if agreement(path) == best]
    return closest if len(closest) == 1 else found


def _grouped(named: Iterable[tuple[str, PurePosixPath]]) -> dict[str, list[PurePosixPath]]:
    groups: dict[str, list[PurePosixPath]] = {}
    for name, path in named:
        groups.setdefault(_key(name), []).append(path)
    return groups


def _key(name: str) -> str:
    """Equal for names that differ only in letter case, or in how a file system stores accents (macOS takes é apart)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _place(name: str) -> str:
    """Equal for names that give the same path."""
    return _key(PurePosixPath(next(_readings(name), "")).as_posix())


def _readings(name: str) -> Iterator[str]:
    """The paths that `name` may stand for: as it is, with a URL's escapes decoded, without Label Studio's prefix."""
    plain = name.replace("\\", "/")
    try:
        # Label Studio: /data/local-files/?d=folder/a.jpg
        local_file = parse_qs(urlsplit(plain).query).get("d", [""])[0]
        path = urlsplit(plain).path if "://" in plain else plain
    except ValueError:
        local_file, path = "", plain
    readings = [reading for reading in (local_file, path, unquote(path)) if reading]
    yield from readings
    for reading in readings:
        place = PurePosixPath(reading)
        if UPLOAD_PREFIX.match(place.name):
            yield (place.parent / UPLOAD_PREFIX.sub("", place.name, count=1)).as_posix()
