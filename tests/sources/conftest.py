import pytest

from tests.frames import as_json, png


@pytest.fixture
def written(tmp_path):
    """Writes a JSON, and a frame under each name given, and returns the JSON's path."""

    def write(content: dict, *frames: str, name: str = "export/annotations.json"):
        path = tmp_path / name
        for frame in frames:
            (path.parent / frame).parent.mkdir(parents=True, exist_ok=True)
            (path.parent / frame).write_bytes(png(width=768, height=1024))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(as_json(content))
        return path

    return write
