"""What a run will take."""

import pytest

from fathomline.sources.read_source import SourceRequest
from tests.check.world import World, texts


def expected(world: World, start: str, **sections) -> str:
    (line,) = [said for said in texts(world.check(**sections), "expected") if said.startswith(start)]
    return line


def test_the_size_of_the_pixels_is_exact(world):
    # 8 ROIs x 2 views x 100 x 100 px x 3 bytes; pictures of 60 x 60 px at 1.5 bytes.
    said = expected(world, "disk", crop={"size": 100, "views": [1.0, "frame"]})
    assert "480 kB of pixels.npy (8 ROIs of 2 view(s) of 100 px), about 43 kB of ROI pictures" in said


def test_copied_frames_count_with_their_files(world):
    for number in range(1, 5):
        (world.frames / f"{number}.png").write_bytes(bytes(500_000))
    assert expected(world, "disk").startswith("disk: 2.0 MB of copied frames")


def test_frames_to_fetch_have_no_known_size_and_time(world):
    def give_urls(coco):
        for image in coco["images"]:
            image["coco_url"] = f"https://example.org/{image['id']}.png"

    request = SourceRequest("coco", world.request("train", give_urls).annotations)
    said = "\n".join(texts(world.check_requests({"train": request}), "expected"))
    assert "disk: 4 frames to fetch, whose size is unknown, " in said
    assert "time to prepare: fetching frames depends on the server, crop 1 to 2 s" in said


def test_a_disk_that_is_too_small_surprises(world, monkeypatch):
    monkeypatch.setattr("fathomline.check.cost.shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    assert any(said.endswith("smaller crop.size or fewer crop.views") for said in texts(world.check(), "surprise"))


def test_training_time_is_estimated_only_for_what_was_measured(world):
    # 4 of 8 ROIs in 10,000 epochs at 180 ROIs per second and 96 px are 222 s; two models take twice that.
    measured = {"backbone": "mobilenetv2_100", "epochs": 10_000}
    views = {"crop": {"size": 96}, "split": {"held_out": [0, 1]}}
    said = expected(world, "training:", train=measured | {"image_size": 96}, **views)
    assert said.startswith("training: 2 model(s) of 10000 epochs of 4 ROIs: 5 to 11 min (about 180 ROIs")
    said = expected(world, "training:", train=measured | {"image_size": 48}, crop={"size": 48})
    assert "1.0 s" not in said
    assert "(about 720 ROIs per second" in said


@pytest.mark.parametrize("train", [{"backbone": "resnet50"}, {"backbone": "mobilenetv2_100", "frozen": True}])
def test_of_any_other_model_the_first_epoch_tells(world, train):
    said = expected(world, "training:", train=train | {"pretrained": True})
    assert said.endswith("was not measured: the first epoch tells how long it takes")
