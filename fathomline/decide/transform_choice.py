"""Which transforms to average predictions over, chosen on held-out ROIs and judged on others."""

from collections.abc import Mapping
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
    """The sets of orientations that were chosen, by name."""

    of_parts: tuple[str, ...]
    """For each part of a `CrossFitting`, chosen on the other parts."""
    for_new_rois: str
    """Chosen on all held-out ROIs."""


def choose_transforms(
    asked: TestTimeAugmentation,
    options: Mapping[str, np.ndarray],
    labels: np.ndarray,
    groups: np.ndarray,
    decoder: Decoder,
    name: DecoderName,
    *,
    calibrate: bool,
) -> Transforms:
    """The set that is asked for, or with `auto` the one with the least MHD.

    Args: options, what is stored: by the name of the set, (rois, classes) logits averaged over it; labels (rois,)
        column indices; groups (rois,); the decoder `name` and whether it decides on calibrated probabilities.
    Raises InputError when the set is not stored.
    """
    parts = parts_of(groups)
    rests = [parts != part for part in range(parts.max() + 1)]
    if asked != "auto":
        if asked not in options:
            raise InputError(
                f"evaluate.test_time_augmentation is {asked!r}, but predict.transforms stored {listing(options)} only; "
                f"set predict.transforms to {asked!r}, or choose what is stored"
            )
        return Transforms((asked,) * len(rests), asked)

    def best(chosen: np.ndarray) -> str:
        of_chosen = {option: logits[chosen] for option, logits in options.items()}
        return least_mhd(of_chosen, labels[chosen], decoder, name, calibrate=calibrate)

    return Transforms(tuple(best(rest) for rest in rests), best(np.ones(len(labels), dtype=bool)))


def least_mhd(
    options: Mapping[str, np.ndarray], labels: np.ndarray, decoder: Decoder, name: DecoderName, *, calibrate: bool
) -> str:
    """The set with the least MHD on these ROIs: of equals, and where there is no ROI, the first.

    Args: as for `choose_transforms`. Thresholds are the decoder's own.
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
    """Held-out ROIs, each part seen through its own transforms. Args: as for `choose_transforms`."""
    if len(set(of_parts)) == 1:
        return CrossFitting(options[of_parts[0]], labels, groups)
    shown = tuple(options[name] for name in of_parts)
    return CrossFitting(rows_of_parts(options, groups, of_parts), labels, groups, shown)


def rows_of_parts(options: Mapping[str, np.ndarray], groups: np.ndarray, of_parts: tuple[str, ...]) -> np.ndarray:
    """(rois, classes): the rows of each part from its own set."""
    parts = parts_of(groups)
    rows = np.empty_like(options[of_parts[0]])
    for part, name in enumerate(of_parts):
        rows[parts == part] = options[name][parts == part]
    return rows
