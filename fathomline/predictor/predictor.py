"""Predict on new pictures with a bundle, from Python."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from threading import Lock
from typing import TypeVar

import numpy as np
from PIL import Image

from fathomline.bundle.bundle import BundleContent
from fathomline.dataset.image_file import Frame, decode_image, decode_pillow_image
from fathomline.decide.averaging import ensemble_probabilities
from fathomline.decide.rule import DecisionRule
from fathomline.errors import InputError, Unusable, shown
from fathomline.inputs.pictures import read_picture
from fathomline.inputs.requests import FrameRequest, RoiRequest
from fathomline.predictor.choice import Choice, Chooser
from fathomline.predictor.engine import Engine
from fathomline.predictor.prediction import Predictions, prediction_of
from fathomline.predictor.stream import Cutter, OpenPicture, in_chunks, predict_chunks, rois_per_chunk
from fathomline.rois.preprocessing import Preprocessing
from fathomline.taxonomy.tree import Taxonomy

Picture = str | PathLike[str] | Image.Image | np.ndarray
_PICTURE_TYPES = (str, PathLike, Image.Image, np.ndarray)
Entry = TypeVar("Entry")
_PILLOW_LOCKS = tuple(Lock() for _ in range(64))
"""By identity. Two threads, or two calls, must not load the same Pillow image at once."""
Box = Sequence[float]
"""x, y, width and height in pixels of the picture."""


@dataclass(frozen=True)
class Predictor:
    """Predicts on new pictures as the pipeline does on its test subset. Safe to use from several threads."""

    bundle: BundleContent
    taxonomy: Taxonomy
    engine: Engine

    @property
    def classes(self) -> tuple[str, ...]:
        """Concepts in the order of the logits."""
        return self.bundle.classes

    @property
    def decision(self) -> DecisionRule:
        return self.bundle.decision

    @property
    def preprocessing(self) -> Preprocessing:
        return self.bundle.preprocessing

    def chooser(self, choice: Choice) -> Chooser:
        """What turns probabilities into answers. InputError if `choice` leaves nothing to answer."""
        return Chooser(self.classes, self.taxonomy, self.decision, choice)

    def probabilities(self, rois: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, averaged over the bundle's models and orientations.

        Args: (rois, …) uint8, each as `engine.prepared` returned it.
        Returns: (rois, classes) float64.
        """
        logits = self.engine.logits(rois, self.decision.transforms)
        return ensemble_probabilities(logits, self.decision.temperature)

    def predict(
        self,
        images: Sequence[Picture],
        boxes: Sequence[Sequence[Box] | None] | None = None,
        sizes: Sequence[tuple[int, int] | None] | None = None,
        choice: Choice = Choice(),  # noqa: B008 (frozen)
    ) -> Predictions:
        """Predict each box of each picture, in order.

        Args:
            images: paths, Pillow images, or arrays (height, width, 3) uint8 RGB.
            boxes: for each picture its boxes (x, y, width, height) in pixels; None for the whole picture.
            sizes: for each picture its width and height in pixels according to the source of the boxes, or None. If a
                picture has an EXIF orientation, they show whether its boxes refer to it before or after rotation.
            choice: what may be answered, and how many of the most probable concepts to list.
        Returns: if a picture cannot be read, or a box is invalid or outside its picture, its prediction has `seen`
            false and the reason.
        Raises InputError when `images` is a single picture or contains anything but pictures, when `boxes` or `sizes`
        does not have one entry per picture, and when `choice` leaves nothing to answer.
        """
        pictures = _pictures(images)
        if not isinstance(choice, Choice):
            raise InputError(f"predict: `choice` is {shown(choice)}, expected a Choice")
        chooser = self.chooser(choice)
        given = [_box_list(of_picture) for of_picture in _per_picture("boxes", boxes, pictures)]
        frames, places = _requests(given, [_size(of_picture) for of_picture in _per_picture("sizes", sizes, pictures)])
        cutter = Cutter(_opener(pictures), self.preprocessing, self.engine)
        chunks = in_chunks(frames, rois_per_chunk(self.preprocessing))
        answered = Predictions()
        unseen = chooser.constant(self.decision.fallback)
        for chunk in predict_chunks(chunks, cutter, self.probabilities):
            rows = iter(chooser.answers(chunk.probabilities).to_dict("records") if chunk.probabilities.size else [])
            for outcome in chunk.rois:
                image, box = places[outcome.request.row]
                row = unseen if outcome.reason else next(rows)
                answered.append(prediction_of(row, image, box, chooser.listed, outcome.reason))
        return answered


def _requests(
    boxes: list[list[tuple[float, ...]] | None], sizes: list[tuple[int, int] | None]
) -> tuple[list[FrameRequest], list[tuple[int, tuple[float, ...] | None]]]:
    """The pictures as requests located by their index, and for each ROI its picture and its box as given."""
    frames: list[FrameRequest] = []
    places: list[tuple[int, tuple[float, ...] | None]] = []
    for picture, (of_picture, size) in enumerate(zip(boxes, sizes, strict=True)):
        rois = []
        for box in [None] if of_picture is None else of_picture:
            rois.append(RoiRequest(len(places), list(box) if isinstance(box, tuple) else box))
            places.append((picture, box))
        frames.append(FrameRequest(str(picture), str(picture), tuple(rois), size))
    return frames, places


def _opener(pictures: list[Picture]) -> OpenPicture:
    def open_picture(request: FrameRequest) -> Frame:
        picture = pictures[int(request.location)]
        if isinstance(picture, Image.Image):
            with _PILLOW_LOCKS[id(picture) % len(_PILLOW_LOCKS)]:
                return decode_pillow_image(picture)
        if isinstance(picture, np.ndarray):
            if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
                raise Unusable(f"array is {picture.dtype} of shape {picture.shape}, expected uint8 (height, width, 3)")
            return decode_pillow_image(Image.fromarray(picture))
        return decode_image(read_picture(picture))

    return open_picture


def _pictures(images: Sequence[Picture]) -> list[Picture]:
    single = isinstance(images, _PICTURE_TYPES) and not (isinstance(images, np.ndarray) and images.ndim == 4)
    if single or not isinstance(images, Iterable):
        raise InputError(
            f"predict: `images` is {shown(images)}, expected a list of pictures; put a single picture in brackets"
        )
    pictures = list(images)
    for place, picture in enumerate(pictures):
        if not isinstance(picture, _PICTURE_TYPES):
            raise InputError(
                f"predict: `images[{place}]` is {shown(picture)}, expected a path, a Pillow image or an array"
            )
    return pictures


def _box_list(boxes: Iterable[Box] | None) -> list[tuple[float, ...]] | None:
    """The boxes of one picture as tuples. Values that are not iterable stay unchanged and are rejected later."""
    if boxes is None:
        return None
    if not isinstance(boxes, Iterable):
        raise InputError(f"predict: `boxes` has {shown(boxes)} for a picture, expected a list of boxes, or None")
    return [tuple(map(_number, box)) if isinstance(box, Iterable) else box for box in boxes]


def _per_picture(name: str, values: Iterable[Entry | None] | None, pictures: list[Picture]) -> list[Entry | None]:
    if values is None:
        return [None] * len(pictures)
    if not isinstance(values, Iterable):
        raise InputError(f"predict: `{name}` is {shown(values)}, expected a list with an entry for each picture")
    entries = list(values)
    if len(entries) != len(pictures):
        raise InputError(f"predict: `{name}` has {len(entries)} entries for {len(pictures)} images; give one for each")
    return entries


def _size(size: tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    try:
        width, height = size
        return int(width), int(height)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"predict: `sizes` has {shown(size)}, expected (width, height) in pixels, or None") from None


def _number(value: float | np.generic) -> float:
    return value.item() if isinstance(value, np.generic) else value
