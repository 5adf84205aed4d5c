"""Folds that never share a frame: stratified by concept, and grouped by frame or by a field of the image."""

import warnings
from dataclasses import field
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Ge, Interval, MinLen
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fathomline.config import section
from fathomline.errors import InputError, listing, visible
from fathomline.progress import warning
from fathomline.records import Name, Whole, read_table, refuse_rows
from fathomline.rois.annotations import IMAGE_FIELD

REMEDY = "run `dvc repro --force split`, which writes it"

SCHEMA = {"annotation_id": Whole, "fold": Annotated[Whole, Ge(0)], "group": Name}
"""The columns of split.csv, in order."""


@section
class SplitConfig:
    folds: Annotated[int, Ge(2)] = 5
    """Number of folds."""

    held_out: Annotated[list[Annotated[int, Ge(0)]], MinLen(1)] = field(default_factory=lambda: [0])
    """Folds to hold out, numbered from 0. One model is trained per fold, on the others, and validated on it."""

    group: str | None = None
    """Field of the COCO image whose values two folds must not share, such as `video_id`; null: the image itself."""

    seed: Annotated[int, Interval(ge=0, lt=2**32)] = 0
    """Seed of the shuffling; the same seed gives the same folds."""

    def __post_init__(self) -> None:
        if len(set(self.held_out)) != len(self.held_out):
            raise ValueError(f"`held_out` is {self.held_out}; name each fold once")
        if max(self.held_out) >= self.folds:
            raise ValueError(f"`held_out` is {self.held_out}; expected numbers below `folds`, {self.folds}")


def assign_folds(annotations: pd.DataFrame, config: SplitConfig) -> pd.DataFrame:
    """Assign each annotation to a fold, 0 to `folds` - 1.

    Concepts too rare to be in every fold are named in a warning.

    Returns: a table (annotation_id, fold, group) in the order of `annotations`, on which the folds do not depend.
    Raises InputError if a row has no label, if an image lacks the field `config.group`, or if there are too few groups
    or too few ROIs of the most common concept.
    """
    # Importing scikit-learn takes a second, and stages that only read a split do not need it.
    from sklearn.model_selection import StratifiedGroupKFold

    annotations = annotations.assign(group=groups_of(annotations, config.group))
    check_splittable(annotations, config)
    _warn_of_rare_concepts(annotations, config)
    labels, groups = (annotations[column].to_numpy(dtype=object) for column in ("label", "group"))
    splitter = StratifiedGroupKFold(n_splits=config.folds, shuffle=True, random_state=config.seed)
    folds = np.empty(len(labels), dtype=np.int64)
    with warnings.catch_warnings():
        # scikit-learn's warning does not name the rare classes; _warn_of_rare_concepts does.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for fold, (_, held_out) in enumerate(splitter.split(labels, labels, groups)):
            folds[held_out] = fold
    table = annotations[["annotation_id", "group"]].assign(fold=folds)[list(SCHEMA)]
    check_leakage(annotations, table, config.folds)
    return table


def groups_of(annotations: pd.DataFrame, field: str | None) -> np.ndarray:
    """(rois,) object, the group of each ROI as text: its frame id, or the value of `field` in its COCO image.

    One frame may belong to several images. Values that share a frame form one group, named after the first of them in
    alphabetical order.

    Raises InputError if an image lacks the field.
    """
    frames = annotations["frame_id"].to_numpy()
    if field is None:
        return frames.astype(str).astype(object)
    column = IMAGE_FIELD + visible(field)
    values = annotations[column] if column in annotations else pd.Series("", index=annotations.index)
    lacking = annotations.loc[values.str.strip() == "", "image_id"].unique()
    if len(lacking):
        known = [name.removeprefix(IMAGE_FIELD) for name in annotations if name.startswith(IMAGE_FIELD)]
        raise InputError(
            f"annotations.csv: {len(lacking)} of {annotations['image_id'].nunique()} images have no text or "
            f"number in the field `{field}` that `split.group` names: images {listing(sorted(lacking))}; fields to "
            f"group by: {listing(known, 30) or 'none'} (id, width, height and coco_url are not kept)"
        )
    return _linked_by_frame(values.to_numpy(dtype=object), frames)


def _linked_by_frame(values: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """(rois,) object: `values`, each replaced by the first of those linked to it by shared frames."""
    names, value_of_row = np.unique(values, return_inverse=True)
    _, frame_of_row = np.unique(frames, return_inverse=True)
    nodes = len(names) + frame_of_row.max() + 1  # values first, then frames
    links = coo_array((np.ones(len(frames)), (value_of_row, len(names) + frame_of_row)), shape=(nodes, nodes))
    component = connected_components(links, directed=False)[1][: len(names)]
    _, first_of_component = np.unique(component, return_index=True)
    return names[first_of_component[component]][value_of_row]


def read_split(path: Path, annotations: pd.DataFrame) -> pd.DataFrame:
    """Read a split.csv: annotation_id and fold int64, group text, in the order of the file.

    Raises InputError if the file is not as the split stage writes it: a cell of the wrong type, an annotation that is
    repeated, missing or not in `annotations`, or a group or a frame in two folds.
    """
    table = read_table(path, SCHEMA, REMEDY)
    refuse_rows(path, table["annotation_id"].duplicated(), "repeat an annotation_id", REMEDY)
    known = annotations.set_index("annotation_id")
    refuse_rows(path, ~table["annotation_id"].isin(known.index), "match no annotation in annotations.csv", REMEDY)
    lacking = known.index.difference(table["annotation_id"])
    if len(lacking):
        raise InputError(
            f"{path}: {len(lacking)} annotation(s) of annotations.csv have no fold: {listing(lacking)}; {REMEDY}"
        )
    for kind, leaking in _in_several_folds(annotations, table).items():
        if leaking:
            raise InputError(
                f"{path}: {len(leaking)} {kind}(s) are in more than one fold: {listing(leaking)}; {REMEDY}"
            )
    return table


def check_leakage(annotations: pd.DataFrame, folds: pd.DataFrame, count: int) -> None:
    """Check that each annotation has exactly one fold, that no fold is empty, and that no group or frame is in two.

    Raises InputError, which names the offending annotations, folds, groups or frames.
    """
    repeated = folds.loc[folds["annotation_id"].duplicated(), "annotation_id"]
    if len(repeated):
        raise InputError(f"split: {len(repeated)} annotation(s) are in more than one fold: {listing(repeated)}")
    unmatched = set(annotations["annotation_id"]) ^ set(folds["annotation_id"])
    if unmatched:
        raise InputError(f"split: {len(unmatched)} annotation(s) are in only one table: {listing(sorted(unmatched))}")
    empty = sorted(set(range(count)) ^ set(folds["fold"]))
    if empty:
        raise InputError(f"split: expected folds 0 to {count - 1}, but these are empty or unknown: {listing(empty)}")
    for kind, leaking in _in_several_folds(annotations, folds).items():
        if leaking:
            raise InputError(f"split: {len(leaking)} {kind}(s) are in more than one fold: {listing(leaking)}")


def _in_several_folds(annotations: pd.DataFrame, folds: pd.DataFrame) -> dict[str, list[object]]:
    """The groups and the frames that are in more than one fold, by the keys `group` and `frame`."""
    frames = annotations.set_index("annotation_id").loc[folds["annotation_id"], "frame_id"]
    leaking = {}
    for kind, values in (("group", folds["group"]), ("frame", frames)):
        counts = folds["fold"].groupby(values.to_numpy()).nunique()
        leaking[kind] = counts.index[counts > 1].tolist()
    return leaking


def check_splittable(annotations: pd.DataFrame, config: SplitConfig) -> None:
    """Raise InputError if the ROIs cannot fill the folds.

    Args: annotations, with the columns annotation_id, label and group.
    """
    unlabelled = annotations.loc[annotations["label"] == "", "annotation_id"]
    if len(unlabelled):
        raise InputError(f"split: {len(unlabelled)} annotation(s) have no label: {listing(unlabelled)}")
    groups = annotations["group"].nunique()
    if groups < config.folds:
        raise InputError(
            f"split: {groups} group(s), as set by `split.group`, cannot fill {config.folds} folds; "
            + (f"lower `split.folds` to {groups} or less" if groups > 1 else "expected at least 2 groups")
        )
    most = annotations["label"].value_counts().max()
    if most < config.folds:
        raise InputError(
            f"split: no concept has {config.folds} ROIs (the most common has {most}); "
            + (f"lower `split.folds` to {most} or less, or add annotations" if most > 1 else "add annotations")
        )


def _warn_of_rare_concepts(annotations: pd.DataFrame, config: SplitConfig) -> None:
    """Warn of concepts that cannot be in every fold, as they occur in fewer groups than there are folds."""
    concepts = annotations.groupby("label").agg(rois=("annotation_id", "size"), groups=("group", "nunique"))
    rare = concepts[concepts["groups"] < config.folds]
    if len(rare):
        named = [f"{row.Index} ({row.rois} in {row.groups})" for row in rare.itertuples()]
        warning(
            f"split: {len(rare)} concept(s) have ROIs in fewer groups than the {config.folds} folds, so some folds "
            f"validate without them: {listing(named, limit=100)}"
        )
