import os

import pytest

from fathomline.download.frame_sources import FolderOrigin, WebOrigin
from fathomline.errors import InputError, Unusable


@pytest.fixture
def folder(tmp_path):
    """frames/ with a.png, deep/b.png, and links: inner to a.png, outer and up to what lies beside frames/."""
    frames = tmp_path / "frames"
    (frames / "deep").mkdir(parents=True)
    (frames / "a.png").write_bytes(b"a")
    (frames / "deep/b.png").write_bytes(b"b")
    (tmp_path / "secret.png").write_bytes(b"secret")
    (frames / "inner.png").symlink_to(frames / "a.png")
    (frames / "outer.png").symlink_to(tmp_path / "secret.png")
    (frames / "up").symlink_to(tmp_path)
    (frames / "round.png").symlink_to(frames / "round.png")
    return FolderOrigin(frames)


def test_frames_are_read_by_name_in_folders_and_through_inner_links(folder):
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
def test_no_name_leads_out_of_the_folder(folder, name):
    with pytest.raises(Unusable, match=r"refused: `file_name` .* out of the folder"):
        folder.read({"file_name": name}, 10)


@pytest.mark.parametrize("name", ["none.png", "deep", "", None, 7, "round.png", "x" * 5000])
def test_what_is_no_file_is_said(folder, name):
    with pytest.raises(Unusable, match=r"no such file|gives no `file_name`|loop of links|cannot be read"):
        folder.read({"file_name": name}, 10)


def test_a_pipe_is_not_waited_for(folder):
    os.mkfifo(folder.folder / "pipe.png")
    with pytest.raises(Unusable, match="no such file"):
        folder.read({"file_name": "pipe.png"}, 10)


def test_a_file_that_is_too_large_is_not_read(folder):
    (folder.folder / "a.png").write_bytes(b"four")
    with pytest.raises(Unusable, match="larger than 2e-06 MB"):
        folder.read({"file_name": "a.png"}, 2)


def test_a_folder_that_is_not_there_is_an_error_of_the_input(tmp_path):
    with pytest.raises(InputError, match=r"nowhere: no such folder; `source.images`"):
        FolderOrigin(tmp_path / "nowhere").check()


def test_urls_relative_to_a_local_json_are_an_error_that_says_what_to_do():
    origin = WebOrigin(fetcher=None, base=None)
    images = [{"id": 1, "coco_url": "http://x/1.png"}, {"id": 2, "coco_url": "frames/2.png"}, {"id": 3}]
    with pytest.raises(InputError, match=r"1 images have a relative `coco_url`.*images 2; set `source.images`"):
        origin.check(images, "data.json")


def test_an_image_without_a_url_is_said():
    with pytest.raises(Unusable, match="no `coco_url`"):
        WebOrigin(fetcher=None, base="http://x/").read({"id": 3}, 10)
