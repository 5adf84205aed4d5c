"""A page of all answers with their pictures: a folder that opens in a browser without a network or a server."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from fathomline.answers.page_data import (
    ANSWERS_PER_FILE,
    DETAILS_PER_FILE,
    AnswerTally,
    RowFiles,
    answer_rows,
    detail_rows,
    script_json,
    skipped_rows,
)
from fathomline.answers.table import AnswerTables
from fathomline.errors import InputError
from fathomline.files import read_json, write_json, written_whole
from fathomline.inputs.requests import RoiRequest
from fathomline.report.labels import visible
from fathomline.taxonomy.ranks import RANKS

PICTURE_SIDE = 128
"""Pixels; a larger view is scaled down."""

PICTURES_PER_FOLDER = 1000

KIND = "fathomline page of answers"
MARK = "page.json"
"""The file that tells our own folder from one that must not be touched. It also holds the key of the pictures."""


class AnswerPage:
    """Writes the page: pictures while ROIs are cut, then the answers, then the page itself.

    Until it is complete, it is in the subfolder `unfinished`, and an earlier page stays as it is. `observe` may be
    called from several threads. Memory does not grow with the number of ROIs.
    """

    def __init__(self, folder: Path, model: str) -> None:
        """Args: folder, written by `begin` and later; model, its name for the heading.

        Raises InputError if `folder` exists and is neither empty nor such a page.
        """
        _refuse_other_folders(folder)
        self.folder = folder
        self.model = model
        self._next = folder / "unfinished"
        self._key = ""
        self._same_pictures = False
        """Whether the page that is replaced has pictures of the same key, as after a run that was interrupted late."""
        self._tally = AnswerTally()
        self._answers = RowFiles(self._next / "data", "answers", ANSWERS_PER_FILE)
        self._details = RowFiles(self._next / "data", "details", DETAILS_PER_FILE)
        self._skipped = RowFiles(self._next / "data", "skipped", DETAILS_PER_FILE)
        self._counts = {"answered": 0, "skipped": 0, "without_picture": 0}

    def begin(self, key: str) -> None:
        """Prepare the folder; call this before `observe`.

        Args: key, a digest of all that the pictures depend on. An interrupted run's pictures are kept if it had the
            same one.
        """
        self._key = key
        self._same_pictures = _key_of(self.folder) == key
        if _key_of(self._next) != key:
            _remove(self._next)
        _remove(self._next / "data")
        _mark(self._next, key)

    def observe(self, request: RoiRequest, views: np.ndarray) -> None:
        """Write the picture of an ROI. Args: views, (views, size, size, 3) uint8; the first is shown."""
        picture = Image.fromarray(views[0])
        picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.LANCZOS)
        path = self._next / _picture(request.row)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not `written_whole`, which waits for the disk: if this process is killed now, the next run cuts the ROI again.
        try:
            picture.save(path, "JPEG", quality=80)  # a tenth of the time that WebP takes
        except OSError as error:  # on a full disk, it has no file name
            error.filename = error.filename or str(path)
            raise

    def add(self, tables: AnswerTables) -> None:
        """Add the rows of a chunk, after its ROIs were observed in this run or in an interrupted one."""
        answered, skipped = tables.answered, tables.skipped
        pictures = [self._has_picture(row) for row in answered["row"].tolist()]
        self._answers.add(answer_rows(answered, self._tally.add(answered), pictures))
        self._details.add(detail_rows(answered))
        self._skipped.add(skipped_rows(skipped))
        self._counts["answered"] += len(answered)
        self._counts["skipped"] += len(skipped)
        self._counts["without_picture"] += pictures.count(False)

    def finish(self) -> None:
        """Write the page, when all chunks have been added, in place of an earlier one."""
        for files in (self._answers, self._details, self._skipped):
            files.finish()
        taxa, answers = self._tally.clades()
        data: dict[str, Any] = {
            "taxa": taxa,
            "answers": answers,
            "ranks": [str(rank) for rank in RANKS],
            "files": self._answers.files,
            "skippedFiles": self._skipped.files,
            "answersPerFile": ANSWERS_PER_FILE,
            "detailsPerFile": DETAILS_PER_FILE,
            "picturesPerFolder": PICTURES_PER_FOLDER,
        }
        text = _template().render(model=visible(self.model), **self._counts, data=script_json(data))
        with written_whole(self._next / "index.html") as temporary:
            temporary.write_text(text, encoding="utf-8")
        self._replace()

    def _replace(self) -> None:
        """Move the finished page to its place. If this is interrupted, a next run with the same key completes it."""
        if not self._same_pictures:
            _remove(self.folder / "pictures")
        _mark(self.folder, self._key)
        for picture in sorted((self._next / "pictures").rglob("*.jpg")):
            target = self.folder / picture.relative_to(self._next)
            target.parent.mkdir(parents=True, exist_ok=True)
            picture.replace(target)
        for part in ("data", "index.html"):
            _remove(self.folder / part)
            if (self._next / part).exists():
                (self._next / part).rename(self.folder / part)
        shutil.rmtree(self._next)

    def _has_picture(self, row: int) -> bool:
        kept = self._same_pictures and (self.folder / _picture(row)).exists()
        return kept or (self._next / _picture(row)).exists()


def _picture(row: int) -> Path:
    return Path(f"pictures/{row // PICTURES_PER_FOLDER}/{row}.jpg")


def _mark(folder: Path, key: str) -> None:
    write_json({"kind": KIND, "key": key}, folder / MARK)


def _key_of(folder: Path) -> object:
    """The key of the page in `folder`; None if there is no page."""
    try:
        mark = read_json(folder / MARK)
    except InputError:
        return None
    return mark.get("key") if isinstance(mark, dict) and mark.get("kind") == KIND else None


def _refuse_other_folders(folder: Path) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if _key_of(folder) is None and _key_of(folder / "unfinished") is None:
        raise InputError(
            f"{folder}: expected a new or empty folder, or an earlier page of answers, which would be replaced; found "
            f"{'other files' if folder.is_dir() else 'a file'}; choose another name"
        )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("fathomline.answers", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("answers.html")
