"""Concepts as column numbers."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fathomline.errors import InputError, listing


def class_indices(labels: pd.Series, classes: Sequence[str]) -> np.ndarray:
    """(rois,) int64, the place of each label in `classes`; InputError for labels that are not among them."""
    index = {name: position for position, name in enumerate(classes)}
    unknown = sorted(set(labels) - set(index))
    if unknown:
        raise InputError(
            f"{len(unknown)} concept(s) of annotations.csv are not among the {len(classes)} classes: "
            f"{listing(unknown)}; run `dvc repro` so that the taxonomy is resolved for them"
        )
    return labels.map(index).to_numpy(dtype=np.int64)
