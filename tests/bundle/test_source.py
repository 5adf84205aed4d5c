"""A bundle is taken from a folder, a .zip or the hub; whatever is wrong with them is said in one line."""

import io
import os
import stat
import sys
import time
import zipfile
from pathlib import Path

import pytest

from fathomline.bundle import zipped
from fathomline.bundle.source import local_bundle
from fathomline.errors import InputError
from tests.bundle.hub_server import COMMITS, HubServer
from tests.frames import tree

FILES = {"bundle.json": b'{"format": 1}', "README.md": b"# model", "fold-0.safetensors": bytes(range(256)) * 4}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """The folder of bundles in a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/fathomline/bundles"


def zip_of(path: Path, files: dict, compression=zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def says(source: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        local_bundle(str(source))
    assert str(raised.value).startswith(f"{source}: ")
    assert "\n" not in str(raised.value)


def test_a_folder_and_an_onnx_are_returned_as_they_are(tmp_path):
    assert local_bundle(str(tmp_path)) == tmp_path
    assert local_bundle("models/model.onnx") == Path("models/model.onnx")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", r"no such file or folder; expected the folder of a bundle, a \.zip of it, hf://owner/name"),
        ("none.zip", r"no such file"),
        ("https://x.org/bundle.zip", "not read from such URLs; download it"),
        ("hf://name", "expected hf://owner/name, or hf://owner/name@revision"),
        ("hf://owner/name/sub", "expected hf://owner/name"),
        ("hf://owner/name@", "expected hf://owner/name"),
    ],
)
def test_what_is_no_source_is_refused(source, message):
    says(source, message)


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "bundle.tar").write_bytes(b"")
    says(tmp_path / "bundle.tar", "not a bundle; expected the folder of a bundle")


@pytest.mark.parametrize("top", ["", "my-bundle/"])
def test_a_zip_is_extracted_from_its_top_or_the_only_folder_there(tmp_path, top):
    others = {
        "__MACOSX/bundle.json": b"x",
        f"{top}.DS_Store": b"x",
        f"{top}notes.txt": b"x",
        f"{top}old/bundle.json": b"x",
    }
    path = zip_of(tmp_path / "b.zip", {f"{top}{name}": content for name, content in FILES.items()} | others)
    assert tree(local_bundle(str(path))) == FILES


def test_a_zip_is_extracted_once(tmp_path, cache):
    path = zip_of(tmp_path / "b.zip", FILES)
    folder = local_bundle(str(path))
    before = (folder / "bundle.json").stat().st_mtime_ns
    assert local_bundle(str(path.rename(tmp_path / "same.zip"))) == folder
    assert (folder / "bundle.json").stat().st_mtime_ns == before
    assert [entry.name for entry in cache.iterdir()] == [folder.name]


def test_an_incomplete_folder_in_the_cache_is_extracted_again(tmp_path):
    path = zip_of(tmp_path / "b.zip", FILES)
    folder = local_bundle(str(path))
    (folder / "fold-0.safetensors").write_bytes(b"cut")
    assert tree(local_bundle(str(path))) == FILES


def test_a_failed_extraction_leaves_nothing_and_what_a_killed_one_left_is_removed(tmp_path, cache, monkeypatch):
    path = zip_of(tmp_path / "b.zip", FILES)
    left, fresh = cache / ".left.part", cache / ".fresh.part"
    for folder in (left, fresh):
        folder.mkdir(parents=True)
    os.utime(left, (0, 0))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipped.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        local_bundle(str(path))
    assert list(cache.iterdir()) == [fresh]


def test_names_that_lead_outside_are_not_extracted(tmp_path, cache):
    bad = {"../evil.safetensors": b"x", "/abs.onnx": b"x", "a/../../b.onnx": b"x", "..\\c.onnx": b"x"}
    folder = local_bundle(str(zip_of(tmp_path / "b.zip", FILES | bad)))
    assert tree(folder) == FILES
    assert [path.name for path in tmp_path.rglob("*") if path.suffix in (".onnx", ".safetensors")] == [
        "fold-0.safetensors"
    ]


def linked() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        info = zipfile.ZipInfo("bundle.json")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return stream.getvalue()


def zip_bytes(files: dict, compression=zipfile.ZIP_DEFLATED) -> bytes:
    return zip_of(io.BytesIO(), files, compression).getvalue()


def encrypted() -> bytes:
    content = bytearray(zip_bytes(FILES))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(signature)
        while place >= 0:
            content[place + flags] |= 1
            place = content.find(signature, place + 4)
    return bytes(content)


def damaged() -> bytes:
    content = zip_bytes(FILES, zipfile.ZIP_STORED)
    return content.replace(bytes(range(256)), bytes(256), 1)


def twice() -> bytes:
    return zip_bytes(FILES | {"fold-1.safetensors": b"x"}).replace(b"fold-1", b"fold-0")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK, but no zip", r"damaged, or no \.zip"),
        (zip_bytes(FILES)[:-30], r"damaged, or no \.zip"),
        (damaged(), r"damaged, or no \.zip .*CRC"),
        (zip_bytes({"a.txt": b""}), r"has no bundle\.json at its top or in a folder there"),
        (zip_bytes({"a/b/bundle.json": b"{}"}), r"has no bundle\.json at its top"),
        (zip_bytes({"a/bundle.json": b"", "b/bundle.json": b""}), "has several bundles, in a/, b/; expected one"),
        (linked(), r"bundle\.json is a link or a special file"),
        (encrypted(), r"bundle\.json is encrypted; extract it with its password"),
        (twice(), "two files with one name"),
        (zip_bytes(FILES | {"README.md": bytes(65 * 2**20)}), r"README\.md is larger than 64 MiB"),
    ],
)
def test_what_is_wrong_with_a_zip_is_said(tmp_path, cache, content, message):
    (tmp_path / "b.zip").write_bytes(content)
    says(tmp_path / "b.zip", message)
    assert not cache.exists() or not list(cache.iterdir())


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(zipped, "MAX_SMALL_BYTES", 2**20)
    says(zip_of(tmp_path / "b.zip", FILES | {"a.onnx": bytes(2**22)}), "refused: it would grow to 0.0 GB, like a decom")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    constants = pytest.importorskip("huggingface_hub").constants
    server = HubServer()
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    sleep = time.sleep
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: sleep(min(seconds, 0.01)))
    server.repositories["reef/model"] = {
        COMMITS["main"]: FILES | {"training.log": b"long", "old/fold-0.safetensors": b"old"},
        COMMITS["v1"]: FILES | {"README.md": b"# first"},
    }
    yield server
    server.close()


def test_a_repository_is_downloaded_without_files_that_are_no_part_of_a_bundle(hub):
    assert tree(local_bundle("hf://reef/model")) == FILES
    assert not [request for request in hub.requests if request.endswith(".log") or "/old/" in request]


def test_a_revision_is_a_branch_a_tag_or_a_commit(hub):
    for revision in ("v1", COMMITS["v1"]):
        assert tree(local_bundle(f"hf://reef/model@{revision}"))["README.md"] == b"# first"


def test_a_repository_is_downloaded_once_and_then_found_without_the_hub(hub):
    folder = local_bundle("hf://reef/model")
    hub.requests.clear()
    assert local_bundle("hf://reef/model") == folder
    assert not [request for request in hub.requests if "/resolve/" in request]
    hub.close()
    assert local_bundle("hf://reef/model") == folder


def test_a_download_that_breaks_off_is_continued(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 128)
    hub.breaks["fold-0.safetensors"] = 1
    assert tree(local_bundle("hf://reef/model")) == FILES
    assert hub.ranges == ["bytes=512-"]


def test_a_download_that_keeps_breaking_off_fails_in_one_line_and_is_continued_later(hub):
    del hub.repositories["reef/model"][COMMITS["main"]]["fold-0.safetensors"]
    hub.repositories["reef/model"][COMMITS["main"]]["empty.safetensors"] = b"1"
    hub.breaks["empty.safetensors"] = 99
    says("hf://reef/model", "cannot be downloaded, and the cache lacks it .*; check the connection and try again")
    hub.breaks.clear()
    assert sorted(tree(local_bundle("hf://reef/model"))) == ["README.md", "bundle.json", "empty.safetensors"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("hf://reef/unknown", "no such repository, or a private one; check the name, or log in with `hf auth login`"),
        ("hf://reef/missing", "no such repository, or a private one"),
        ("hf://reef/gated", "the repository is gated; ask for access on its page, then log in"),
        ("hf://reef/model@v2", "has no revision 'v2'; give a branch, a tag or a commit"),
        ("hf://reef/broken", "cannot be downloaded, and the cache lacks it .*500"),
        ("hf://reef/other", "the repository has no bundle.json"),
        ("hf://reef/na--me", "cannot be downloaded.*Cannot have -- or"),
    ],
)
def test_what_the_hub_refuses_is_said(hub, source, message):
    hub.refused |= {"reef/gated": (403, "GatedRepo"), "reef/missing": (404, "RepoNotFound"), "reef/broken": (500, "X")}
    hub.repositories["reef/other"] = {COMMITS["main"]: {"model.safetensors": b"1"}}
    says(source, message)


def test_a_hub_that_does_not_answer_is_said(hub):
    hub.close()
    says("hf://reef/model", "cannot be downloaded, and the cache lacks it .*refused.*; check the connection")


def test_without_the_hub_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    says("hf://reef/model", r"needs the package huggingface_hub; `pip install 'fathomline\[hub\]'`")
