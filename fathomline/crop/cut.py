"""One frame, opened once, cut into the ROIs and views of all its boxes. This is what crop's processes run."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from fathomline.crop.views import Rectangle, clip, mean_colour, render, view_rectangle, whole_pixels
from fathomline.dataset.image_file import Frame, decode_image, in_box_coordinates
from fathomline.errors import Unusable
from fathomline.rois.annotations import roi_path
from fathomline.rois.pixels import PixelFile
from fathomline.rois.preprocessing import Preprocessing

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
    preprocessing: Preprocessing


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


@dataclass(frozen=True)
class OpenFrame:
    """A decoded frame, to be cut."""

    image: Image.Image
    """RGB, in the pixel grid that boxes refer to."""

    turn: Image.Transpose | None
    """What makes a cut from `image` upright; None when it is."""

    beyond: tuple[int, int, int] | None
    """Colour of what lies beyond the frame; None for its nearest pixel."""

    shared: dict[int, np.ndarray] = field(default_factory=dict)
    """The views that all boxes of this frame share, by their place in `Preprocessing.views`, as they are cut."""

    @classmethod
    def of(cls, image: Image.Image, turn: Image.Transpose | None, preprocessing: Preprocessing) -> "OpenFrame":
        return cls(image, turn, mean_colour(image) if preprocessing.padding == "mean" else None)

    @classmethod
    def decoded(cls, frame: Frame, described: tuple[int, int] | None, preprocessing: Preprocessing) -> "OpenFrame":
        """Args: described, width and height that the file with the boxes gives, None when it gives none."""
        return cls.of(*in_box_coordinates(frame, described), preprocessing)


def cut_frame(job: FrameJob, plan: CutPlan) -> CutFrame:
    """Decode a frame, write the ROI and the row of views of each of its boxes, and tell what became of each.

    Raises OSError when a result cannot be written.
    """
    try:
        frame = OpenFrame.decoded(_read(job), job.described, plan.preprocessing)
    except Unusable as error:
        return CutFrame(job.image_id, (0, 0), tuple(CutBox(box.annotation_id, None, str(error)) for box in job.boxes))
    boxes = tuple(_cut_box(box, job.image_id, frame, plan) for box in job.boxes)
    return CutFrame(job.image_id, frame.image.size, boxes)


def cut_views(frame: OpenFrame, rectangle: Rectangle, preprocessing: Preprocessing) -> np.ndarray:
    """(views, size, size, 3) uint8 RGB, upright. Args: rectangle, clipped to the frame."""
    size = preprocessing.size
    views = np.empty((len(preprocessing.views), size, size, 3), dtype=np.uint8)
    for place, view in enumerate(preprocessing.views):
        if place in frame.shared:
            views[place] = frame.shared[place]
            continue
        shown = view_rectangle(rectangle, view, frame.image.size, preprocessing.square)
        views[place] = _turned(render(frame.image, shown, size, frame.beyond), frame.turn)
        if view == "frame":
            frame.shared[place] = views[place].copy()
    return views


def _read(job: FrameJob) -> Frame:
    try:
        body = job.path.read_bytes()
    except OSError as error:
        raise Unusable(f"frame cannot be read: {error.strerror}") from None
    if hashlib.sha256(body).hexdigest() != job.sha256:
        raise Unusable("frame has changed since its download; `dvc repro --force` of the download fetches it again")
    return decode_image(body)


def _cut_box(box: Box, image_id: int, frame: OpenFrame, plan: CutPlan) -> CutBox:
    try:
        rectangle = clip(box.rectangle, frame.image.size)
    except Unusable as error:
        return CutBox(box.annotation_id, None, str(error))
    roi = frame.image.crop(whole_pixels(rectangle))
    if frame.turn is not None:
        roi = roi.transpose(frame.turn)
    roi.save(plan.rois / Path(roi_path(image_id, box.annotation_id)).name, compress_level=COMPRESSION)
    plan.pixels.write(box.row, cut_views(frame, rectangle, plan.preprocessing))
    return CutBox(box.annotation_id, rectangle, "")


def _turned(pixels: np.ndarray, turn: Image.Transpose | None) -> np.ndarray:
    return pixels if turn is None else np.asarray(Image.fromarray(pixels).transpose(turn))
