"""One frame, opened once, cut into the ROIs and views of all its boxes. This is what crop's processes run."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from fathomline.images.annotations import roi_path
from fathomline.images.decode import Frame, decode, in_box_grid
from fathomline.images.pixels import PixelFile
from fathomline.images.unusable import Unusable
from fathomline.images.views import Rectangle, clip, mean_colour, render, view_rectangle, whole_pixels

COMPRESSION = 1
"""zlib level of the ROI PNGs: half the time of the default for files a tenth larger."""


@dataclass(frozen=True)
class Box:
    """A box to cut, whose numbers are sound but which may lie outside its frame."""

    row: int
    """Its row in the pixel file."""

    annotation_id: int
    rectangle: Rectangle


@dataclass(frozen=True)
class FrameJob:
    """A frame and all its boxes."""

    image_id: int
    path: Path
    sha256: str
    """Of the file, as the manifest has it."""

    described: tuple[int, int] | None
    """Width and height that the JSON gives, None when it gives none."""

    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class CutPlan:
    """What is the same for all frames."""

    rois: Path
    """Folder of the ROI PNGs."""

    pixels: PixelFile
    views: tuple[float | Literal["frame"], ...]
    square: bool
    padding: Literal["edge", "mean"]


@dataclass(frozen=True)
class CutBox:
    """What became of a box."""

    annotation_id: int
    rectangle: Rectangle | None
    """Clipped to the frame; None when it could not be cut."""

    reason: str
    """Why it could not be cut; empty when it was."""


@dataclass(frozen=True)
class CutFrame:
    """What became of a frame."""

    image_id: int
    size: tuple[int, int]
    """Width and height in the grid of the boxes; (0, 0) when the frame could not be decoded."""

    boxes: tuple[CutBox, ...]


def cut_frame(job: FrameJob, plan: CutPlan) -> CutFrame:
    """Decode a frame, write the ROI and the row of views of each of its boxes, and tell what became of each.

    Raises OSError when a result cannot be written.
    """
    try:
        frame = _read(job)
    except Unusable as error:
        return CutFrame(job.image_id, (0, 0), tuple(CutBox(box.annotation_id, None, str(error)) for box in job.boxes))
    image, turn = in_box_grid(frame, job.described)
    whole_frame: dict[int, np.ndarray] = {}
    beyond = mean_colour(image) if plan.padding == "mean" else None
    boxes = tuple(_cut_box(box, job.image_id, image, turn, beyond, plan, whole_frame) for box in job.boxes)
    return CutFrame(job.image_id, image.size, boxes)


def _read(job: FrameJob) -> Frame:
    try:
        body = job.path.read_bytes()
    except OSError as error:
        raise Unusable(f"frame cannot be read: {error.strerror}") from None
    if hashlib.sha256(body).hexdigest() != job.sha256:
        raise Unusable("frame has changed since its download; `dvc repro --force` of the download fetches it again")
    return decode(body)


def _cut_box(
    box: Box,
    image_id: int,
    image: Image.Image,
    turn: Image.Transpose | None,
    beyond: tuple[int, int, int] | None,
    plan: CutPlan,
    whole_frame: dict[int, np.ndarray],
) -> CutBox:
    """`whole_frame` holds, by their place in `plan.views`, the views that all boxes of this frame share."""
    try:
        rectangle = clip(box.rectangle, image.size)
    except Unusable as error:
        return CutBox(box.annotation_id, None, str(error))
    roi = image.crop(whole_pixels(rectangle))
    if turn is not None:
        roi = roi.transpose(turn)
    roi.save(plan.rois / Path(roi_path(image_id, box.annotation_id)).name, compress_level=COMPRESSION)
    size = plan.pixels.shape[2]
    row = np.empty(plan.pixels.shape[1:], dtype=np.uint8)
    for place, view in enumerate(plan.views):
        if place in whole_frame:
            row[place] = whole_frame[place]
            continue
        shown = view_rectangle(rectangle, view, image.size, plan.square)
        row[place] = _turned(render(image, shown, size, beyond), turn)
        if view == "frame":
            whole_frame[place] = row[place].copy()
    plan.pixels.write(box.row, row)
    return CutBox(box.annotation_id, rectangle, "")


def _turned(pixels: np.ndarray, turn: Image.Transpose | None) -> np.ndarray:
    return pixels if turn is None else np.asarray(Image.fromarray(pixels).transpose(turn))
