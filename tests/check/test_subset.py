"""The annotations of a subset, read without fetching anything."""

from pathlib import Path

from fathomline.check.subset import read_subset
from fathomline.sources.read_source import SourceRequest
from tests.check.world import texts


def test_a_url_is_left_to_the_download():
    subset, findings = read_subset("test", SourceRequest("coco", "https://example.org/test.json"))
    assert subset is None
    assert texts(findings, "expected") == ["source.test is a URL; the download will check what is there"]


def test_each_problem_of_both_files_stops(world):
    def break_both(coco):
        coco["images"][1]["id"] = 1
        coco["annotations"][0]["category_id"] = 9

    requests = {"train": world.request("train", break_both), "test": world.request("test", lambda coco: coco.clear())}
    said = texts(world.check_requests(requests), "stop")
    files = [Path(line.split(": ")[0]).name for line in said]
    assert files == ["train.json", "train.json", "train.json", "test.json", "test.json"]


def test_what_was_left_out_of_the_annotations_is_told(world):
    def add_root(coco):
        coco["categories"].append({"id": 0, "name": "creatures"})

    said = texts(world.check(add_root), "note")
    assert said == ["training subset: 1 categories have no annotations and are ignored: 'creatures'"]


def test_labels_of_the_test_subset_are_not_needed(world):
    def withhold(coco):
        coco["categories"].clear()
        for annotation in coco["annotations"]:
            del annotation["category_id"]

    requests = {"train": world.request("train"), "test": world.request("test", withhold)}
    assert texts(world.check_requests(requests), "stop") == []


def test_a_path_without_a_file_is_told_with_its_parameter_and_the_full_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for kind in ("coco", "folder", "table"):
        subset, findings = read_subset("test", SourceRequest(kind, "gone/test"))
        assert subset is None
        (said,) = texts(findings, "stop")
        assert said.startswith("source.test is 'gone/test': no such file or folder.")
        assert said.endswith(f"so this is {tmp_path}/gone/test")
