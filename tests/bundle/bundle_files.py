"""The files of a small bundle, and how sources without one are refused."""

import pytest

from fathomline.bundle.source import local_bundle
from fathomline.errors import InputError

FILES = {"bundle.json": b'{"format": 1}', "README.md": b"# model", "fold-0.safetensors": bytes(range(256)) * 4}


def says(source: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        local_bundle(str(source))
    assert str(raised.value).startswith(f"{source}: ")
    assert "\n" not in str(raised.value)
