import os

import pytest

from fathomline.download.frame_sources import FolderSource, WebSource
from fathomline.errors import InputError, Unusable
from fathomline.sources.frame_names import FrameFolder


@pytest.fixture
def folder(tmp_path):
    """frames/ with a.png, deep/b.png, and links: inner to a.png, outer and up to outside frames/, loop to itself."""
    frames = tmp_path / "frames"
    (frames / "deep").mkdir(parents=True)
    (frames / "a.png").write_bytes(b"a")
    (frames / "deep/b.png").write_bytes(b"b")
    (tmp_path / "secret.png").write_bytes(b"secret")
    (frames / "inner.png").symlink_to(frames / "a.png")
    (frames / "outer.png").symlink_to(tmp_path / "secret.png")
    (frames / "up").symlink_to(tmp_path)
    (frames / "loop.png").symlink_to(frames / "loop.png")
    return FolderSource(FrameFolder(frames))


def test_frames_are_read_from_subfolders_and_through_links_inside_the_folder(folder):
    names = ["a.png", "deep/b.png", "./a.png", "inner.png"]
    assert [folder.read({"file_name": name}, 10) for name in names] == [b"a", b"b", b"a", b"a"]


@pytest.mark.parametrize(
    "name",
    [
        "../secret.png",
        "deep/../../secret.png",
        "deep\\..\\..\\secret.png",
        "/etc/passwd",
        "\\\\host\\share",
        "C:\\x",
        "c:x",
        "a\0.png",
        "outer.png",
        "up/secret.png",
    ],
)
def test_names_that_lead_outside_the_folder_are_refused(folder, name):
    with pytest.raises(Unusable, match=r"refused: `file_name` .* outside the folder"):
        folder.read({"file_name": name}, 10)


@pytest.mark.parametrize("name", ["none.png", "deep", "", None, 7, "loop.png", "x" * 5000])
def test_a_name_that_is_not_a_file_is_unusable(folder, name):
    with pytest.raises(Unusable, match=r"no such file|gives no `file_name`|form a loop|cannot be read"):
        folder.read({"file_name": name}, 10)


def test_a_pipe_is_not_read(folder):
    os.mkfifo(folder.frames.folder / "pipe.png")
    with pytest.raises(Unusable, match="no such file"):
        folder.read({"file_name": "pipe.png"}, 10)


def test_a_file_that_is_too_large_is_not_read(folder):
    (folder.frames.folder / "a.png").write_bytes(b"four")
    with pytest.raises(Unusable, match="larger than 2e-06 MB"):
        folder.read({"file_name": "a.png"}, 2)


def test_relative_urls_in_a_local_json_are_an_input_error():
    source = WebSource(fetcher=None, base=None)
    images = [{"id": 1, "coco_url": "http://x/1.png"}, {"id": 2, "coco_url": "frames/2.png"}, {"id": 3}]
    with pytest.raises(InputError, match=r"1 images have a relative `coco_url`.*images 2; set `source.images`"):
        source.check(images)


def test_an_image_without_a_url_is_unusable():
    with pytest.raises(Unusable, match="no `coco_url`"):
        WebSource(fetcher=None, base="http://x/").read({"id": 3}, 10)
