"""Crops for tests, in memory and on disk as the crop stage writes them."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from fathomline.files import write_csv
from fathomline.rois.annotations import COLUMNS, roi_path
from fathomline.rois.crops import Crops
from fathomline.rois.crops_json import write_crops_json
from fathomline.rois.preprocessing import Preprocessing


def with_views(crops: Crops, *views: float | str, **changes) -> Crops:
    """A copy of `crops` with other `views`; `changes` are passed to `replace`."""
    return replace(crops, preprocessing=replace(crops.preprocessing, views=views), **changes)


def preprocessing_of(pixels: np.ndarray, *views: float | str) -> Preprocessing:
    """A preprocessing that gives pixels of this shape, (rois, views, size, size, 3)."""
    return Preprocessing(views=views or (1.0,), size=pixels.shape[2], square=True, padding="edge")


def write_crops(crops: Crops, folder: Path) -> None:
    """Write crops for `read_crops` to read; paths follow from the ids, and all boxes start at (0, 0)."""
    ids = zip(crops.annotations["image_id"], crops.annotations["annotation_id"], strict=True)
    table = crops.annotations.assign(path=[roi_path(*pair) for pair in ids], x=0.0, y=0.0)[COLUMNS]
    write_csv(table, folder / "annotations.csv")
    np.save(folder / "pixels.npy", crops.pixels)
    write_crops_json(folder, crops.preprocessing, len(table))
