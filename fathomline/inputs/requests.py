"""What to predict: frames, and the ROIs in each of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RoiRequest:
    """One row of the input."""

    row: int
    """Its place among the rows of all inputs, from 0. Answers come in this order."""

    box: object = None
    """x, y, width and height, not yet checked; None for the whole picture."""

    annotation_id: int | str | None = None
    """As in the input; None if it has none."""

    track: str | None = None
    """ROIs of one track show the same animal; None if the input has no tracks."""

    reason: str = ""
    """Why the row cannot be used, if its reader already knows; otherwise empty."""


@dataclass(frozen=True, slots=True)
class FrameRequest:
    """A picture and the ROIs in it."""

    path: str
    """The picture as the answers name it."""

    location: str
    """Path of the file, or an http or https URL."""

    rois: tuple[RoiRequest, ...]

    size: tuple[int, int] | None = None
    """Width and height according to the source of the boxes, which show whether boxes refer to the stored or the
    upright picture; None if unknown."""

    fractions: bool = False
    """Whether boxes are fractions of the picture's width and height rather than pixels."""

    image_id: int | str | None = None
    """The id of the picture in its COCO file."""
