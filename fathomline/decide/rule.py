"""The decision rule that evaluate settles and submit applies."""

from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Gt
from pydantic import ValidationError

from fathomline.config import section
from fathomline.decide.decode import CandidateSet, DecoderName
from fathomline.errors import InputError
from fathomline.files import read_json
from fathomline.taxonomy.ranks import RANKS

TestTimeAugmentation = Literal["none", "flips", "turns"]


@section
class DecisionRule:
    """What was settled on held-out ROIs, for use on new ones."""

    decoder: DecoderName
    candidates: CandidateSet
    temperature: Annotated[float, Gt(0)]
    thresholds: dict[str, float]
    fallback: str
    """The answer for an ROI that cannot be seen: the one that does best for all."""
    test_time_augmentation: TestTimeAugmentation
    """What the probabilities are averaged over that the temperature was fitted to."""

    def __post_init__(self) -> None:
        if set(self.thresholds) != set(RANKS):
            raise ValueError(f"`thresholds` has {', '.join(self.thresholds)}; expected exactly {', '.join(RANKS)}")


def read_rule(path: Path) -> DecisionRule:
    """Read calibration.json; InputError when it is not what evaluate writes."""
    content = read_json(path)
    remedy = "run `dvc repro --force evaluate`, which writes it"
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected the keys and values of a decision rule; {remedy}")
    try:
        return DecisionRule(**content)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors(include_url=False)]
        raise InputError(f"{path}: not a decision rule: {'; '.join(faults)}; {remedy}") from None
