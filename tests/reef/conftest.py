import io

import numpy as np
import pytest
from PIL import Image

from reef.reef import Reef
from reef.server import serve


@pytest.fixture(scope="session")
def reef():
    return Reef(frames=320, seed=2025)


@pytest.fixture(scope="session")
def train(reef):
    return reef.coco("train")


@pytest.fixture(scope="session")
def test(reef):
    return reef.coco("test")


@pytest.fixture(scope="session")
def base_url(reef):
    with serve(reef) as url:
        yield url


@pytest.fixture(scope="session")
def pixels():
    def decoded(png: bytes) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(png)), dtype=int)

    return decoded
