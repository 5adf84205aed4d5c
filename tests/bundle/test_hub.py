"""Bundles from the hub, which a server on this machine stands in for."""

import sys
import time

import pytest

from fathomline.bundle.source import local_bundle
from tests.bundle.bundle_files import FILES, says
from tests.bundle.hub_server import COMMITS, HubServer
from tests.frames import tree


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
    says("hf://reef/model", "cannot be downloaded and is not in the cache .*; check the connection and try again")
    hub.breaks.clear()
    assert sorted(tree(local_bundle("hf://reef/model"))) == ["README.md", "bundle.json", "empty.safetensors"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("hf://reef/unknown", "no such repository, or a private one; check the name, or log in with `hf auth login`"),
        ("hf://reef/missing", "no such repository, or a private one"),
        ("hf://reef/gated", "the repository is gated; ask for access on its page, then log in"),
        ("hf://reef/model@v2", "has no revision 'v2'; give a branch, a tag or a commit"),
        ("hf://reef/broken", "cannot be downloaded and is not in the cache .*500"),
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
    says("hf://reef/model", "cannot be downloaded and is not in the cache .*refused.*; check the connection")


def test_without_the_hub_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    says("hf://reef/model", r"needs the package huggingface_hub; `pip install 'fathomline\[hub\]'`")
