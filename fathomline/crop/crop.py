"""Cut every box out of its frame: a picture of each ROI to look at, and one array of all views to train on."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from annotated_types import MinLen

from fathomline.config import section
from fathomline.crop.cut import CutFrame, CutPlan, FrameJob
from fathomline.crop.jobs import frame_jobs, valid_boxes
from fathomline.crop.processes import cut_all
from fathomline.crop.tables import annotations_table, quarantine_table
from fathomline.crop.views import UNBOUNDED, Rectangle
from fathomline.dataset.box_format import refuse_other_format
from fathomline.dataset.coco import Coco, read_dataset
from fathomline.dataset.manifest import read_manifest
from fathomline.errors import InputError, listing
from fathomline.files import write_csv, written_whole
from fathomline.progress import warning
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


@dataclass(frozen=True)
class CropCounts:
    """What a crop did, in numbers."""

    frames: int
    """Frames that were decoded."""

    rois: int
    quarantined: int
    clipped: int
    """ROIs whose box crossed the edge of the frame; the whole frame does not."""

    resized: int
    """Frames whose size differs from the size in the JSON."""

    median_size: float
    """Median √(width · height) of the ROIs, in pixels of their frames; 0 without ROIs."""

    def __str__(self) -> str:
        return (
            f"{self.rois} ROIs of median size {self.median_size:.0f} px from {self.frames} frames; {self.clipped} "
            f"clipped at the frame's edge, {self.quarantined} quarantined"
        )


def crop(raw: Path, destination: Path, config: CropConfig, *, workers: int = 1) -> CropCounts:
    """Cut the boxes of a downloaded subset.

    Reads `dataset.json`, `manifest.csv` and the images of `raw`, and writes to `destination`:

    - `rois/`: one PNG per box;
    - `pixels.npy`: (rois, views, size, size, 3) uint8;
    - `annotations.csv`: one row per ROI, in the order of the JSON and of `pixels.npy`;
    - `quarantine.csv`: every other annotation, with the reason why it could not be cut;
    - `crops.json`, written last: how the pixels were made, and the SHA-256 of `annotations.csv` and `pixels.npy`.

    Without a test subset, that subset has no annotations, and the tables no rows.

    Args: workers, the number of processes that decode and cut; 0 for one per core. It does not change the result.
    Raises InputError if the input is not as the download leaves it, if the boxes are evidently not in the format that
    `source.box_format` names, if no box can be cut, or if a file cannot be written.
    """
    coco = read_dataset(raw / "dataset.json")
    manifest = read_manifest(raw / "manifest.csv")
    rectangles, reasons = valid_boxes(coco.annotations, manifest)
    jobs = frame_jobs(coco, manifest, rectangles, raw)
    own_ids = _own_ids(coco.annotations)
    with _disk_errors_explained(destination):
        _remove_previous(destination)
        _require_boxes(rectangles, reasons, own_ids, raw)
        with written_whole(destination / "pixels.npy") as temporary:
            pixels = create_pixels(temporary, (len(rectangles), len(config.views), config.size, config.size, 3))
            frames = list(cut_all(jobs, CutPlan(destination / "rois", pixels, config.preprocessing), workers))
            _refuse_other_format(coco, frames, raw / "dataset.json")
            cut = _cut_boxes(frames)
            reasons |= {
                box.annotation_id: box.reason for frame in frames for box in frame.boxes if box.rectangle is None
            }
            _require_boxes(cut, reasons, own_ids, raw)
            keep_rows(pixels, [row for row, annotation_id in enumerate(rectangles) if annotation_id in cut])
        annotations = annotations_table(coco, manifest, cut)
        _remove_strays(destination / "rois", annotations["path"])
        write_csv(quarantine_table(coco.annotations, reasons), destination / "quarantine.csv")
        write_csv(annotations, destination / "annotations.csv")
        write_crops_json(destination, config.preprocessing, len(annotations))
    own_image_ids = _own_ids(coco.images)
    resized = [own_image_ids[image_id] for image_id in _resized_frames(jobs, frames)]
    _warn(resized, reasons, own_ids)
    return CropCounts(
        frames=sum(frame.size != (0, 0) for frame in frames),
        rois=len(cut),
        quarantined=len(reasons),
        clipped=sum(
            rectangles[annotation_id] not in (rectangle, UNBOUNDED) for annotation_id, (_, rectangle) in cut.items()
        ),
        resized=len(resized),
        median_size=statistics.median(_size(rectangle) for _, rectangle in cut.values()) if cut else 0.0,
    )


@contextmanager
def _disk_errors_explained(destination: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(
            f"{error.filename or destination}: removed while crop was running, most likely by another crop into the "
            "same folder; wait until that one has finished, then run the stage again"
        ) from error
    except OSError as error:
        raise InputError(
            f"{error.filename or destination}: {error.strerror or error}; crop stopped. Correct the cause, for example "
            "free some space, and run the stage again"
        ) from error


def _refuse_other_format(coco: Coco, frames: Iterable[CutFrame], path: Path) -> None:
    """The download checks the sizes that the user's file gives; only now are those of all frames known."""
    known = {frame.image_id: frame.size for frame in frames if frame.size != (0, 0)}
    boxes = [annotation["bbox"] for annotation in coco.annotations]
    sizes = [known.get(annotation["image_id"]) for annotation in coco.annotations]
    refuse_other_format(boxes, sizes, "xywh", str(path))


def _own_ids(entries: Iterable[Mapping[str, object]]) -> dict[object, object]:
    """By the id in dataset.json, the id in the user's file."""
    return {entry["id"]: entry.get("source_id", entry["id"]) for entry in entries}


def _cut_boxes(frames: Iterable[CutFrame]) -> dict[int, tuple[CutFrame, Rectangle]]:
    """By annotation id, the frame and the clipped rectangle of each box that was cut."""
    return {
        box.annotation_id: (frame, box.rectangle)
        for frame in frames
        for box in frame.boxes
        if box.rectangle is not None
    }


def _require_boxes(
    boxes: Mapping[int, object], reasons: dict[int, str], own_ids: Mapping[object, object], raw: Path
) -> None:
    if reasons and not boxes:
        raise InputError(f"{raw}: none of {len(reasons)} annotations could be cut: {_most_common(reasons, own_ids)}")


def _remove_previous(destination: Path) -> None:
    """Remove the files of an earlier crop, so that an interrupted crop cannot be mistaken for a complete one."""
    for name in ("annotations.csv", "quarantine.csv", "pixels.npy", "crops.json"):
        (destination / name).unlink(missing_ok=True)
    for path in destination.glob(".*.part"):
        path.unlink(missing_ok=True)


def _remove_strays(rois: Path, paths: Iterable[str]) -> None:
    expected = {Path(path).name for path in paths}
    for path in rois.glob("*.png"):
        if path.name not in expected:
            path.unlink()


def _resized_frames(jobs: Iterable[FrameJob], frames: Iterable[CutFrame]) -> list[int]:
    """Ids of the decoded frames whose size differs from the size in the JSON."""
    return [
        frame.image_id
        for job, frame in zip(jobs, frames, strict=True)
        if frame.size != (0, 0) and job.described not in (None, frame.size)
    ]


def _warn(resized: list[object], reasons: dict[int, str], own_ids: Mapping[object, object]) -> None:
    if resized:
        warning(
            f"crop: {len(resized)} frame(s) differ in size from the JSON; their boxes were read as pixels of the "
            f"actual frame: images {listing(resized)}"
        )
    if reasons:
        most_common = _most_common(reasons, own_ids)
        warning(f"crop: {len(reasons)} annotation(s) quarantined, see quarantine.csv: {most_common}")


def _size(rectangle: Rectangle) -> float:
    left, top, right, bottom = rectangle
    return math.sqrt((right - left) * (bottom - top))


def _most_common(reasons: dict[int, str], own_ids: Mapping[object, object]) -> str:
    """The five most common reasons, each with its count and its first annotation, by the id in the user's file."""
    counts = Counter(reasons.values()).most_common(5)
    first = {reason: annotation_id for annotation_id, reason in reversed(reasons.items())}
    return "; ".join(f"{count} × {reason} (annotation {own_ids[first[reason]]})" for reason, count in counts)
