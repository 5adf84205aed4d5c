"""Cut every box out of its frame: ROI pictures for eyes, and one array of views for training."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from annotated_types import MinLen

from fathomline.config import section
from fathomline.crop.cut import Box, CutFrame, CutPlan, FrameJob
from fathomline.crop.processes import cut_all
from fathomline.crop.views import Rectangle, parse_box
from fathomline.dataset.coco import Coco, read_dataset
from fathomline.dataset.manifest import Record, one_line, read_manifest
from fathomline.errors import InputError, Unusable, listing
from fathomline.files import write_csv, written_whole
from fathomline.progress import warning
from fathomline.rois.annotations import COLUMNS, IMAGE_FIELD, roi_path
from fathomline.rois.crops_json import write_crops_json
from fathomline.rois.pixels import create_pixels, keep_rows
from fathomline.rois.preprocessing import Padding, Preprocessing, Size, View


@section
class CropConfig:
    views: Annotated[list[View], MinLen(1)] = field(default_factory=lambda: [1.0])
    """Views of each ROI: 1.0 is the box, 3.0 three times the box, `frame` the whole frame."""

    size: Size = 72
    """Side of a stored view in pixels; a little above train.image_size leaves room for random crops."""

    square: bool = True
    """Extend the shorter side of a view, which keeps proportions (true), or stretch the view (false)."""

    padding: Padding = "edge"
    """What a view shows beyond the frame: the frame's nearest pixel, or its mean colour."""

    @property
    def preprocessing(self) -> Preprocessing:
        return Preprocessing(tuple(self.views), self.size, self.square, self.padding)


FIELDS_ELSEWHERE = {"id", "width", "height", "coco_url"}
"""Fields of a COCO image that annotations.csv leaves out: it has the first three already, and no frame shares a URL."""


@dataclass(frozen=True)
class Cropped:
    """What a crop did, in counts."""

    frames: int
    rois: int
    quarantined: int
    clipped: int
    """ROIs whose box crossed the frame's edge."""

    resized: int
    """Frames whose size is not what the JSON says."""

    median_size: float
    """Median √(width · height) of the ROIs, in pixels of their frames."""

    def __str__(self) -> str:
        return (
            f"{self.rois} ROIs of median size {self.median_size:.0f} px from {self.frames} frames; {self.clipped} "
            f"clipped at the frame's edge, {self.quarantined} quarantined"
        )


def crop(raw: Path, destination: Path, config: CropConfig, *, workers: int = 1) -> Cropped:
    """Cut the boxes of a downloaded subset.

    Reads `dataset.json`, `manifest.csv` and the images of `raw`. Writes to `destination`: `rois/`, one PNG per box;
    `pixels.npy`, (ROIs, views, size, size, 3) uint8; `annotations.csv`, whose rows are those of `pixels.npy`, in the
    order of the JSON; `quarantine.csv`, the annotations that could not be cut, with the reason. Each annotation is in
    one of the two. `crops.json`, written last, says how the pixels were made and holds the SHA-256 sums of both files.

    `workers`: processes that decode and cut; 0: one per core. They do not change the result.

    Raises InputError when the input is not as the download leaves it, when no box
    can be cut, and when the disk is full.
    """
    coco = read_dataset(raw / "dataset.json")
    manifest = read_manifest(raw / "manifest.csv")
    rectangles, reasons = _sound_boxes(coco.annotations, manifest)
    try:
        _remove_former(destination)
        _refuse_nothing(rectangles, reasons, raw)
        with written_whole(destination / "pixels.npy") as temporary:
            pixels = create_pixels(temporary, (len(rectangles), len(config.views), config.size, config.size, 3))
            plan = CutPlan(destination / "rois", pixels, config.preprocessing)
            frames = list(cut_all(_jobs(coco, manifest, rectangles, raw), plan, workers))
            cut = _cut_boxes(frames, reasons)
            _refuse_nothing(cut, reasons, raw)
            keep_rows(pixels, [row for row, annotation_id in enumerate(rectangles) if annotation_id in cut])
        annotations = _annotations_table(coco, _frame_ids(coco.images, manifest), cut)
        _remove_strays(destination / "rois", annotations["path"])
        write_csv(_quarantine_table(coco.annotations, reasons), destination / "quarantine.csv")
        write_csv(annotations, destination / "annotations.csv")
        write_crops_json(destination, config.preprocessing, len(annotations))
    except FileNotFoundError as error:
        raise InputError(
            f"{error.filename or destination}: taken away while crop was at work, most likely by another crop of the "
            "same folder; let that one end, and run the stage again"
        ) from error
    except OSError as error:
        raise InputError(
            f"{error.filename or destination}: {error.strerror or error}; crop stopped. Correct the cause, for example "
            "free some space, and run the stage again"
        ) from error
    return _told(rectangles, cut, reasons, frames, coco)


def _frame_ids(images: list[dict[str, Any]], manifest: dict[int, Record]) -> dict[int, int]:
    """By image id, the smallest id of the images with the same bytes."""
    first: dict[str, int] = {}
    for image_id in sorted(image["id"] for image in images):
        record = manifest.get(image_id)
        first.setdefault(record.sha256 if record and record.sha256 else f"image {image_id}", image_id)
    bodies = {image["id"]: record.sha256 for image in images if (record := manifest.get(image["id"]))}
    return {image["id"]: first[bodies.get(image["id"]) or f"image {image['id']}"] for image in images}


def _field_columns(images: list[dict[str, Any]]) -> dict[str, list[str]]:
    """By the name of its column, each field of the images that has a scalar value, as text; empty where there is none.

    A whole number is written alike however JSON writes it. Line breaks are escaped, as they would break the table.
    """
    names = sorted({name for image in images for name, value in image.items() if isinstance(value, str | int | float)})
    return {
        IMAGE_FIELD + one_line(name): [_field_text(image.get(name)) for image in images]
        for name in names
        if name not in FIELDS_ELSEWHERE
    }


def _field_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return one_line(str(value)) if isinstance(value, str | int | float) else ""


def _sound_boxes(
    annotations: list[dict[str, Any]], manifest: dict[int, Record]
) -> tuple[dict[int, Rectangle], dict[int, str]]:
    """By annotation id, in order: the rectangles worth trying, and why the others are not."""
    rectangles: dict[int, Rectangle] = {}
    reasons: dict[int, str] = {}
    for annotation in annotations:
        record = manifest.get(annotation["image_id"])
        try:
            if record is None or record.status != "ok":
                raise Unusable(f"frame not downloaded: {record.error if record else 'not in manifest.csv'}")
            rectangles[annotation["id"]] = parse_box(annotation["bbox"])
        except Unusable as error:
            reasons[annotation["id"]] = str(error)
    return rectangles, reasons


def _jobs(coco: Coco, manifest: dict[int, Record], rectangles: dict[int, Rectangle], raw: Path) -> list[FrameJob]:
    rows = {annotation_id: row for row, annotation_id in enumerate(rectangles)}
    boxes: dict[int, list[Box]] = {}
    for annotation in coco.annotations:
        if annotation["id"] in rows:
            box = Box(rows[annotation["id"]], annotation["id"], rectangles[annotation["id"]])
            boxes.setdefault(annotation["image_id"], []).append(box)
    return [
        FrameJob(
            image["id"],
            raw / manifest[image["id"]].file,
            manifest[image["id"]].sha256,
            _described(image),
            tuple(boxes[image["id"]]),
        )
        for image in coco.images
        if image["id"] in boxes
    ]


def _described(image: dict[str, Any]) -> tuple[int, int] | None:
    width, height = (_whole_number(image.get(side)) for side in ("width", "height"))
    return (width, height) if width and height else None


def _whole_number(value: object) -> int | None:
    """What JSON files write for a number of pixels: 640, 640.0 or "640"; None for anything else."""
    try:
        number = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        return None
    return int(number) if math.isfinite(number) and number.is_integer() else None


def _cut_boxes(frames: Iterable[CutFrame], reasons: dict[int, str]) -> dict[int, tuple[CutFrame, Rectangle]]:
    """By annotation id, the frame and the clipped rectangle of each box that was cut; adds to `reasons` why not."""
    cut: dict[int, tuple[CutFrame, Rectangle]] = {}
    for frame in frames:
        for box in frame.boxes:
            if box.rectangle is None:
                reasons[box.annotation_id] = box.reason
            else:
                cut[box.annotation_id] = (frame, box.rectangle)
    return cut


def _annotations_table(
    coco: Coco, frame_ids: dict[int, int], cut: dict[int, tuple[CutFrame, Rectangle]]
) -> pd.DataFrame:
    names = {category["id"]: category["name"] for category in coco.categories}
    rows = []
    for annotation in coco.annotations:
        if annotation["id"] in cut:
            frame, (left, top, right, bottom) = cut[annotation["id"]]
            image_id = annotation["image_id"]
            path, label = roi_path(image_id, annotation["id"]), names.get(annotation["category_id"], "")
            box = (left, top, right - left, bottom - top)
            rows.append((path, label, annotation["id"], image_id, *box, *frame.size, frame_ids[image_id]))
    table = pd.DataFrame(rows, columns=COLUMNS)
    images = pd.DataFrame(_field_columns(coco.images), index=[image["id"] for image in coco.images])
    return table.join(images, on="image_id")


def _quarantine_table(annotations: list[dict[str, Any]], reasons: dict[int, str]) -> pd.DataFrame:
    rows = [
        (annotation["id"], annotation["image_id"], reasons[annotation["id"]])
        for annotation in annotations
        if annotation["id"] in reasons
    ]
    return pd.DataFrame(rows, columns=["annotation_id", "image_id", "reason"])


def _refuse_nothing(kept: dict[int, Any], reasons: dict[int, str], raw: Path) -> None:
    if not kept:
        raise InputError(f"{raw}: none of {len(reasons)} annotations could be cut: {_common(reasons)}")


def _remove_former(destination: Path) -> None:
    """Without its tables a half-finished crop cannot be taken for a finished one."""
    for name in ("annotations.csv", "quarantine.csv", "pixels.npy", "crops.json"):
        (destination / name).unlink(missing_ok=True)
    for path in destination.glob(".*.part"):
        path.unlink(missing_ok=True)


def _remove_strays(rois: Path, paths: Iterable[str]) -> None:
    named = {Path(path).name for path in paths}
    for path in rois.glob("*.png"):
        if path.name not in named:
            path.unlink()


def _told(
    rectangles: dict[int, Rectangle],
    cut: dict[int, tuple[CutFrame, Rectangle]],
    reasons: dict[int, str],
    frames: list[CutFrame],
    coco: Coco,
) -> Cropped:
    """Count, and warn of what the user may want to look at."""
    described = {image["id"]: _described(image) for image in coco.images}
    resized = [
        frame.image_id
        for frame in frames
        if frame.size != (0, 0) and described[frame.image_id] not in (None, frame.size)
    ]
    if resized:
        warning(
            f"crop: {len(resized)} frame(s) have another size than the JSON says; their boxes were taken as pixels of "
            f"the real frame: images {listing(resized)}"
        )
    if reasons:
        warning(f"crop: {len(reasons)} annotation(s) quarantined, see quarantine.csv: {_common(reasons)}")
    clipped = sum(rectangles[annotation_id] != rectangle for annotation_id, (_, rectangle) in cut.items())
    sizes = [math.sqrt((right - left) * (bottom - top)) for _, (left, top, right, bottom) in cut.values()]
    median = statistics.median(sizes)
    return Cropped(sum(frame.size != (0, 0) for frame in frames), len(cut), len(reasons), clipped, len(resized), median)


def _common(reasons: dict[int, str]) -> str:
    """The commonest reasons with their counts and a first example each."""
    counts = Counter(reasons.values()).most_common(5)
    first = {reason: annotation_id for annotation_id, reason in reversed(reasons.items())}
    return "; ".join(f"{count} × {reason} (annotation {first[reason]})" for reason, count in counts)
