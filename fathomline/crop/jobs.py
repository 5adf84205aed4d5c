"""Plan the cutting: which boxes to cut, and from which frames."""

from pathlib import Path
from typing import Any

from fathomline.crop.cut import Box, FrameJob
from fathomline.crop.views import UNBOUNDED, Rectangle, parse_box
from fathomline.dataset.coco import WHOLE_FRAME, Coco, described_size
from fathomline.dataset.manifest import Record
from fathomline.errors import Unusable


def valid_boxes(
    annotations: list[dict[str, Any]], manifest: dict[int, Record]
) -> tuple[dict[int, Rectangle], dict[int, str]]:
    """Rectangles of the boxes to cut, and reasons to quarantine the others.

    Returns: two mappings by annotation id, each in the order of `annotations`. A rectangle may lie outside its frame;
        for the whole frame, it is UNBOUNDED.
    """
    rectangles: dict[int, Rectangle] = {}
    reasons: dict[int, str] = {}
    for annotation in annotations:
        record = manifest.get(annotation["image_id"])
        try:
            if record is None or record.status != "ok":
                raise Unusable(f"frame not downloaded: {record.error if record else 'it was not tried'}")
            bbox = annotation["bbox"]
            rectangles[annotation["id"]] = UNBOUNDED if bbox == WHOLE_FRAME else parse_box(bbox)
        except Unusable as error:
            reasons[annotation["id"]] = str(error)
    return rectangles, reasons


def frame_jobs(coco: Coco, manifest: dict[int, Record], rectangles: dict[int, Rectangle], raw: Path) -> list[FrameJob]:
    """One job for each frame with boxes to cut, in the order of the JSON; box i of `rectangles` gets row i."""
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
            described_size(image),
            tuple(boxes[image["id"]]),
        )
        for image in coco.images
        if image["id"] in boxes
    ]
