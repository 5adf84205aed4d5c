"""The decision rule that evaluate settles, and that submit and bundles apply."""

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
    """What was settled on held-out ROIs, for use on new ones."""

    decoder: DecoderName
    candidates: CandidateSet
    temperature: Annotated[float, Interval(ge=TEMPERATURE_BOUNDS[0], le=TEMPERATURE_BOUNDS[1])]
    thresholds: dict[str, Annotated[float, Interval(ge=0, le=1)]]
    fallback: Annotated[str, MinLen(1)]
    """The answer for an ROI that cannot be seen: the one that does best for all."""
    transforms: Annotated[list[str], MinLen(1)]
    """The orientations that probabilities are averaged over, as they were when the temperature was fitted."""

    def __post_init__(self) -> None:
        if set(self.thresholds) != set(RANKS):
            raise ValueError(f"`thresholds` has {', '.join(self.thresholds)}; expected exactly {', '.join(RANKS)}")
        if len(set(self.transforms)) != len(self.transforms) or not set(self.transforms) <= set(ORIENTATIONS):
            raise ValueError(f"`transforms` is {self.transforms}; expected names of {', '.join(ORIENTATIONS)}")


def read_rule(path: Path) -> DecisionRule:
    """Read calibration.json; InputError when it is not what evaluate writes."""
    return read_record(path, DecisionRule, "run `dvc repro --force evaluate`, which writes it")
