"""Cutting ROIs: one decode a frame against opening the frame for each of its boxes, as the official script does."""

import json
import shutil
import tempfile
from pathlib import Path

from PIL import Image

from benchmarks.frames import write_dataset
from benchmarks.side_by_side import Contestant, keep, time_in_turns, timing_table
from fathomline.crop.crop import CropConfig, crop
from fathomline.download.download import DownloadConfig, download
from fathomline.machine import MachineConfig

FRAMES = 96
SIZES = [(1920, 1080), (1920, 1080), (720, 486)]
"""What most of FathomNet's frames are."""


def box_by_box(folder: Path, rois: Path) -> int:
    """What the official script does for each box: open, crop, save."""
    dataset = json.loads((folder / "dataset.json").read_text())
    names = {image["id"]: image["file_name"] for image in dataset["images"]}
    for annotation in dataset["annotations"]:
        rois.mkdir(parents=True, exist_ok=True)
        with Image.open(folder / "images" / names[annotation["image_id"]]) as image:
            x, y, width, height = annotation["bbox"]
            image.crop((x, y, x + width, y + height)).save(rois / f"{annotation['image_id']}_{annotation['id']}.png")
    return len(dataset["annotations"])


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        frames, raw, out = (Path(scratch) / name for name in ("frames", "raw", "out"))
        dataset = write_dataset(frames, FRAMES, SIZES, ["Porifera"], seed=0)
        images = str(frames / "images")
        download(str(dataset), images, raw, DownloadConfig(), machine=MachineConfig(), labelled=True)

        def ours(workers: int, views: list) -> int:
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            config = CropConfig(views=views, size=256, square=True, padding="edge", workers=workers)
            return crop(raw, out, config, None).rois

        def official() -> int:
            shutil.rmtree(out, ignore_errors=True)
            return box_by_box(frames, out / "rois")

        timings = time_in_turns(
            [
                Contestant("fathomline: ROIs and one view of 256 px", lambda: ours(0, [1.0])),
                Contestant("fathomline: ROIs and four views", lambda: ours(0, [1.0, 3.0, 5.0, "frame"])),
                Contestant("fathomline, one process: ROIs and one view", lambda: ours(1, [1.0])),
                Contestant("the frame opened for each box: ROIs only", official),
            ],
            rounds=5,
        )
    described = f"{FRAMES} PNG frames of 1920×1080 (two thirds) and 720×486, {timings[0].items} boxes."
    keep("crop", "Cutting ROIs", [described, "", *timing_table(timings, "ROI")])


if __name__ == "__main__":
    main()
