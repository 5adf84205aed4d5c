"""A page of all answers with their pictures: a folder that opens in a browser without a network or a server."""

import shutil
from collections.abc import Callable
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
"""The file that tells our own folder from one that must not be touched; it also says which pictures it has."""


class AnswerPage:
    """Writes the page: pictures while ROIs are cut, then the answers, then the page itself.

    `observe` may be called from several threads. Memory does not grow with the number of ROIs.
    """

    def __init__(self, folder: Path, key: str, model: str) -> None:
        """Prepare the folder; an earlier page in it is replaced.

        Args:
            key: a digest of all that the pictures depend on. Pictures of an earlier run with the same key are kept,
                so that a run that goes on from there needs to write only the others.
            model: name of the model, for the heading.
        Raises InputError if `folder` exists and is neither empty nor such a page.
        """
        self.folder = folder
        self.model = model
        if _key_of(folder) != key:
            _remove(folder, "pictures")
        _remove(folder, "index.html", "data")
        write_json({"kind": KIND, "key": key}, folder / MARK)
        self._tally = AnswerTally()
        self._answers = RowFiles(folder / "data", "answers", ANSWERS_PER_FILE)
        self._details = RowFiles(folder / "data", "details", DETAILS_PER_FILE)
        self._skipped = RowFiles(folder / "data", "skipped", DETAILS_PER_FILE)
        self._counts = {"answered": 0, "skipped": 0, "without_picture": 0}

    def observe(self, request: RoiRequest, views: np.ndarray) -> None:
        """Write the picture of an ROI. Args: views, (views, size, size, 3) uint8; the first is shown."""
        picture = Image.fromarray(views[0])
        picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.LANCZOS)
        path = self._picture(request.row)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not `written_whole`, which waits for the disk: if this process is killed now, the next run cuts the ROI again.
        picture.save(path, "WEBP", quality=80, method=2)

    def add(self, tables: AnswerTables) -> None:
        """Add the rows of a chunk, after its ROIs were observed in this run or an earlier one."""
        answered, skipped = tables.answered, tables.skipped
        pictures = [self._picture(row).exists() for row in answered["row"].tolist()]
        self._answers.add(answer_rows(answered, self._tally.add(answered), pictures))
        self._details.add(detail_rows(answered))
        self._skipped.add(skipped_rows(skipped))
        self._counts["answered"] += len(answered)
        self._counts["skipped"] += len(skipped)
        self._counts["without_picture"] += pictures.count(False)

    def finish(self) -> None:
        """Write the page, when all chunks have been added."""
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
        with written_whole(self.folder / "index.html") as temporary:
            temporary.write_text(text, encoding="utf-8")

    def _picture(self, row: int) -> Path:
        return self.folder / f"pictures/{row // PICTURES_PER_FOLDER}/{row}.webp"


def _key_of(folder: Path) -> object:
    """The key of the page in `folder`; None if there is nothing. InputError if it has something else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    mark: object = None
    if (folder / MARK).is_file():
        mark = read_json(folder / MARK)
    if not isinstance(mark, dict) or mark.get("kind") != KIND:
        raise InputError(
            f"{folder}: expected a new or empty folder, or an earlier page of answers, which is replaced; found "
            f"{'other files' if folder.is_dir() else 'a file'}, which are kept; choose another name"
        )
    return mark.get("key")


def _remove(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        remove: Callable[[Path], object] = shutil.rmtree if path.is_dir() and not path.is_symlink() else Path.unlink
        if path.exists() or path.is_symlink():
            remove(path)


def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("fathomline.answers", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template("answers.html")
