"""A bundle is taken from a folder or a .zip; whatever is wrong with them is said in one line."""

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from fathomline.bundle import zipped
from fathomline.bundle.source import local_bundle
from tests.bundle.bundle_files import FILES, says
from tests.frames import tree


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


def test_a_folder_and_an_onnx_are_returned_as_they_are(tmp_path):
    assert local_bundle(str(tmp_path)) == tmp_path
    assert local_bundle("models/model.onnx") == Path("models/model.onnx")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", r"no such file or folder; expected the folder of a bundle, a \.zip of it, hf://owner/name"),
        ("none.zip", r"no such file"),
        ("https://x.org/bundle.zip", "cannot be read from this kind of URL; download it"),
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
        (b"PK, but no zip", r"damaged, or not a \.zip"),
        (zip_bytes(FILES)[:-30], r"damaged, or not a \.zip"),
        (damaged(), r"damaged, or not a \.zip .*CRC"),
        (zip_bytes({"a.txt": b""}), r"has no bundle\.json at its top level or in a folder there"),
        (zip_bytes({"a/b/bundle.json": b"{}"}), r"has no bundle\.json at its top"),
        (zip_bytes({"a/bundle.json": b"", "b/bundle.json": b""}), "has several bundles, in a/, b/; expected one"),
        (linked(), r"bundle\.json is a link or a special file"),
        (encrypted(), r"bundle\.json is encrypted; extract it with its password"),
        (twice(), "two files with the same name"),
        (zip_bytes(FILES | {"README.md": bytes(65 * 2**20)}), r"README\.md is larger than 64 MiB"),
    ],
)
def test_what_is_wrong_with_a_zip_is_said(tmp_path, cache, content, message):
    (tmp_path / "b.zip").write_bytes(content)
    says(tmp_path / "b.zip", message)
    assert not cache.exists() or not list(cache.iterdir())


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(zipped, "MAX_SMALL_BYTES", 2**20)
    says(
        zip_of(tmp_path / "b.zip", FILES | {"a.onnx": bytes(2**22)}), "refused: it would expand to 0.0 GB, like a decom"
    )
