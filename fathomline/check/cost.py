"""What a run will take: disk, memory and time, from figures that were measured."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fathomline.check.boxes import Boxes
from fathomline.check.finding import Finding
from fathomline.check.frames import Frames
from fathomline.check.parameters import Parameters
from fathomline.check.subset import Subset
from fathomline.crop.crop import CropConfig
from fathomline.split import SplitConfig
from fathomline.train.config import TrainConfig

PNG_BYTES = 1.5
"""Bytes per pixel of the ROI pictures: 909 ROIs of the Aquarium data set; PlanktonSet, which is grey, takes 0.6."""

FRAMES_PER_SECOND, MEGAPIXELS_COPIED = 750.0, 98.0
"""Local frames on two cores, each decoded to check it: 3,264 small ones of PlanktonSet, and 96 megapixels of
Aquarium, took 4.3 s and 1.0 s."""

ROIS_PER_SECOND, MEGAPIXELS_CUT = 330.0, 94.0
"""Crop on two cores: 3,264 small frames of PlanktonSet with one ROI each took 9.9 s; benchmarks/crop.md has large
frames."""

TRAINED_PER_SECOND = {"mobilenetv2_100": (96, 180.0), "test_convnext": (64, 1600.0)}
"""By backbone: side of the input in pixels, and ROIs of one view per second in training on two cores. MobileNetV2 took
222 to 442 s for the 24 epochs of docs/recipes.md, thus 124 to 247; test_convnext is the demo's."""

SMALL_STAGES_GB, TRAINING_GB = 0.4, 1.7
"""Memory: of benchmarks/scale.md and evaluate.md with 24,000 boxes; and of training mobilenetv2_100 on a CPU, at 96 px
in batches of 32."""

TWO_CORES = 2
SLOW = 1.5
"""Estimates of time are ranges: from the figure divided by this, to the figure times this."""


@dataclass(frozen=True)
class SubsetSize:
    """What is known of a subset."""

    subset: Subset
    frames: Frames
    boxes: Boxes

    @property
    def megapixels(self) -> float:
        """Of all frames: the mean of the known ones, for each; NaN if none is known."""
        known = [width * height for width, height in self.frames.sizes.values()]
        return float(np.mean(known)) * len(self.subset.data.coco.images) / 1e6 if known else float("nan")


def cost_findings(sizes: Mapping[str, SubsetSize], parameters: Parameters, cores: int) -> Iterator[Finding]:
    """Disk, memory and time that a run on these subsets will take. Args: cores, that this machine has."""
    crop, train, split = parameters.crop, parameters.train, parameters.split
    if sizes and crop:
        yield from _disk(list(sizes.values()), crop)
    yield Finding(
        "expected",
        f"memory: up to {SMALL_STAGES_GB} GB, but more to train and predict: {TRAINING_GB} GB with mobilenetv2_100 at "
        "96 px in batches of 32; it grows with the backbone, train.image_size and train.batch_size",
    )
    if sizes and crop:
        yield _preparation(list(sizes.values()), cores)
    if train and split and crop:
        rois = len(sizes["train"].boxes.rois) if "train" in sizes else None
        yield _training(rois, train, split, crop, cores)


def _disk(sizes: list[SubsetSize], crop: CropConfig) -> Iterator[Finding]:
    rois = sum(len(size.boxes.rois) for size in sizes)
    pixels = rois * len(crop.views) * crop.size**2 * 3
    pictures = sum(_box_pixels(size.boxes) for size in sizes) * PNG_BYTES
    copied = sum(size.frames.bytes for size in sizes)
    fetched = sum(len(size.subset.data.coco.images) for size in sizes if size.subset.data.frames is None)
    total = pixels + pictures + copied
    frames = f"{_bytes(copied)} of copied frames" if copied or not fetched else ""
    unknown = f"{fetched} frames to fetch, whose size is unknown" if fetched else ""
    yield Finding(
        "expected",
        f"disk: {' and '.join(filter(None, [frames, unknown]))}, {_bytes(pixels)} of pixels.npy ({rois} ROIs of "
        f"{len(crop.views)} view(s) of {crop.size} px), about {_bytes(pictures)} of ROI pictures; DVC keeps a second "
        "copy of all in .dvc/cache, unless the file system shares it",
    )
    free = shutil.disk_usage(Path.cwd()).free
    if 2 * total > free:
        yield Finding(
            "surprise",
            f"the run may need {_bytes(2 * total)} of disk with DVC's copies, and {_bytes(free)} are free here; free "
            "some space, or choose a smaller crop.size or fewer crop.views",
        )


def _box_pixels(boxes: Boxes) -> float:
    """Of all ROIs; those of unknown size count as the mean of the others."""
    return float(boxes.sides.prod(axis=1).mean()) * len(boxes.rois) if len(boxes.sides) else 0.0


def _preparation(sizes: list[SubsetSize], cores: int) -> Finding:
    local = [size for size in sizes if size.subset.data.frames is not None]
    parts = []
    if local:
        count, megapixels = sum(len(size.frames.files) for size in local), sum(size.megapixels for size in local)
        parts.append(f"download {_time(count / FRAMES_PER_SECOND + megapixels / MEGAPIXELS_COPIED)}")
    if len(local) < len(sizes):
        parts.append("fetching frames depends on the server")
    rois, megapixels = sum(len(size.boxes.rois) for size in sizes), sum(size.megapixels for size in sizes)
    parts.append(f"crop {_time((rois / ROIS_PER_SECOND + megapixels / MEGAPIXELS_CUT) * TWO_CORES / cores)}")
    return Finding("expected", f"time to prepare: {', '.join(parts)}")


def _training(rois: int | None, train: TrainConfig, split: SplitConfig, crop: CropConfig, cores: int) -> Finding:
    """Args: rois, of the training subset; None if the annotations were not read."""
    plan = f"training: {len(split.held_out)} model(s) of {train.epochs} epochs"
    rate = _rate(train, crop)
    if rate is None:
        what = f"{'frozen ' if train.frozen else ''}{train.backbone}{' with adapters' if train.lora.r else ''}"
        return Finding("expected", f"{plan}; {what} was not measured: the first epoch tells how long it takes")
    speed = f"about {rate:.0f} ROIs per second on two idle cores, without a GPU"
    if rois is None:
        return Finding("expected", f"{plan}, {speed}")
    rois = rois * (split.folds - 1) // split.folds
    seconds = rois * train.epochs * len(split.held_out) / rate * TWO_CORES / min(cores, TWO_CORES)
    return Finding("expected", f"{plan} of {rois} ROIs: {_time(seconds)} ({speed}); the first epoch tells precisely")


def _rate(train: TrainConfig, crop: CropConfig) -> float | None:
    """ROIs per second in training on two cores; None for what was not measured."""
    if train.frozen or train.lora.r or train.backbone.partition(".")[0] not in TRAINED_PER_SECOND:
        return None
    side, rate = TRAINED_PER_SECOND[train.backbone.partition(".")[0]]
    return rate * (side / train.image_size) ** 2 / len(crop.views)


def _bytes(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"


def _time(seconds: float) -> str:
    """A range, because machines differ."""
    if np.isnan(seconds):
        return "unknown, as the sizes of the frames are unknown"
    low, high = seconds / SLOW, seconds * SLOW
    for unit, size in (("h", 3600), ("min", 60)):
        if low >= size:
            return f"{low / size:.0f} to {high / size:.0f} {unit}"
        if high >= 2 * size:
            return f"{low / size:.1f} to {high / size:.1f} {unit}"
    return f"{max(1, round(low))} to {max(2, round(high))} s"
