"""Read the crops of a subset, and select their rows by fold and batch."""

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
"""Rows of pixels.npy to read into memory at a time when hashing them."""


@dataclass(frozen=True)
class Crops:
    """The output of the crop stage for a subset."""

    annotations: pd.DataFrame
    """One row per ROI, with the columns of annotations.csv."""

    pixels: np.ndarray
    """(rois, views, size, size, 3) uint8 RGB, memory-mapped, rows in the order of `annotations`."""

    preprocessing: Preprocessing
    """How the pixels were made."""

    @property
    def views(self) -> tuple[float | str, ...]:
        """What each view shows: a multiple of the box, or `frame`, in the order of the pixels."""
        return self.preprocessing.views

    def labels(self, classes: Sequence[str]) -> np.ndarray:
        """(rois,) int64, the index of each ROI's concept in `classes`; InputError for others."""
        return class_indices(self.annotations["label"], classes)

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the table, the pixels and the preprocessing, as a key for caches."""
        hashed = hashlib.sha256(repr((self.preprocessing, self.pixels.shape)).encode())
        hashed.update(self.annotations.to_csv(index=False).encode())
        for start in range(0, len(self.pixels), ROWS_AT_ONCE):
            hashed.update(np.ascontiguousarray(self.pixels[start : start + ROWS_AT_ONCE]).data)
        return hashed.hexdigest()


def read_crops(folder: Path, *, labelled: bool = False) -> Crops:
    """Read annotations.csv and crops.json of `folder`, and memory-map its pixels.npy.

    Args: labelled, whether every row must have a label, as in the training subset.
    Raises InputError if one of the three is damaged, or if they were not written by the same run of the crop stage.
    """
    crops_json = read_crops_json(folder)
    annotations = read_annotations(folder / "annotations.csv", labelled=labelled)
    if len(annotations) != crops_json.rois:
        raise InputError(
            f"{folder}/annotations.csv: has {len(annotations)} row(s), but crops.json says {crops_json.rois}; {REMEDY}"
        )
    pixels = read_pixels(folder / "pixels.npy", crops_json.shape, REMEDY)
    check_unchanged(folder, crops_json)
    return Crops(annotations, pixels, crops_json.preprocessing)


def fold_rows(annotations: pd.DataFrame, folds: pd.DataFrame, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows of `annotations` to train on and those held out, both int64.

    Args: annotations, with the column `annotation_id`; folds, with `annotation_id` and `fold`; fold, the one to hold
        out.
    Raises InputError if an ROI has no fold, or if the fold holds no ROIs or all of them.
    """
    of_annotation = folds.set_index("annotation_id")["fold"]
    assigned = annotations["annotation_id"].map(of_annotation)
    if assigned.isna().any():
        lacking = annotations.loc[assigned.isna(), "annotation_id"]
        raise InputError(f"split.csv: no fold for {len(lacking)} annotation(s): {listing(lacking)}; run `dvc repro`")
    held_out = (assigned == fold).to_numpy()
    if not held_out.any() or held_out.all():
        available = listing(sorted(of_annotation.unique()))
        raise InputError(f"split.held_out has {fold}, but the folds in split.csv are {available}; choose among them")
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def batches(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield `rows` in order, at most `size` at a time."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
