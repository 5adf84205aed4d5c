"""Predict on new pictures with a bundle, from Python."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image

from fathomline.bundle.bundle import REMEDY, BundleContent, read_bundle
from fathomline.crop.cut import OpenFrame, cut_views
from fathomline.crop.views import Rectangle, clip, parse_box
from fathomline.dataset.image_file import decode_image, decode_pillow_image
from fathomline.decide.averaging import ensemble_probabilities
from fathomline.decide.rule import DecisionRule
from fathomline.decide.submit import predictions
from fathomline.errors import InputError, Unusable, shown
from fathomline.model.checkpoint import load_weights, rebuilt
from fathomline.model.classifier import Classifier
from fathomline.model.device import best_device, prepare_arithmetic
from fathomline.model.inference import predict_logits
from fathomline.rois.preprocessing import Preprocessing
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy

ROIS_PER_BATCH = 256
"""Maximum number of ROIs that are cut and predicted at a time, to bound memory use."""

Picture = str | PathLike[str] | Image.Image | np.ndarray
_PICTURE_TYPES = (str, PathLike, Image.Image, np.ndarray)
Entry = TypeVar("Entry")
Box = Sequence[float]
"""x, y, width and height in pixels of the picture."""


@dataclass(frozen=True)
class Prediction:
    """The answer for one ROI."""

    image: int
    """Index of the picture, from 0."""
    box: tuple[float, ...] | None
    """The box as given; None for the whole picture."""
    name: str
    """A concept, or a taxon above concepts."""
    accepted_name: str
    rank: str
    aphia_id: int | None
    """Its AphiaID in WoRMS, if known."""
    confidence: float | None
    """Probability of the answer and all taxa below it; None if the ROI could not be seen."""
    lineage: dict[str, str]
    """Names from kingdom down to the answer, by rank."""
    probabilities: dict[str, float]
    """Probability of each name in `lineage`, by rank; empty if the ROI could not be seen."""
    seen: bool
    """False if the picture or the box is invalid. The answer is then the best constant answer."""
    reason: str
    """Why the ROI could not be seen; empty if it was."""


@dataclass(frozen=True)
class Predictor:
    """Predicts on new pictures as the pipeline does on its test subset."""

    models: dict[str, Classifier]
    """By the name of their weights file, on the device that runs them."""
    bundle: BundleContent
    taxonomy: Taxonomy

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

    def predict(
        self,
        images: Sequence[Picture],
        boxes: Sequence[Sequence[Box] | None] | None = None,
        sizes: Sequence[tuple[int, int] | None] | None = None,
    ) -> list[Prediction]:
        """Predict each box of each picture, in order.

        Args:
            images: paths, Pillow images, or arrays (height, width, 3) uint8 RGB.
            boxes: for each picture its boxes (x, y, width, height) in pixels; None for the whole picture.
            sizes: for each picture its width and height in pixels according to the source of the boxes, or None. If a
                picture has an EXIF orientation, they show whether its boxes refer to it before or after rotation.
        Returns: if a picture cannot be read, or a box is invalid or outside its picture, its prediction has `seen`
            false and the reason.
        Raises InputError when `images` is a single picture or contains anything but pictures, and when `boxes` or
        `sizes` does not have one entry per picture.
        """
        pictures = _pictures(images)
        boxes_by_picture = [_box_list(of_picture) for of_picture in _per_picture("boxes", boxes, pictures)]
        rois = [
            (picture, box)
            for picture, of_picture in enumerate(boxes_by_picture)
            for box in ([None] if of_picture is None else of_picture)
        ]
        cut = self._cut(pictures, boxes_by_picture, _per_picture("sizes", sizes, pictures))
        probabilities, reasons = self._batch_probabilities(cut)
        seen = [number for number in range(len(rois)) if number not in reasons]
        table = predictions(range(len(rois)), seen, probabilities, self.classes, self.taxonomy, self.decision)
        return [
            _prediction(row, picture, box, reasons.get(number, ""))
            for number, (row, (picture, box)) in enumerate(zip(table.to_dict("records"), rois, strict=True))
        ]

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities, averaged over the bundle's models and orientations.

        Args: pixels (rois, views, size, size, 3) uint8 RGB, cut as `preprocessing` specifies.
        Returns: (rois, classes) float64.
        """
        logits = {
            file: predict_logits(
                classifier,
                pixels,
                np.arange(len(pixels)),
                self.bundle.architecture.image_size,
                orientations=self.decision.transforms,
                precision=self.bundle.precision,
            )
            for file, classifier in self.models.items()
        }
        return ensemble_probabilities(logits, self.decision.temperature)

    def _batch_probabilities(self, rois: Iterable[np.ndarray | Unusable]) -> tuple[np.ndarray, dict[int, str]]:
        """Probabilities of the ROIs that could be cut, (cut rois, classes), and the reason for each other one."""
        reasons: dict[int, str] = {}
        batches: list[np.ndarray] = []
        batch: list[np.ndarray] = []
        for number, views in enumerate(rois):
            if isinstance(views, Unusable):
                reasons[number] = str(views)
                continue
            batch.append(views)
            if len(batch) == ROIS_PER_BATCH:
                batches.append(self.probabilities(np.stack(batch)))
                batch.clear()
        if batch:
            batches.append(self.probabilities(np.stack(batch)))
        return np.concatenate(batches) if batches else np.zeros((0, len(self.classes))), reasons

    def _cut(
        self,
        pictures: list[Picture],
        boxes: list[list[tuple[float, ...]] | None],
        sizes: list[tuple[int, int] | None],
    ) -> Iterator[np.ndarray | Unusable]:
        """The views of each ROI, or the reason why it cannot be cut. A picture is opened once for all its boxes."""
        for picture, of_picture, size in zip(pictures, boxes, sizes, strict=True):
            rois: Sequence[tuple[float, ...] | None] = [None] if of_picture is None else of_picture
            try:
                frame = _opened(picture, size, self.preprocessing)
            except Unusable as error:
                yield from [error] * len(rois)
                continue
            for box in rois:
                try:
                    yield cut_views(frame, _rectangle(box, frame), self.preprocessing)
                except Unusable as error:
                    yield error


def load_predictor(path: str | PathLike[str]) -> Predictor:
    """Load the bundle in the folder `path`; see `fathomline.load`."""
    folder = Path(path)
    bundle, taxonomy = read_bundle(folder)
    device = best_device()
    prepare_arithmetic(device)
    models = {}
    for file, sha256 in sorted(bundle.weights.items()):
        if Path(file).name != file:
            raise InputError(f"{folder}/bundle.json: `weights` names {file!r}, expected a file in its folder; {REMEDY}")
        classifier = rebuilt(bundle.architecture, folder / "bundle.json", REMEDY)
        load_weights(classifier, folder / file, sha256, REMEDY)
        models[file] = classifier.to(device).to(memory_format=torch.channels_last).eval()
    return Predictor(models, bundle, taxonomy)


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
    entries = list(values)
    if len(entries) != len(pictures):
        raise InputError(f"predict: `{name}` has {len(entries)} entries for {len(pictures)} images, expected one each")
    return entries


def _opened(picture: Picture, size: tuple[int, int] | None, preprocessing: Preprocessing) -> OpenFrame:
    described = None if size is None else (int(size[0]), int(size[1]))
    if isinstance(picture, Image.Image):
        return OpenFrame.decoded(decode_pillow_image(picture), described, preprocessing)
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
            raise Unusable(f"array is {picture.dtype} of shape {picture.shape}, expected uint8 (height, width, 3)")
        return OpenFrame.of(Image.fromarray(picture), None, preprocessing)
    try:
        body = Path(picture).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL character
        raise Unusable(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return OpenFrame.decoded(decode_image(body), described, preprocessing)


def _rectangle(box: tuple[float, ...] | None, frame: OpenFrame) -> Rectangle:
    if box is None:
        return (0.0, 0.0, float(frame.image.width), float(frame.image.height))
    return clip(parse_box(list(box) if isinstance(box, tuple) else box), frame.image.size)


def _number(value: float | np.generic) -> float:
    return value.item() if isinstance(value, np.generic) else value


def _prediction(row: Mapping[Hashable, Any], image: int, box: tuple[float, ...] | None, reason: str) -> Prediction:
    ranks = [str(rank) for rank in RANKS if row[rank]]
    return Prediction(
        image=image,
        box=box,
        name=row["concept_name"],
        accepted_name=row["accepted_name"],
        rank=row["rank"],
        aphia_id=None if row["aphia_id"] is None or np.isnan(row["aphia_id"]) else int(row["aphia_id"]),
        confidence=row["confidence"] if row["seen"] else None,
        lineage={rank: row[rank] for rank in ranks},
        probabilities={rank: row[f"{rank}_probability"] for rank in ranks} if row["seen"] else {},
        seen=row["seen"],
        reason=reason,
    )
