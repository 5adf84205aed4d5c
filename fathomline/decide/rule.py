"""The decision rule that evaluate derives, and that submit and bundles apply."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from annotated_types import Interval, MinLen

from fathomline.config import section
from fathomline.decide.calibrate import TEMPERATURE_BOUNDS
from fathomline.decide.decode import CandidateSet, DecoderName
from fathomline.model.orientations import ORIENTATIONS
from fathomline.records import read_record
from fathomline.taxonomy.ranks import RANKS


@section
class DecisionRule:
    """How to turn logits of new ROIs into answers, fitted to held-out ROIs."""

    decoder: DecoderName
    candidates: CandidateSet
    temperature: Annotated[float, Interval(ge=TEMPERATURE_BOUNDS[0], le=TEMPERATURE_BOUNDS[1])]
    thresholds: dict[str, Annotated[float, Interval(ge=0, le=1)]]
    """By rank, for the decoder `threshold`."""
    fallback: Annotated[str, MinLen(1)]
    """The answer for an ROI that could not be cropped: the best constant answer."""
    transforms: Annotated[list[str], MinLen(1)]
    """The orientations to average probabilities over, the same ones that the temperature was fitted with."""

    def __post_init__(self) -> None:
        require_all_ranks(self.thresholds)
        if len(set(self.transforms)) != len(self.transforms) or not set(self.transforms) <= set(ORIENTATIONS):
            raise ValueError(
                f"`transforms` is {self.transforms}; expected distinct names from {', '.join(ORIENTATIONS)}"
            )


def require_all_ranks(thresholds: Mapping[str, float]) -> None:
    """Raise ValueError unless `thresholds` has each of the seven ranks and nothing else."""
    if set(thresholds) != set(RANKS):
        raise ValueError(f"`thresholds` has {', '.join(thresholds)}; expected exactly {', '.join(RANKS)}")


def read_rule(path: Path) -> DecisionRule:
    """Read calibration.json; InputError when it is not as evaluate writes it."""
    return read_record(path, DecisionRule, "run `dvc repro --force evaluate`, which writes it")
