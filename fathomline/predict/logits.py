"""`data/logits/<subset>.npz`: the logits of every ROI. No torch, so that evaluate and submit start quickly."""

import hashlib
import lzma
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from fathomline.config import section
from fathomline.errors import InputError, listing
from fathomline.files import written_whole
from fathomline.model.orientations import ORIENTATIONS
from fathomline.taxonomy.tree import Taxonomy

REMEDY = "run `dvc repro --force predict` to write it again"

READ_ERRORS = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    SystemError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""Exceptions that numpy and zipfile raise for a malformed file. Among them, ValueError stands for pickled data, and
BadZipFile for a wrong CRC."""


@section
class PredictConfig:
    transforms: Literal["none", "mirror", "flips", "rotations", "turns"] = "none"
    """Orientations to predict each ROI in and to store, for evaluate to average over. `none`: as it is; `mirror`: with
    its mirror image; `flips`: its four mirror images; `rotations`: four quarter turns; `turns`: all eight."""


@dataclass(frozen=True)
class HeldOutLogits:
    """Logits of the ROIs in the held-out folds, each from the model that held it out."""

    logits: np.ndarray
    """(transforms, views, rois, classes) float32"""
    transforms: tuple[str, ...]
    """Names of orientations."""
    views: tuple[str, ...]
    """`plain` and, if requested, `degraded`."""
    annotation_ids: np.ndarray
    """(rois,) int64"""
    folds: np.ndarray
    """(rois,) int64, the fold that each ROI belongs to."""
    classes: tuple[str, ...]
    taxonomy_hash: str

    def of_view(self, view: str) -> np.ndarray:
        """Return the logits of one view: (transforms, rois, classes) float32."""
        return self.logits[:, self.views.index(view)]


@dataclass(frozen=True)
class EnsembleLogits:
    """Logits of the ROIs of the test subset, each from the models of all folds."""

    logits: np.ndarray
    """(folds, transforms, rois, classes) float32"""
    folds: tuple[int, ...]
    transforms: tuple[str, ...]
    annotation_ids: np.ndarray
    """(rois,) int64"""
    classes: tuple[str, ...]
    taxonomy_hash: str

    def by_fold(self, orientations: Sequence[str]) -> dict[int, np.ndarray]:
        """Return logits by fold: (orientations, rois, classes) float32.

        Raises InputError if one of `orientations` is not stored.
        """
        missing = [name for name in orientations if name not in self.transforms]
        if missing:
            raise InputError(
                f"the logits of the test subset lack the transforms {listing(missing)} that calibration.json asks for; "
                f"they have {listing(self.transforms)}; run `dvc repro` so that both follow predict.transforms"
            )
        chosen = [self.transforms.index(name) for name in orientations]
        return {fold: self.logits[place, chosen] for place, fold in enumerate(self.folds)}


def write_held_out_logits(held_out: HeldOutLogits, path: Path) -> None:
    _write(
        {
            "logits": held_out.logits,
            "transforms": np.array(held_out.transforms),
            "views": np.array(held_out.views),
            "annotation_ids": held_out.annotation_ids,
            "folds": held_out.folds,
            "classes": np.array(held_out.classes),
            "taxonomy_hash": np.array(held_out.taxonomy_hash),
        },
        path,
    )


def write_ensemble_logits(test: EnsembleLogits, path: Path) -> None:
    _write(
        {
            "logits": test.logits,
            "folds": np.array(test.folds, dtype=np.int64),
            "transforms": np.array(test.transforms),
            "annotation_ids": test.annotation_ids,
            "classes": np.array(test.classes),
            "taxonomy_hash": np.array(test.taxonomy_hash),
        },
        path,
    )


def read_held_out_logits(path: Path, taxonomy: Taxonomy) -> HeldOutLogits:
    """Read what `write_held_out_logits` wrote. Raises InputError if it is damaged or has another taxonomy."""
    arrays = _read(path, ("logits", "transforms", "views", "annotation_ids", "folds", "classes", "taxonomy_hash"))
    rois = _ids(arrays["annotation_ids"], path)
    held_out = HeldOutLogits(
        logits=arrays["logits"],
        transforms=_names(arrays["transforms"], "transforms", path),
        views=_names(arrays["views"], "views", path),
        annotation_ids=rois,
        folds=_integers(arrays["folds"], "folds", path),
        classes=_names(arrays["classes"], "classes", path),
        taxonomy_hash=_text(arrays["taxonomy_hash"], path),
    )
    shape = (len(held_out.transforms), len(held_out.views), len(rois), len(held_out.classes))
    _check(held_out.logits, shape, held_out, taxonomy, path)
    if held_out.folds.shape != rois.shape or (held_out.folds < 0).any():
        raise InputError(f"{path}: `folds` must have one fold, 0 or above, for each of {len(rois)} ROIs; {REMEDY}")
    if held_out.views not in (("plain",), ("plain", "degraded")):
        raise InputError(
            f"{path}: `views` is {listing(held_out.views)}, expected plain, or plain and degraded; {REMEDY}"
        )
    _refuse_edited(arrays, path)
    return held_out


def read_ensemble_logits(path: Path, taxonomy: Taxonomy) -> EnsembleLogits:
    """Read what `write_ensemble_logits` wrote. Raises InputError if it is damaged or has another taxonomy."""
    arrays = _read(path, ("logits", "folds", "transforms", "annotation_ids", "classes", "taxonomy_hash"))
    rois = _ids(arrays["annotation_ids"], path)
    folds = _integers(arrays["folds"], "folds", path)
    test = EnsembleLogits(
        logits=arrays["logits"],
        folds=tuple(folds.ravel().tolist()),
        transforms=_names(arrays["transforms"], "transforms", path),
        annotation_ids=rois,
        classes=_names(arrays["classes"], "classes", path),
        taxonomy_hash=_text(arrays["taxonomy_hash"], path),
    )
    shape = (len(test.folds), len(test.transforms), len(rois), len(test.classes))
    _check(test.logits, shape, test, taxonomy, path)
    if not test.folds or len(set(test.folds)) != len(test.folds):
        raise InputError(f"{path}: `folds` is {listing(test.folds)}, expected one or more distinct folds; {REMEDY}")
    _refuse_edited(arrays, path)
    return test


def refuse_other_runs(held_out: HeldOutLogits, folds: Sequence[int], view: str, path: Path) -> None:
    """Raise InputError, naming `path`, unless the logits belong to exactly these folds and include this view."""
    found = sorted(set(held_out.folds.tolist()))
    if found != sorted(folds):
        raise InputError(
            f"{path}: has the ROIs of the folds {listing(found)}, but split.held_out is {listing(folds)}; "
            "run `dvc repro`"
        )
    if view not in held_out.views:
        raise InputError(
            f"{path}: lacks the {view} view that train.validation.select_on names; it has {listing(held_out.views)}; "
            "run `dvc repro`"
        )


def held_out_annotations(held_out: HeldOutLogits, crops: pd.DataFrame, split: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return one row per ROI in the order of the logits: its columns of `crops`, its `fold` and its `group`.

    Args: crops as `read_annotations` returns them; split as `read_split` does; path of the logits, for messages.
    Raises InputError for an ROI that is missing from the crops or has another fold in the split.
    """
    known = crops.set_index("annotation_id").join(split.set_index("annotation_id")[["fold", "group"]])
    unknown = [number for number in held_out.annotation_ids.tolist() if number not in known.index]
    if unknown:
        raise InputError(f"{path}: {len(unknown)} ROI(s) are missing from the crops: {listing(unknown)}; {REMEDY}")
    rows = known.loc[held_out.annotation_ids].reset_index()[[*crops.columns, "fold", "group"]]
    moved = rows.loc[rows["fold"].to_numpy() != held_out.folds, "annotation_id"].tolist()
    if moved:
        raise InputError(
            f"{path}: {len(moved)} ROI(s) were predicted for a fold other than their fold in split.csv: "
            f"{listing(moved)}; {REMEDY}"
        )
    return rows


def _write(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Write arrays with a checksum over all of them, since reordered classes would give wrong answers and no error.

    They are not compressed, because logits hardly shrink. numpy dates all entries 1980, so the same arrays give the
    same bytes.
    """
    with written_whole(path) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays, sha256=np.array(_digest(arrays)))


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256, in hexadecimal, of arrays and their names, types and shapes."""
    hashed = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        hashed.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        hashed.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return hashed.hexdigest()


def _read(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        with open(path, "rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            files = archive.files if isinstance(archive, np.lib.npyio.NpzFile) else ["one array"]
            if sorted(files) == sorted((*names, "sha256")):
                arrays = {name: np.asarray(archive[name]) for name in files}
                for array in arrays.values():
                    if array.dtype.kind == "U":
                        "".join(array.ravel().tolist()).encode().decode()  # numpy does not check for invalid characters
                return arrays
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {REMEDY}") from None
    except READ_ERRORS as error:
        cause = getattr(error, "strerror", None) or " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: cannot be read as arrays ({cause}); {REMEDY}") from None
    raise InputError(f"{path}: contains {listing(files)}, expected {', '.join(names)}, sha256; {REMEDY}")


def _refuse_edited(arrays: dict[str, np.ndarray], path: Path) -> None:
    seal = arrays.pop("sha256")
    if seal.ndim or str(seal) != _digest(arrays):
        raise InputError(f"{path}: changed since it was written: `sha256` does not match; {REMEDY}")


def _names(array: np.ndarray, name: str, path: Path) -> tuple[str, ...]:
    names = tuple(array.ravel().tolist())
    if array.ndim != 1 or array.dtype.kind != "U" or not names or len(set(names)) != len(names) or "" in names:
        raise InputError(f"{path}: `{name}` is not a list of distinct names; {REMEDY}")
    return names


def _integers(array: np.ndarray, name: str, path: Path) -> np.ndarray:
    if array.ndim != 1 or array.dtype != np.int64:
        raise InputError(
            f"{path}: `{name}` is {array.dtype} of shape {array.shape}, expected one dimension of int64; {REMEDY}"
        )
    return array


def _ids(array: np.ndarray, path: Path) -> np.ndarray:
    ids = _integers(array, "annotation_ids", path)
    if len(np.unique(ids)) != len(ids):
        raise InputError(f"{path}: `annotation_ids` has an ROI more than once; {REMEDY}")
    return ids


def _text(array: np.ndarray, path: Path) -> str:
    if array.ndim != 0 or array.dtype.kind != "U":
        raise InputError(f"{path}: `taxonomy_hash` is not a string; {REMEDY}")
    return str(array)


def _check(
    logits: np.ndarray, shape: tuple[int, ...], stored: HeldOutLogits | EnsembleLogits, taxonomy: Taxonomy, path: Path
) -> None:
    if logits.dtype != np.float32 or logits.shape != shape:
        raise InputError(
            f"{path}: `logits` is {logits.dtype} of shape {logits.shape}, expected float32 of shape {shape}; {REMEDY}"
        )
    if not np.isfinite(logits).all():
        raise InputError(f"{path}: `logits` has values that are not finite; train again with a lower train.lr")
    unknown = [name for name in stored.transforms if name not in ORIENTATIONS]
    if unknown or "identity" not in stored.transforms:
        raise InputError(
            f"{path}: `transforms` is {listing(stored.transforms)}, expected identity and any others from "
            f"{listing(ORIENTATIONS)}; {REMEDY}"
        )
    if stored.taxonomy_hash != taxonomy.hash:
        raise InputError(
            f"{path}: predicted with taxonomy {stored.taxonomy_hash[:12]}, but the current one is "
            f"{taxonomy.hash[:12]}; run `dvc repro`"
        )
    unknown = sorted(set(stored.classes) - set(taxonomy.concepts))
    if unknown:
        raise InputError(f"{path}: `classes` has {listing(unknown)}, which the taxonomy lacks; {REMEDY}")
