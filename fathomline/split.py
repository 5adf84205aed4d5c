"""Folds that never share a frame: stratified by concept, grouped by image or by a field of it."""

import warnings
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from annotated_types import Ge, Interval

from fathomline.config import section
from fathomline.errors import InputError, listing
from fathomline.progress import warning
from fathomline.records import Name, Whole, read_table, refuse_rows

REMEDY = "run `dvc repro --force split`, which writes it"

SCHEMA = {"annotation_id": Whole, "fold": Annotated[Whole, Ge(0)], "group": Name}
"""Columns of split.csv, in order."""


@section
class SplitConfig:
    folds: Annotated[int, Ge(2)]
    """Number of folds; each is the validation set of one model."""

    group: str | None
    """Field of the COCO image whose values two folds must not share, such as `video_id`; null: the image itself."""

    seed: Annotated[int, Interval(ge=0, lt=2**32)]
    """Seed of the shuffling; the same seed gives the same folds."""


def assign_folds(annotations: pd.DataFrame, config: SplitConfig) -> pd.DataFrame:
    """Give each row of an annotations table its fold, 0 to `folds` - 1.

    Returns a table (annotation_id, fold, group) in the order of `annotations`. The fold of an annotation does not
    depend on that order. Concepts too rare to be in every fold are named in a warning.

    Raises InputError for unlabelled rows, and for fewer groups than folds.
    """
    # Imported here: crop reads this module's config, and scikit-learn takes a second that only splitting should pay.
    from sklearn.model_selection import StratifiedGroupKFold

    _check_splittable(annotations, config)
    _warn_of_rare_concepts(annotations, config)
    labels, groups = (annotations[column].to_numpy(dtype=object) for column in ("label", "group"))
    splitter = StratifiedGroupKFold(n_splits=config.folds, shuffle=True, random_state=config.seed)
    folds = np.empty(len(labels), dtype=np.int64)
    with warnings.catch_warnings():
        # scikit-learn says that a class is rare, but not which one; ours does.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for fold, (_, held_out) in enumerate(splitter.split(labels, labels, groups)):
            folds[held_out] = fold
    table = annotations[["annotation_id", "group"]].assign(fold=folds)[list(SCHEMA)]
    check_leakage(annotations, table, config.folds)
    return table


def read_split(path: Path, annotations: pd.DataFrame) -> pd.DataFrame:
    """Read a split.csv: annotation_id and fold int64, group text, in the order of the file.

    Raises InputError when the file is not as the split stage writes it: a cell of another type, an annotation that is
    repeated, lacking or not in `annotations`, a group other than there, or a group or an image in two folds.
    """
    table = read_table(path, SCHEMA, REMEDY)
    refuse_rows(path, table["annotation_id"].duplicated(), "repeat an annotation_id", REMEDY)
    known = annotations.set_index("annotation_id")
    refuse_rows(path, ~table["annotation_id"].isin(known.index), "are of no annotation in annotations.csv", REMEDY)
    lacking = known.index.difference(table["annotation_id"])
    if len(lacking):
        raise InputError(
            f"{path}: {len(lacking)} annotation(s) of annotations.csv have no fold: {listing(lacking)}; {REMEDY}"
        )
    of_rows = known.loc[table["annotation_id"]]
    elsewhere = table["group"] != of_rows["group"].astype(str).to_numpy()
    refuse_rows(path, elsewhere, "have a `group` other than in annotations.csv", REMEDY)
    for what, values in (("group", table["group"]), ("image", pd.Series(of_rows["image_id"].to_numpy()))):
        folds = table["fold"].groupby(values).nunique()
        leaking = folds.index[folds > 1]
        if len(leaking):
            raise InputError(
                f"{path}: {len(leaking)} {what}(s) are in more than one fold: {listing(leaking)}; {REMEDY}"
            )
    return table


def check_leakage(annotations: pd.DataFrame, folds: pd.DataFrame, count: int) -> None:
    """Check that each annotation has exactly one fold, that no fold is empty, and that no group sits in two.

    Raises InputError naming what breaks the rule.
    """
    repeated = folds.loc[folds["annotation_id"].duplicated(), "annotation_id"]
    if len(repeated):
        raise InputError(f"split: {len(repeated)} annotation(s) have two folds: {listing(repeated)}")
    unlike = set(annotations["annotation_id"]) ^ set(folds["annotation_id"])
    if unlike:
        raise InputError(f"split: {len(unlike)} annotation(s) are not in both tables: {listing(sorted(unlike))}")
    empty = sorted(set(range(count)) ^ set(folds["fold"]))
    if empty:
        raise InputError(f"split: expected folds 0 to {count - 1}, but these are empty or unknown: {listing(empty)}")
    shared = annotations.merge(folds[["annotation_id", "fold"]], on="annotation_id").groupby("group")["fold"].nunique()
    leaking = shared[shared > 1].index
    if len(leaking):
        raise InputError(f"split: {len(leaking)} group(s) sit in more than one fold: {listing(leaking)}")


def _check_splittable(annotations: pd.DataFrame, config: SplitConfig) -> None:
    unlabelled = annotations.loc[annotations["label"] == "", "annotation_id"]
    if len(unlabelled):
        raise InputError(f"split: {len(unlabelled)} annotation(s) have no label: {listing(unlabelled)}")
    groups = annotations["group"].nunique()
    if groups < config.folds:
        raise InputError(
            f"split: {groups} group(s), frames or what `split.group` names, cannot fill {config.folds} folds; "
            + (f"lower `split.folds` to {groups} or less" if groups > 1 else "there must be at least 2 groups")
        )
    most = annotations["label"].value_counts().max()
    if most < config.folds:
        raise InputError(
            f"split: no concept has {config.folds} ROIs (the commonest has {most}); lower `split.folds` to "
            f"{most} or less, or add annotations"
        )


def _warn_of_rare_concepts(annotations: pd.DataFrame, config: SplitConfig) -> None:
    """Name the concepts that cannot be in every fold, because they have too few ROIs or too few groups."""
    concepts = annotations.groupby("label").agg(rois=("annotation_id", "size"), groups=("group", "nunique"))
    rare = concepts[concepts["groups"] < config.folds]
    if len(rare):
        named = [f"{row.Index} ({row.rois} in {row.groups})" for row in rare.itertuples()]
        warning(
            f"split: {len(rare)} concept(s) have ROIs in fewer groups than the {config.folds} folds, so some folds "
            f"validate without them: {listing(named, limit=100)}"
        )
