"""Crops on disk -> rows, labels and batches."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from fathomline.errors import InputError, listing
from fathomline.rois.annotations import class_indices, read_annotations
from fathomline.rois.crops_json import REMEDY, check_unchanged, read_crops_json
from fathomline.rois.pixels import read_pixels
from fathomline.rois.preprocessing import Preprocessing

ROWS_AT_ONCE = 64
"""Rows of pixels.npy that are read into memory at once to be hashed."""


@dataclass(frozen=True)
class Crops:
    """What the crop stage wrote for a subset."""

    annotations: pd.DataFrame
    """One row an ROI, with the columns of annotations.csv."""

    pixels: np.ndarray
    """(rois, views, size, size, 3) uint8 RGB, memory-mapped, rows in the order of `annotations`."""

    preprocessing: Preprocessing
    """How they were made."""

    @property
    def views(self) -> tuple[float | str, ...]:
        """What each view shows: a multiple of the box, or `frame`."""
        return self.preprocessing.views

    def labels(self, classes: Sequence[str]) -> np.ndarray:
        """(rois,) int64, the index of each ROI's concept in `classes`; InputError for a concept that is not there."""
        return class_indices(self.annotations["label"], classes)

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the whole table, every pixel and the preprocessing: what caches are keyed by."""
        hashed = hashlib.sha256(repr((self.preprocessing, self.pixels.shape)).encode())
        hashed.update(self.annotations.to_csv(index=False).encode())
        for start in range(0, len(self.pixels), ROWS_AT_ONCE):
            hashed.update(np.ascontiguousarray(self.pixels[start : start + ROWS_AT_ONCE]).data)
        return hashed.hexdigest()


def read_crops(folder: Path, *, labelled: bool = False) -> Crops:
    """Read annotations.csv and crops.json and map pixels.npy of `folder`.

    With `labelled`, as for the training subset, every row must have a label.

    Raises InputError when one of the three is damaged, or when they are not what one run of the crop stage wrote.
    """
    description = read_crops_json(folder)
    annotations = read_annotations(folder / "annotations.csv", labelled=labelled)
    if len(annotations) != description.rois:
        raise InputError(
            f"{folder}/annotations.csv: has {len(annotations)} row(s), but crops.json counts {description.rois}; "
            f"{REMEDY}"
        )
    pixels = read_pixels(folder / "pixels.npy", description.shape, REMEDY)
    check_unchanged(folder, description)
    return Crops(annotations, pixels, description.preprocessing)


def fold_rows(annotations: pd.DataFrame, folds: pd.DataFrame, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to train on and row numbers held out.

    Args: annotations with `annotation_id`; folds with `annotation_id` and `fold`; the fold that is held out.
    Raises InputError when an ROI has no fold, or the fold holds out nothing or everything.
    """
    of_annotation = folds.set_index("annotation_id")["fold"]
    assigned = annotations["annotation_id"].map(of_annotation)
    if assigned.isna().any():
        lost = annotations.loc[assigned.isna(), "annotation_id"]
        raise InputError(f"split.csv has no fold for {len(lost)} annotation(s): {listing(lost)}; run `dvc repro`")
    held_out = (assigned == fold).to_numpy()
    if not held_out.any() or held_out.all():
        available = listing(sorted(of_annotation.unique()))
        raise InputError(f"split.held_out has {fold}, but split.csv holds the folds {available}; choose among these")
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def batches(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """`rows` in their order, at most `size` at once."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
