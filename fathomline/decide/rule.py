"""The decision rule that evaluate settles and submit applies."""

from dataclasses import dataclass, fields
from pathlib import Path

from fathomline.decide.decode import CandidateSet, DecoderName
from fathomline.errors import InputError
from fathomline.files import read_json


@dataclass(frozen=True)
class DecisionRule:
    """What was settled on held-out ROIs, for use on new ones."""

    decoder: DecoderName
    candidates: CandidateSet
    temperature: float
    thresholds: dict[str, float]
    fallback: str
    """The answer for an ROI that cannot be seen: the one that does best for all."""


def read_rule(path: Path) -> DecisionRule:
    """Read calibration.json; InputError when it is not what evaluate writes."""
    content = read_json(path)
    expected = [field.name for field in fields(DecisionRule)]
    if not isinstance(content, dict) or set(content) != set(expected):
        raise InputError(f"{path}: expected exactly the keys {', '.join(expected)}; run `dvc repro --force evaluate`")
    return DecisionRule(**content)
