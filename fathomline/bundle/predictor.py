"""A bundle in memory, which answers for new pictures from Python."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

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

ROIS_AT_ONCE = 256
"""ROIs that are cut before they are predicted: what bounds the memory."""

Picture = str | PathLike[str] | Image.Image | np.ndarray
_KINDS = (str, PathLike, Image.Image, np.ndarray)
Box = Sequence[float]
"""x, y, width and height in pixels of the picture."""


@dataclass(frozen=True)
class Prediction:
    """The answer for one ROI."""

    image: int
    """Which of the pictures, from 0."""
    box: tuple[float, ...] | None
    """As it was given; None for the whole picture."""
    name: str
    """The concept, or the taxon above concepts."""
    accepted_name: str
    rank: str
    aphia_id: int | None
    """In WoRMS, where known."""
    confidence: float | None
    """Probability of the answer or a taxon below it; None where the ROI could not be seen."""
    lineage: dict[str, str]
    """The names from kingdom down to the answer, by rank."""
    probabilities: dict[str, float]
    """The probability of each name of `lineage`; empty where the ROI could not be seen."""
    seen: bool
    """False where the picture or the box is not sound: the answer is then the one that does best for all."""
    reason: str
    """Why it could not be seen; empty where it was."""


@dataclass(frozen=True)
class Predictor:
    """Predicts on new pictures as the pipeline does on its test subset."""

    models: dict[str, Classifier]
    """By the file of their weights, on the device that computes."""
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
        """Answer for each box of each picture, in their order.

        Args:
            images: paths, Pillow images, or arrays (height, width, 3) uint8 RGB.
            boxes: for each picture its boxes (x, y, width, height) in pixels; None for the whole picture.
            sizes: for each picture the width and height that the file with the boxes gives, where it gives them. Of a
                picture with an EXIF orientation they tell whether boxes refer to it as stored or as shown.
        Raises InputError when `images` is a single picture or holds something else than pictures, and when there are
        not as many entries in `boxes` or `sizes` as pictures. A picture that cannot be read, and a box that is not
        sound or lies outside its picture, are answered with `seen` false and the reason.
        """
        images = _pictures(images)
        every_box = [_listed(of_image) for of_image in _as_many("boxes", boxes, images)]
        every_size = _as_many("sizes", sizes, images)
        asked = [
            (image, box)
            for image, of_image in enumerate(every_box)
            for box in ([None] if of_image is None else of_image)
        ]
        reasons: dict[int, str] = {}
        seen: list[int] = []
        parts: list[np.ndarray] = []
        rows: list[np.ndarray] = []
        for number, cut in enumerate(self._cut(images, every_box, every_size)):
            if isinstance(cut, Unusable):
                reasons[number] = str(cut)
                continue
            seen.append(number)
            rows.append(cut)
            if len(rows) == ROIS_AT_ONCE:
                parts.append(self.probabilities(np.stack(rows)))
                rows.clear()
        if rows:
            parts.append(self.probabilities(np.stack(rows)))
        probabilities = np.concatenate(parts) if parts else np.zeros((0, len(self.classes)))
        table = predictions(range(len(asked)), seen, probabilities, self.classes, self.taxonomy, self.decision)
        return [
            _prediction(row, image, box, reasons.get(number, ""))
            for number, (row, (image, box)) in enumerate(zip(table.to_dict("records"), asked, strict=True))
        ]

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, averaged over the bundle's models and orientations.

        Args: pixels (rois, views, size, size, 3) uint8 RGB, cut as `preprocessing` says.
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

    def _cut(
        self,
        images: Sequence[Picture],
        boxes: Sequence[Sequence[Box] | None],
        sizes: Sequence[tuple[int, int] | None],
    ) -> Iterator[np.ndarray | Unusable]:
        """The views of each ROI, or why there are none. A picture is opened once for all its boxes."""
        for picture, of_image, size in zip(images, boxes, sizes, strict=True):
            wanted = [None] if of_image is None else list(of_image)
            try:
                frame = _opened(picture, size, self.preprocessing)
            except Unusable as error:
                yield from [error] * len(wanted)
                continue
            for box in wanted:
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
            raise InputError(f"{folder}/bundle.json: `weights` names {file!r}, expected a file beside it; {REMEDY}")
        classifier = rebuilt(bundle.architecture, folder / "bundle.json", REMEDY)
        load_weights(classifier, folder / file, sha256, REMEDY)
        models[file] = classifier.to(device, memory_format=torch.channels_last).eval()
    return Predictor(models, bundle, taxonomy)


def _pictures(images: Sequence[Picture]) -> list[Picture]:
    single = isinstance(images, _KINDS) and not (isinstance(images, np.ndarray) and images.ndim == 4)
    if single or not isinstance(images, Iterable):
        raise InputError(f"predict: `images` is {shown(images)}, expected a list of pictures; put it in brackets")
    pictures = list(images)
    for place, picture in enumerate(pictures):
        if not isinstance(picture, _KINDS):
            raise InputError(
                f"predict: `images[{place}]` is {shown(picture)}, expected a path, a Pillow image or an array"
            )
    return pictures


def _listed(boxes: Iterable[Box] | None) -> list[Box] | None:
    """The boxes of one picture; a box that is no sequence stays as it is, and is answered with the reason."""
    if boxes is None:
        return None
    if not isinstance(boxes, Iterable):
        raise InputError(f"predict: `boxes` has {shown(boxes)} for a picture, expected a list of boxes, or None")
    return [tuple(map(_number, box)) if isinstance(box, Iterable) else box for box in boxes]


def _as_many(name: str, given: Sequence | None, images: Sequence[Picture]) -> Sequence:
    if given is None:
        return [None] * len(images)
    given = list(given)
    if len(given) != len(images):
        raise InputError(f"predict: `{name}` has {len(given)} entries for {len(images)} images; give one for each")
    return given


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
    except (OSError, ValueError) as error:  # a name with a NUL in it is a ValueError
        raise Unusable(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return OpenFrame.decoded(decode_image(body), described, preprocessing)


def _rectangle(box: Box | None, frame: OpenFrame) -> Rectangle:
    if box is None:
        return (0.0, 0.0, float(frame.image.width), float(frame.image.height))
    return clip(parse_box(list(box) if isinstance(box, tuple) else box), frame.image.size)


def _number(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _prediction(row: dict, image: int, box: Box | None, reason: str) -> Prediction:
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
