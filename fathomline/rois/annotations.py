"""The tables of a subset's ROIs that pass between stages.

annotations.csv has one row per box that could be cropped, quarantine.csv one per box that could not.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Ge, Gt

from fathomline.errors import InputError, listing
from fathomline.records import Name, Number, Text, Whole, read_table, refuse_rows

REMEDY = "run `dvc repro --force crop`, which writes it"

SCHEMA = {
    "path": Name,
    "label": Text,
    "annotation_id": Whole,
    "image_id": Whole,
    "x": Annotated[Number, Ge(0)],
    "y": Annotated[Number, Ge(0)],
    "w": Annotated[Number, Gt(0)],
    "h": Annotated[Number, Gt(0)],
    "frame_w": Annotated[Whole, Ge(1)],
    "frame_h": Annotated[Whole, Ge(1)],
    "frame_id": Whole,
}
"""The columns, in order. `path` is relative to the table's folder. `label` is a concept, or empty if it is withheld.
Boxes are clipped to their frame; boxes and frames are in pixels. `frame_id` is the smallest id among the images with
the same bytes, usually `image_id` itself. More columns may follow: the fields of the COCO image, as text, with names
that begin with `image.`."""

COLUMNS = list(SCHEMA)

QUARANTINE_SCHEMA = {"annotation_id": Whole, "image_id": Whole, "reason": Name}
"""The columns of quarantine.csv, in order. `reason` is why the box could not be cropped."""

QUARANTINE_COLUMNS = list(QUARANTINE_SCHEMA)

IMAGE_FIELD = "image."
"""Prefix of the name of a column that holds a field of the COCO image."""

ROUNDING = 1e-6
"""Pixels by which x + w may exceed the frame, to allow for floating-point rounding."""


def roi_path(image_id: int, annotation_id: int) -> str:
    """The path of an ROI's picture, relative to the folder of annotations.csv."""
    return f"rois/{image_id}_{annotation_id}.png"


def read_annotations(path: Path, *, labelled: bool = False) -> pd.DataFrame:
    """Read an annotations.csv; a taxon called "NA" or "None" is read as that text.

    Args: labelled, whether every row must have a label, as in the training subset. Only a test subset may be empty.
    Raises InputError if the file is not as the crop stage writes it: a cell of the wrong type, a repeated annotation, a
    box outside its frame, or a path that is not the ROI's own.
    """
    table = read_table(path, SCHEMA, REMEDY, may_be_empty=not labelled)
    repeated = table.loc[table["annotation_id"].duplicated(), "annotation_id"]
    if len(repeated):
        raise InputError(
            f"{path}: {len(repeated)} row(s) repeat an annotation_id, expected each once: {listing(repeated)}; {REMEDY}"
        )
    beyond = (table["x"] + table["w"] > table["frame_w"] + ROUNDING) | (
        table["y"] + table["h"] > table["frame_h"] + ROUNDING
    )
    refuse_rows(path, beyond, "have a box that extends beyond its frame", REMEDY)
    expected = [roi_path(*ids) for ids in zip(table["image_id"], table["annotation_id"], strict=True)]
    refuse_rows(path, table["path"] != expected, "have a `path` other than rois/<image_id>_<annotation_id>.png", REMEDY)
    if labelled:
        refuse_rows(path, table["label"].str.strip() == "", "of the training subset have no label", REMEDY)
    return table


def read_quarantine(path: Path) -> pd.DataFrame:
    """Read a quarantine.csv, which may have no rows. InputError if it is not as the crop stage writes it."""
    return read_table(path, QUARANTINE_SCHEMA, REMEDY, may_be_empty=True)


def class_indices(labels: pd.Series, classes: Sequence[str]) -> np.ndarray:
    """(rois,) int64, the index of each label in `classes`; InputError for labels that are not in `classes`."""
    index = {name: position for position, name in enumerate(classes)}
    unknown = sorted(set(labels) - set(index))
    if unknown:
        raise InputError(
            f"annotations.csv: {len(unknown)} concept(s) are not among the {len(classes)} classes: {listing(unknown)}; "
            "run `dvc repro` to add them to the taxonomy"
        )
    return labels.map(index).to_numpy(dtype=np.int64)
