"""Benchmarks alternate their contenders, write tables with their command, and use sound synthetic data."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import (
    aquarium,
    batches,
    crop,
    degradation,
    download,
    engines,
    evaluate,
    plankton,
    predict,
    recipe,
    scale,
    serve,
    side_by_side,
    synthetic,
    train_step,
)
from benchmarks.side_by_side import Contender, Timing, time_alternately, timing_table
from fathomline.inputs.read import read_inputs


@pytest.mark.parametrize(
    "module",
    [aquarium, batches, crop, degradation, download, engines, evaluate, plankton, predict, scale, serve, train_step],
)
def test_each_benchmark_has_a_table_that_names_its_command(module):
    name = module.__name__.split(".")[-1]
    table = (side_by_side.FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert f"`python -m benchmarks.{name}`, 20" in table
    assert "|---|" in table


def test_contenders_alternate_within_each_round():
    calls = []
    contenders = [Contender(name, lambda name=name: calls.append(name) or 5) for name in ("ours", "theirs")]
    timings = time_alternately(contenders, rounds=2)
    assert calls == ["ours", "theirs"] * 2
    assert [(timing.name, len(timing.seconds), timing.items) for timing in timings] == [
        ("ours", 2, 5),
        ("theirs", 2, 5),
    ]


def test_relative_time_compares_seconds_per_item():
    lines = timing_table([Timing("ours", (1.0, 2.0, 9.0), 100), Timing("theirs", (8.0,), 200)], "ROI")
    assert lines[2] == "| ours | 50 | 2.00 (1.00 to 9.00) | 1.00 |"
    assert lines[3] == "| theirs | 25 | 8.00 (8.00 to 8.00) | 2.00 |"


def test_synthetic_boxes_match_the_competitions_number_per_frame_and_median_area():
    generator = np.random.default_rng(0)
    found = [synthetic.boxes(1920, 1080, generator) for _ in range(2000)]
    areas = [width * height for boxes in found for _, _, width, height in boxes]
    assert len(areas) / len(found) == pytest.approx(synthetic.BOXES_PER_FRAME, rel=0.05)
    assert np.median(areas) == pytest.approx(synthetic.MEDIAN_AREA, rel=0.1)
    assert all(x >= 0 and x + width <= 1920 for boxes in found for x, _, width, _ in boxes)


def test_a_synthetic_dataset_is_a_coco_file_with_its_frames(tmp_path):
    file = synthetic.write_dataset(tmp_path, 4, [(96, 54)], ["Porifera"], seed=0, distinct=2, base_url="http://x")
    dataset = json.loads(file.read_text())
    assert [image["coco_url"] for image in dataset["images"]] == [
        f"http://x/images/{number}.png" for number in range(4)
    ]
    assert (tmp_path / "images/2.png").read_bytes() == (tmp_path / "images/0.png").read_bytes()
    assert (tmp_path / "images/1.png").read_bytes() != (tmp_path / "images/0.png").read_bytes()
    assert {annotation["image_id"] for annotation in dataset["annotations"]} == {0, 1, 2, 3}


def test_cropping_box_by_box_writes_one_file_per_box(tmp_path):
    file = synthetic.write_dataset(tmp_path, 3, [(96, 54)], ["Porifera"], seed=0)
    annotations = json.loads(file.read_text())["annotations"]
    assert crop.box_by_box(tmp_path, tmp_path / "rois") == len(annotations)
    assert {path.name for path in (tmp_path / "rois").iterdir()} == {
        f"{a['image_id']}_{a['id']}.png" for a in annotations
    }


def outcome(distances: list[int], argmax: float, seconds: float) -> dict:
    """A result of `recipe.run`, with the same table of decoders for both sets of orientations."""
    rows = [
        {"calibrated": False, "decoder": "argmax", "candidates": "labels", "mhd": argmax, "accuracy": 0.5},
        {"calibrated": False, "decoder": "risk", "candidates": "tree", "mhd": argmax - 0.25, "accuracy": 0.25},
    ]
    result = {"seconds": seconds, "threads": 2}
    for transforms, shift in (("none", 1), ("turns", 0)):
        result[transforms] = rows
        result[f"{transforms}_distances"] = [distance + shift for distance in distances]
    return result


def test_a_table_row_holds_means_over_the_seeds_and_their_range():
    results = [outcome([0, 2, 0, 2], argmax=1.5, seconds=100.4), outcome([0, 4, 2, 4], argmax=2.0, seconds=90.0)]
    cells = recipe.table_row("ours", results, np.arange(4), "turns").strip("| ").split(" | ")
    mean, low, high = (float(text.strip("*[],")) for text in cells[1].split())
    assert (cells[0], mean) == ("ours", 1.75)
    assert low < 1.75 < high
    assert cells[2:] == ["1.000 to 2.500", "2.750", "1.500", "1.750", "0.500", "100 (2)"]


def test_batches_in_memory_are_served_cyclically():
    inputs = train_step.MemoryInputs(["one", "two"])
    assert [inputs.batch(np.arange(2), None) for _ in range(4)] == ["one", "two", "one", "two"]


def test_a_csv_of_boxes_is_read_as_the_rois_it_was_written_from(tmp_path):
    for name in "ab":
        (tmp_path / name).touch()
    rois = [
        predict.Roi(tmp_path / name, [0.5, 0.0, size, size]) for name, size in zip("aab", (1.0, 2.0, 3.0), strict=True)
    ]
    frames = read_inputs([str(predict.write_boxes(rois, tmp_path / "boxes.csv"))], None)
    found = [(Path(frame.location), roi.box) for frame in frames for roi in frame.rois]
    assert found == [(roi.path, roi.box) for roi in rois]
