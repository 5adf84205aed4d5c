"""Open a frame once, and cut the ROIs and views of all its boxes. Crop's processes run this."""

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
"""zlib level of the ROI PNGs; it takes half the time of the default and makes files a tenth larger."""


@dataclass(frozen=True)
class Box:
    """A box to cut: a valid rectangle, which may lie outside its frame."""

    row: int
    """Its row in pixels.npy."""

    annotation_id: int
    rectangle: Rectangle


@dataclass(frozen=True)
class FrameJob:
    """A frame and all its boxes."""

    image_id: int
    path: Path
    sha256: str
    """The SHA-256 of the file in manifest.csv."""

    described: tuple[int, int] | None
    """Width and height in the JSON; None if it has none."""

    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class CutPlan:
    """What all frames have in common."""

    rois: Path
    """The folder of the ROI PNGs."""

    pixels: PixelFile
    preprocessing: Preprocessing


@dataclass(frozen=True)
class CutBox:
    """The outcome for a box."""

    annotation_id: int
    rectangle: Rectangle | None
    """Clipped to the frame; None if the box could not be cut."""

    reason: str
    """Why the box could not be cut; empty if it was."""


@dataclass(frozen=True)
class CutFrame:
    """The outcome for a frame."""

    image_id: int
    size: tuple[int, int]
    """Width and height in the pixel grid of the boxes; (0, 0) if the frame could not be decoded."""

    boxes: tuple[CutBox, ...]


@dataclass(frozen=True)
class OpenFrame:
    """A decoded frame, ready to be cut."""

    image: Image.Image
    """RGB, in the pixel grid that boxes refer to."""

    to_upright: Image.Transpose | None
    """The transpose that turns a crop of `image` upright; None if it is upright already."""

    padding_colour: tuple[int, int, int] | None
    """Colour beyond the edge of the frame; None for its nearest pixel."""

    frame_views: dict[int, np.ndarray] = field(default_factory=dict)
    """Cache of the views that all boxes share, as they show the frame; by index in `Preprocessing.views`."""

    @classmethod
    def of(cls, image: Image.Image, to_upright: Image.Transpose | None, preprocessing: Preprocessing) -> "OpenFrame":
        return cls(image, to_upright, mean_colour(image) if preprocessing.padding == "mean" else None)

    @classmethod
    def decoded(cls, frame: Frame, described: tuple[int, int] | None, preprocessing: Preprocessing) -> "OpenFrame":
        """Args: described, the width and height given with the boxes, which show whether the boxes refer to the
        stored or the upright picture; None if unknown.
        """
        return cls.of(*in_box_coordinates(frame, described), preprocessing)


def cut_frame(job: FrameJob, plan: CutPlan) -> CutFrame:
    """Decode a frame, and write the ROI and the row of views of each of its boxes.

    Raises OSError if a result cannot be written.
    """
    try:
        frame = OpenFrame.decoded(_read(job), job.described, plan.preprocessing)
    except Unusable as error:
        return CutFrame(job.image_id, (0, 0), tuple(CutBox(box.annotation_id, None, str(error)) for box in job.boxes))
    boxes = tuple(_cut_box(box, job.image_id, frame, plan) for box in job.boxes)
    return CutFrame(job.image_id, frame.image.size, boxes)


def cut_views(frame: OpenFrame, rectangle: Rectangle, preprocessing: Preprocessing) -> np.ndarray:
    """The views of an ROI, (views, size, size, 3) uint8 RGB, upright. Args: rectangle, clipped to the frame."""
    size = preprocessing.size
    views = np.empty((len(preprocessing.views), size, size, 3), dtype=np.uint8)
    for index, view in enumerate(preprocessing.views):
        if index in frame.frame_views:
            views[index] = frame.frame_views[index]
            continue
        shown = view_rectangle(rectangle, view, frame.image.size, preprocessing.square)
        views[index] = _upright(render(frame.image, shown, size, frame.padding_colour), frame.to_upright)
        if view == "frame":
            frame.frame_views[index] = views[index].copy()
    return views


def _read(job: FrameJob) -> Frame:
    try:
        body = job.path.read_bytes()
    except OSError as error:
        raise Unusable(f"frame cannot be read: {error.strerror}") from None
    if hashlib.sha256(body).hexdigest() != job.sha256:
        raise Unusable("frame has changed since its download; `dvc repro --force download` fetches it again")
    return decode_image(body)


def _cut_box(box: Box, image_id: int, frame: OpenFrame, plan: CutPlan) -> CutBox:
    try:
        rectangle = clip(box.rectangle, frame.image.size)
    except Unusable as error:
        return CutBox(box.annotation_id, None, str(error))
    roi = frame.image.crop(whole_pixels(rectangle))
    if frame.to_upright is not None:
        roi = roi.transpose(frame.to_upright)
    roi.save(plan.rois / Path(roi_path(image_id, box.annotation_id)).name, compress_level=COMPRESSION)
    plan.pixels.write(box.row, cut_views(frame, rectangle, plan.preprocessing))
    return CutBox(box.annotation_id, rectangle, "")


def _upright(pixels: np.ndarray, to_upright: Image.Transpose | None) -> np.ndarray:
    return pixels if to_upright is None else np.asarray(Image.fromarray(pixels).transpose(to_upright))
