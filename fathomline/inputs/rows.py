"""The rows of an input, before they are grouped by picture."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from fathomline.errors import InputError, listing
from fathomline.inputs.requests import FrameRequest, RoiRequest


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the input; the fields are those of `FrameRequest`."""

    path: str
    location: str
    size: tuple[int, int] | None = None
    fractions: bool = False
    image_id: int | str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an input; the fields are those of `RoiRequest`."""

    picture: Picture
    box: object = None
    annotation_id: int | str | None = None
    track: str | None = None
    reason: str = ""


def frames_of(rows: Iterable[Row], first: int) -> list[FrameRequest]:
    """One frame per picture, in the order in which the pictures first appear, with its rows in their order.

    Args: first, the place of the first row among the rows of all inputs.
    """
    by_picture: dict[Picture, list[RoiRequest]] = {}
    for place, row in enumerate(rows, start=first):
        picture, reason = row.picture, row.reason
        if not _is_text(picture.path) or not _is_text(picture.location):
            # Tables and JSON cannot hold such a name.
            picture, reason = _with_visible_name(picture), "its file name is not valid UTF-8; rename it"
        request = RoiRequest(place, row.box, row.annotation_id, row.track, reason)
        by_picture.setdefault(picture, []).append(request)
    return [
        FrameRequest(picture.path, picture.location, tuple(rois), picture.size, picture.fractions, picture.image_id)
        for picture, rois in by_picture.items()
    ]


def _is_text(name: str) -> bool:
    """Whether a name of the file system is Unicode. Python keeps the other bytes of a name as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _with_visible_name(picture: Picture) -> Picture:
    name, location = (text.encode("utf-8", "backslashreplace").decode() for text in (picture.path, picture.location))
    return replace(picture, path=name, location=location)


def refuse_repeated_ids(rows: Iterable[Row], where: str) -> None:
    """Raise InputError if several rows have the same annotation id: their answers could not be told apart."""
    counts = Counter(row.annotation_id for row in rows if row.annotation_id is not None)
    repeated = [f"{annotation_id} ({count} times)" for annotation_id, count in counts.items() if count > 1]
    if repeated:
        raise InputError(f"{where}: several boxes have the same id: {listing(repeated)}; give each box its own id")


def size_of(width: object, height: object) -> tuple[int, int] | None:
    """A picture's size as its source states it; None unless both are positive whole numbers."""
    sides = _pixels(width), _pixels(height)
    return None if sides[0] is None or sides[1] is None else (sides[0], sides[1])


def _pixels(side: object) -> int | None:
    if isinstance(side, bool) or not isinstance(side, int | float) or not 1 <= side < 2**31 or side != int(side):
        return None
    return int(side)
