"""What the tests of all readers need."""

import json
from pathlib import Path

import pytest

from fathomline.errors import InputError
from fathomline.inputs.read import read_inputs
from fathomline.inputs.requests import FrameRequest, RoiRequest


def touched(folder: Path, *names: str) -> None:
    """Make empty files; readers do not open pictures."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def written(path: Path, content: object) -> Path:
    """Write text, bytes, or anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def read(*inputs: Path | str, images: Path | None = None) -> list[FrameRequest]:
    return read_inputs([str(source) for source in inputs], images)


def by_row(frames: list[FrameRequest]) -> list[tuple[FrameRequest, RoiRequest]]:
    """Each row with its frame, in the order of rows; checks that rows are numbered from 0 without a gap."""
    rows = sorted(((frame, roi) for frame in frames for roi in frame.rois), key=lambda pair: pair[1].row)
    assert [roi.row for _, roi in rows] == list(range(len(rows)))
    return rows


def boxes(frames: list[FrameRequest]) -> list[tuple[str, object]]:
    """Path and box of each row."""
    return [(frame.path, roi.box) for frame, roi in by_row(frames)]


def reasons(frames: list[FrameRequest]) -> list[str]:
    return [roi.reason for _, roi in by_row(frames)]


def refused(message: str, *inputs: Path | str, images: Path | None = None) -> None:
    """The inputs are refused in one line that names the first of them."""
    with pytest.raises(InputError, match=message) as raised:
        read(*inputs, images=images)
    assert str(raised.value).startswith(str(inputs[0])), raised.value
    assert "\n" not in str(raised.value)
