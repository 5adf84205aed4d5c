from pathlib import Path

import pytest

from tests.images.world import Raw, Server, as_json, dataset, png


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def served(server):
    """A server with four good frames, ids 1 to 4, in /data.json with URLs relative to it."""
    images = [{"id": number, "width": 20, "height": 16, "coco_url": f"frames/{number}"} for number in (3, 1, 4, 2)]
    server.routes["/data.json"] = as_json(dataset(images))
    for number in range(1, 5):
        server.routes[f"/frames/{number}"] = png(number)
    return server


@pytest.fixture
def shared() -> Path:
    """The folder of real data beside a checkout; a user's machine does not have it."""
    folder = Path(__file__).resolve().parents[2].parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: real data sits beside a checkout of the developers only")
    return folder


@pytest.fixture
def raw(tmp_path) -> Raw:
    raw = Raw(tmp_path / "raw")
    raw.frame(2, video_id="V")
    raw.frame(1, video_id="W")
    return raw
