import pytest

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
