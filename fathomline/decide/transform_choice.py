"""Choose the transforms to average predictions over, and cross-fit the choice."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fathomline.decide.calibrate import fit_temperature, probabilities
from fathomline.decide.cross_fit import CrossFitting, parts_of
from fathomline.decide.decode import Decoder, DecoderName
from fathomline.errors import InputError, listing

TestTimeAugmentation = Literal["none", "mirror", "flips", "rotations", "turns", "auto"]


@dataclass(frozen=True)
class Transforms:
    """The names of the chosen sets of orientations."""

    of_parts: tuple[str, ...]
    """For each part of a `CrossFitting`, the set chosen on the other parts."""
    for_new_rois: str
    """The set chosen on all held-out ROIs."""


def choose_transforms(
    requested: TestTimeAugmentation,
    options: Mapping[str, np.ndarray],
    labels: np.ndarray,
    groups: np.ndarray,
    decoder: Decoder,
    name: DecoderName,
    *,
    calibrate: bool,
) -> Transforms:
    """The requested set or, for `auto`, the one with the lowest MHD.

    Args: requested, the name of a set, or `auto`; options, by the name of each stored set, (rois, classes) logits
        averaged over it; labels (rois,), column indices; groups (rois,); name, the decoder to measure with; calibrate,
        whether it gets calibrated probabilities.
    Raises InputError when the requested set is not stored.
    """
    parts = parts_of(groups)
    rests = [parts != part for part in range(parts.max() + 1)]
    if requested != "auto":
        refuse_unstored(requested, options)
        return Transforms((requested,) * len(rests), requested)

    def best(rois: np.ndarray) -> str:
        logits_of_rois = {option: logits[rois] for option, logits in options.items()}
        return least_mhd(logits_of_rois, labels[rois], decoder, name, calibrate=calibrate)

    return Transforms(tuple(best(rest) for rest in rests), best(np.ones(len(labels), dtype=bool)))


def refuse_unstored(requested: TestTimeAugmentation, stored: Iterable[str]) -> None:
    """Raise InputError if the requested set of orientations is not among those `stored` by predict."""
    names = list(stored)
    if requested not in ("auto", *names):
        raise InputError(
            f"evaluate.test_time_augmentation is {requested!r}, but predict.transforms stored only {listing(names)}; "
            f"set predict.transforms to {requested!r}, or choose a stored set"
        )


def least_mhd(
    options: Mapping[str, np.ndarray], labels: np.ndarray, decoder: Decoder, name: DecoderName, *, calibrate: bool
) -> str:
    """The set with the lowest MHD on these ROIs; the first one on a tie, or if there are no ROIs.

    Args: as for `choose_transforms`. The decoder's own thresholds are used, even if they will be fitted.
    """
    truth = decoder.class_nodes[labels]

    def mhd(option: str) -> float:
        logits = options[option]
        temperature = fit_temperature(logits, labels) if calibrate else 1.0
        answers = decoder.decode(name, probabilities(logits, temperature))
        return float(decoder.taxonomy.row_distances(truth, answers).mean())

    return min(options, key=mhd) if len(labels) else next(iter(options))


def cross_fitted(
    options: Mapping[str, np.ndarray], labels: np.ndarray, groups: np.ndarray, of_parts: tuple[str, ...]
) -> CrossFitting:
    """Held-out ROIs, each part with its own transforms. Args: as for `choose_transforms` and `Transforms`."""
    if len(set(of_parts)) == 1:
        return CrossFitting(options[of_parts[0]], labels, groups)
    logits_of_parts = tuple(options[name] for name in of_parts)
    return CrossFitting(rows_of_parts(options, groups, of_parts), labels, groups, logits_of_parts)


def rows_of_parts(options: Mapping[str, np.ndarray], groups: np.ndarray, of_parts: tuple[str, ...]) -> np.ndarray:
    """(rois, classes), the rows of each part from its own set. Args: as for `choose_transforms` and `Transforms`."""
    parts = parts_of(groups)
    rows = np.empty_like(options[of_parts[0]])
    for part, name in enumerate(of_parts):
        rows[parts == part] = options[name][parts == part]
    return rows
