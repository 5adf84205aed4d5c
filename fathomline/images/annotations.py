"""The table of ROIs that passes between stages: one row per box that could be cropped."""

from pathlib import Path

import pandas as pd

from fathomline.errors import InputError, listing
from fathomline.files import read_csv

TYPES = {
    "path": "str",
    "label": "str",
    "annotation_id": "int64",
    "image_id": "int64",
    "group": "str",
    "x": "float64",
    "y": "float64",
    "w": "float64",
    "h": "float64",
    "frame_w": "int64",
    "frame_h": "int64",
}
"""Columns in order. `path` is relative to the table's folder; `label` is a concept, or empty where it is withheld;
`group` is what two folds must not share; the box is clipped to the frame; boxes and frames are in pixels."""

COLUMNS = list(TYPES)


def read_annotations(path: Path) -> pd.DataFrame:
    """Read an annotations.csv; a taxon called "NA" or "None" stays that text.

    Raises InputError when the file, a column or a number is missing, or when an annotation occurs twice.
    """
    try:
        table = read_csv(path, COLUMNS, dtype=TYPES, keep_default_na=False)
    except InputError:
        raise
    except (ValueError, OverflowError) as error:
        raise InputError(f"{path}: a column holds something else than numbers ({error})") from None
    if table.empty:
        raise InputError(f"{path}: no rows; expected at least one ROI")
    repeated = table.loc[table["annotation_id"].duplicated(), "annotation_id"]
    if len(repeated):
        raise InputError(f"{path}: {len(repeated)} annotation(s) occur twice: {listing(repeated)}")
    return table
