"""Which frames are there, before any is copied."""

import pytest

from fathomline.sources.read_source import SourceRequest
from tests.check.world import texts


def test_missing_frames_stop_with_the_first_path_that_was_tried(world):
    (world.frames / "2.png").unlink()
    (world.frames / "3.png").unlink()
    (said,) = texts(world.check(), "stop")
    assert said == (
        "2 of 4 training frames (50 %) cannot be used; download.allowed_missing allows 0 %:\n"
        f"2 × no such file in the folder of the frames (the first is '{world.frames}/2.png')"
    )


def test_an_empty_frame_stops_before_anything_is_copied(world):
    (world.frames / "2.png").write_bytes(b"")
    (said,) = texts(world.check(), "stop")
    assert f"\n1 × zero bytes (the first is '{world.frames}/2.png')" in said


@pytest.mark.parametrize(("subset", "key"), [("train", "source.images"), ("test", "source.test_images")])
def test_if_all_frames_are_missing_the_parameter_of_their_folder_is_told(world, subset, key):
    def rename(coco):
        for image in coco["images"]:
            image["file_name"] = f"gone-{image['file_name']}"

    (said,) = texts(world.check_requests({"train": world.request()} | {subset: world.request(subset, rename)}), "stop")
    assert said.startswith("4 of 4 ")
    assert said.endswith(f"\nset {key} to the folder of the frames")


def test_as_many_missing_frames_as_are_allowed_surprise(world):
    (world.frames / "2.png").unlink()
    findings = world.check(download={"allowed_missing": 0.25})
    assert texts(findings, "stop") == []
    assert any(said.startswith("1 of 4 training frames (25 %) cannot be used") for said in texts(findings, "surprise"))


def test_frames_that_are_too_large_stop(world):
    (said,) = texts(world.check(download={"max_megabytes": 1e-6}), "stop")
    assert "4 × larger than 1e-06 MB; see `download.max_megabytes`" in said


def test_frames_that_are_found_by_their_base_name_are_told(world):
    def move(coco):
        for image in coco["images"]:
            image["file_name"] = f"/home/ana/{image['file_name']}"

    findings = world.check(move)
    assert texts(findings, "stop") == []
    (said,) = texts(findings, "note")
    assert said.startswith("training subset: 4 frame(s) are not where the annotations say; found by their base name")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("frames/1.png", "4 images have a relative `coco_url`, but a local JSON has no base URL"),
        ("ftp://example.org/1.png", "4 × `coco_url` is neither http:// nor https://"),
    ],
)
def test_urls_that_cannot_be_fetched_stop_without_being_fetched(world, url, says):
    def give_urls(coco):
        for image in coco["images"]:
            image["coco_url"] = url

    request = SourceRequest("coco", world.request("train", give_urls).annotations)
    assert any(says in said for said in texts(world.check_requests({"train": request}), "stop"))


def test_sizes_are_read_from_the_frames_if_the_annotations_lack_them(world):
    def drop_sizes(coco):
        for image in coco["images"]:
            del image["width"], image["height"]
        for annotation in coco["annotations"]:
            annotation["bbox"] = [100, 100, 290, 190]  # corners, which would end beyond the frame

    (said,) = texts(world.check(drop_sizes), "stop")
    assert "the boxes do not look like `xywh`: 8 of 8 boxes would end beyond their frame" in said


def test_a_size_of_minus_one_is_unknown_and_taken_from_the_frames(world):
    def forget(coco):
        for image in coco["images"]:
            image |= {"width": -1, "height": -1}

    findings = world.check(forget)
    assert texts(findings, "stop") == []
    assert not any("cannot be cut" in said for said in texts(findings, "surprise"))
