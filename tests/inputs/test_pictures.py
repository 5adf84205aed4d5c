"""Pictures are opened from files and URLs; whatever is wrong with them is the reason to skip their rows."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from fathomline.errors import Unusable
from fathomline.inputs import pictures
from fathomline.inputs.pictures import PictureOpener
from fathomline.inputs.requests import FrameRequest
from tests.frames import encoded, failing_first, picture, png, redirecting


def opened(location: object, opener: PictureOpener | None = None) -> tuple[int, int]:
    opener = opener or PictureOpener(allow_private_hosts=True, timeout=0.5, retries=1)
    return opener.open(FrameRequest("p", str(location), ())).pixels.size


def fails(location: object, reason: str, opener: PictureOpener | None = None) -> None:
    with pytest.raises(Unusable, match=reason) as raised:
        opened(location, opener)
    assert "\n" not in str(raised.value)


def test_a_file_is_opened(tmp_path):
    (tmp_path / "a.jpg").write_bytes(encoded(picture(20, 16), "JPEG"))
    assert opened(tmp_path / "a.jpg") == (20, 16)


def test_what_is_no_readable_picture_is_unusable(tmp_path, monkeypatch):
    (tmp_path / "text.png").write_text("a text")
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    fails(tmp_path / "text.png", "not an image: begins with b'a text'")
    fails(tmp_path / "empty.png", "zero bytes")
    fails(tmp_path / "folder.png", "^cannot be read: a folder$")
    fails(tmp_path / "none.png", "cannot be read: No such file")
    fails(tmp_path / "loop.png", "cannot be read: Too many levels")
    fails(tmp_path / "a\0.png", "cannot be read: embedded null byte")
    fails("", "no picture")
    monkeypatch.setattr(pictures, "MAX_FILE_BYTES", 5)
    fails(tmp_path / "text.png", "larger than 5e-06 MB")


def test_pipes_and_devices_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    fails(tmp_path / "pipe.png", "not a regular file")
    fails("/dev/zero", "not a regular file")


def test_a_url_is_fetched_again_after_a_transient_error(server):
    server.routes["/a.png"] = failing_first(1, 503, png())
    assert opened(server.url("/a.png")) == (20, 16)


def test_what_a_server_does_not_give_is_unusable(server, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_FETCHED_BYTES", 100)
    server.routes |= {"/text": b"a text", "/large": png(), "/file": redirecting("file:///etc/passwd")}
    fails(server.url("/none"), "status 404")
    fails(server.url("/text"), "not an image")
    fails(server.url("/large"), "larger than 0.0001 MB$")
    fails(server.url("/file"), "neither http:// nor https://")
    fails("http://", "neither http://|not a usable URL")


def test_private_hosts_are_refused_unless_allowed(server):
    server.routes["/a.png"] = png()
    fails(server.url("/a.png"), r"refused: 127\.0\.0\.1 is on this machine .*; add --allow-private", PictureOpener())
    assert not server.requests


def test_threads_share_an_opener(server):
    server.routes["/a.png"] = png()
    opener = PictureOpener(allow_private_hosts=True)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: opened(server.url("/a.png"), opener), range(32))) == {(20, 16)}
