"""Read the inputs of a prediction, in any mixture of formats."""

from collections.abc import Sequence
from pathlib import Path

from fathomline.inputs.requests import FrameRequest, RoiRequest


def read_inputs(inputs: Sequence[str], images: Path | None) -> list[FrameRequest]:
    """The frames of all inputs, in order."""
    return [FrameRequest(path, path, (RoiRequest(row),)) for row, path in enumerate(inputs)]
