"""The sizes of boxes, against the size of the views that crop cuts and of the model's input."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fathomline.check.finding import Finding, stops
from fathomline.check.frames import Frames
from fathomline.check.subset import Subset
from fathomline.crop.crop import CropConfig
from fathomline.crop.views import clip, parse_box
from fathomline.dataset.box_format import refuse_other_format
from fathomline.dataset.coco import WHOLE_FRAME
from fathomline.errors import Unusable
from fathomline.train.config import TrainConfig, ValidationConfig

ENLARGED = 2.0
"""A view that is shown to the model at more than this many times its size has far fewer details than pixels."""

SHRUNK = 4.0
"""A view that is shown at less than one part in this many has lost most of its details."""

SMALL_SHARE = 0.01
"""Boxes with less than this share of their frame are small: what is around them may say more."""

MUCH_SMALLER = 2.0
"""Test boxes count as much smaller if their median size is less than the training boxes' divided by this."""


@dataclass(frozen=True)
class Boxes:
    """The boxes of a subset that crop can cut, as far as that is known without decoding frames."""

    rois: list[int]
    """Rows of the annotations, also of those whose size is unknown."""

    sides: np.ndarray
    """(boxes, 2) float64, width and height in pixels, clipped to the frame; without boxes of unknown size."""

    frames: np.ndarray
    """(boxes, 2) float64, width and height of the frame of each; NaN if unknown."""

    unusable: list[tuple[int, str]]
    """Annotation id and reason of each box that cannot be cut."""

    @property
    def median_size(self) -> float:
        """Median √(width · height), in pixels; NaN without sizes."""
        return float(np.median(np.sqrt(self.sides.prod(axis=1)))) if len(self.sides) else float("nan")


def boxes_of(subset: Subset, frames: Frames) -> Boxes:
    """The usable boxes, without those of missing frames. A box is clipped if the size of its frame is known."""
    rois, sides, of_frames, unusable = [], [], [], []
    missing = frames.missing
    for row, annotation in enumerate(subset.data.coco.annotations):
        if annotation["image_id"] in missing:
            continue
        frame = frames.sizes.get(annotation["image_id"])
        try:
            side = _sides(annotation["bbox"], frame)
        except Unusable as error:
            unusable.append((annotation["id"], str(error)))
            continue
        rois.append(row)
        if side is not None:
            sides.append(side)
            of_frames.append(frame or (np.nan, np.nan))
    shape = (len(sides), 2)
    return Boxes(rois, np.array(sides, dtype=float).reshape(shape), np.array(of_frames).reshape(shape), unusable)


def _sides(bbox: object, frame: tuple[int, int] | None) -> tuple[float, float] | None:
    """Width and height of a box; None if it is a whole frame of unknown size. Raises Unusable as crop would."""
    if bbox == WHOLE_FRAME:
        return frame and (float(frame[0]), float(frame[1]))
    left, top, right, bottom = parse_box(bbox)
    if frame is not None:
        left, top, right, bottom = clip((left, top, right, bottom), frame)
    return right - left, bottom - top


def box_findings(subset: Subset, frames: Frames, boxes: Boxes) -> Iterator[Finding]:
    """Boxes that crop refuses or leaves out."""
    annotations = subset.data.coco.annotations
    sizes = [frames.sizes.get(annotation["image_id"]) for annotation in annotations]
    numbers = [annotation["bbox"] for annotation in annotations]
    yield from stops(lambda: refuse_other_format(numbers, sizes, "xywh", subset.where))
    if boxes.unusable:
        first, reason = boxes.unusable[0]
        yield Finding(
            "surprise" if boxes.rois else "stop",
            f"{len(boxes.unusable)} of {len(annotations)} {subset.word} boxes cannot be cut and will be left out; the "
            f"first, annotation {first}: {reason}",
        )


def size_findings(subset: Subset, boxes: Boxes, crop: CropConfig, train: TrainConfig) -> Iterator[Finding]:
    """How much boxes are enlarged or shrunk until the model sees them."""
    if not len(boxes.sides):
        return
    shown = _shown_sides(boxes, crop)
    low, median, high = np.percentile(boxes.sides.max(axis=1), (25, 50, 75))
    yield Finding(
        "expected",
        f"{subset.word} boxes: longer side {median:.0f} px (median; half of them {low:.0f} to {high:.0f} px), stored "
        f"at crop.size {crop.size}, seen by the model at train.image_size {train.image_size}",
    )
    if len(shown):
        yield from _scaling(subset, shown, train)
    if subset.name == "train":
        yield from _surroundings(boxes, crop)


def _scaling(subset: Subset, shown: np.ndarray, train: TrainConfig) -> Iterator[Finding]:
    """Args: shown, as `_shown_sides` returns it."""
    factors = train.image_size / shown
    middle = float(np.median(factors))
    if np.mean(factors > ENLARGED) > 0.5:
        yield Finding(
            "surprise",
            f"most {subset.word} boxes are enlarged more than {ENLARGED:g} times ({middle:.1f} times in the median): a "
            f"train.image_size near {_multiple_of_16(float(np.median(shown)))}, with a crop.size a little above it, "
            "holds as many details and trains faster, though a pretrained backbone may do better at the size that it "
            "was trained at; a larger view in crop.views fills the pixels with what is around the boxes",
        )
    if np.mean(factors < 1 / SHRUNK) > 0.5:
        yield Finding(
            "surprise",
            f"most {subset.word} boxes are shrunk more than {SHRUNK:g} times ({1 / middle:.1f} times in the median), "
            "and details are lost; raise train.image_size, and crop.size with it",
        )


def _shown_sides(boxes: Boxes, crop: CropConfig) -> np.ndarray:
    """(boxes,) float64, the side in pixels of the frame of the closest view of each, where it is known."""
    closest = min((view for view in crop.views if view != "frame"), default=None)
    extents = boxes.frames if closest is None else boxes.sides * closest
    extents = extents[~np.isnan(extents).any(axis=1)]
    return extents.max(axis=1) if crop.square else np.sqrt(extents.prod(axis=1))


def _multiple_of_16(side: float) -> int:
    return max(16, round(side / 16) * 16)


def _surroundings(boxes: Boxes, crop: CropConfig) -> Iterator[Finding]:
    known = ~np.isnan(boxes.frames).any(axis=1)
    if not known.any() or any(view == "frame" or view > 1 for view in crop.views):
        return
    share = float(np.median(boxes.sides[known].prod(axis=1) / boxes.frames[known].prod(axis=1)))
    if share < SMALL_SHARE:
        yield Finding(
            "surprise",
            f"training boxes are small parts of their frames ({100 * share:.2g} % in the median), and the model "
            "sees nothing else; crop.views: [1.0, 3.0, frame] adds what is around them, at three times the time",
        )


def degradation_findings(train: Boxes, test: Boxes | None, validation: ValidationConfig) -> Iterator[Finding]:
    """Whether the degraded view stands for the boxes to be labelled."""
    own, size = train.median_size, validation.degraded_size
    if size is not None and size >= own:
        yield Finding(
            "surprise",
            f"train.validation.degraded_size is {size:g}, but the training boxes have a median size of {own:.0f} px "
            "already: the degraded view will be the same as the plain one; set it to null, or to the size of smaller "
            "boxes that are to be labelled",
        )
    if test is None or not test.median_size < own / MUCH_SMALLER:
        return
    other = test.median_size
    if size is None or not other / 1.5 < size < other * 1.5:
        yield Finding(
            "surprise",
            f"test boxes are much smaller than training boxes: median size {other:.0f} px against {own:.0f} px; set "
            f"train.validation.degraded_size: {max(1, round(other))} to measure the model on boxes of that size, and "
            "train.validation.select_on: degraded to choose the epoch by it; train.augment.degradation trains on such "
            "boxes",
        )
