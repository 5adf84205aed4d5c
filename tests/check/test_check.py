"""The whole check."""

import hashlib
import socket
from pathlib import Path

import pytest
from PIL import Image

from fathomline.sources.read_source import SourceRequest
from tests.check.world import parameters, texts


def content(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_sound_parameters_and_annotations_neither_stop_nor_surprise(world):
    assert {finding.kind for finding in world.check()} == {"expected"}


def test_nothing_is_fetched_or_written(world, monkeypatch):
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("no connection expected")

    monkeypatch.setattr(socket.socket, "connect", refuse)

    def give_urls(coco):
        coco["categories"][0]["name"] = "a name that only WoRMS may know"
        for image in coco["images"]:
            image["coco_url"] = f"https://example.org/{image['id']}.png"

    requests = {
        "train": SourceRequest("coco", world.request("train", give_urls).annotations),
        "test": SourceRequest("coco", "https://example.org/test.json"),
    }
    before = content(world.folder)
    world.check_requests(requests, taxonomy={"offline": False})
    assert content(world.folder) == before


def test_without_files_only_parameters_are_checked(world):
    findings = world.check_requests({}, train={"image_size": 96})
    assert [said.split(" ")[0] for said in texts(findings, "stop")] == ["train.image_size"]
    assert [said.split(":")[0] for said in texts(findings, "expected")] == ["memory", "training"]


def test_problems_of_parameters_frames_and_names_are_told_together(world):
    def rename(coco):
        coco["categories"][0]["name"] = "Amphipodaa"
        coco["images"][0]["file_name"] = "gone.png"

    said = texts(world.check(rename, train={"image_size": 96}, split={"group": "video"}), "stop")
    assert len(said) == 4


def test_the_same_problem_is_told_once(world):
    (world.folder / "mine.csv").write_text("no,columns\n")
    path = str(world.folder / "mine.csv")
    said = texts(world.check(taxonomy={"lineages": path}), "stop")
    assert len(said) == 1


def test_without_a_test_subset_16_bit_weights_surprise(world):
    findings = world.check(bundle={"weights": "float16"})
    assert any(said.startswith("no test subset") for said in texts(findings, "expected"))
    assert [said.split(",")[0] for said in texts(findings, "surprise")] == ["bundle.weights is float16"]


def test_answers_for_the_training_boxes_surprise(world):
    request = world.request()
    (said,) = texts(world.check_requests({"train": request, "test": request}), "surprise")
    assert said.startswith("source.test is ")


def test_crediting_the_reef_surprises(world):
    (said,) = texts(world.check(bundle={"attribution": "Drawn by the reef of fathomline"}), "surprise")
    assert said.startswith("bundle.attribution is 'Drawn by the reef of fathomline'")


def test_photos_in_folders_are_checked_with_their_own_sizes(tmp_path):
    from fathomline.check.check import check

    for name in ("Amphipoda", "Serpulidae"):
        (tmp_path / name).mkdir()
        for number in range(4):
            Image.new("RGB", (640, 480)).save(tmp_path / name / f"{number}.png")
    request = SourceRequest("folder", str(tmp_path))
    findings = check(parameters(), {"train": request}, tmp_path / "reference.json", cores=2)
    assert texts(findings, "stop") == []
    assert any(said.startswith("training boxes: longer side 640 px") for said in texts(findings, "expected"))
    assert any("shrunk more than 4 times (10.0 times" in said for said in texts(findings, "surprise"))


@pytest.mark.parametrize("missing", ["download", "crop", "taxonomy", "split", "train", "bundle"])
def test_a_section_with_faults_leaves_the_rest_checked(world, missing):
    from dataclasses import replace

    from fathomline.check.check import check

    requests = {"train": world.request("train", lambda coco: coco["images"][0].update(file_name="gone.png"))}
    given = replace(parameters(), **{missing: None})
    said = texts(check(given, requests, world.folder / "reference.json", cores=2), "stop")
    assert len(said) == 1
    assert said[0].startswith("1 of 4 training frames (25 %) cannot be used")


def test_too_few_rois_for_the_parts_of_a_batch_stop(world):
    (said,) = texts(world.check(train={"accumulation": 4}), "stop")
    assert said.startswith("train.accumulation is 4, but the 8 ROI(s) of the training subset")
