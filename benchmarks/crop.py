"""Compare decoding each frame once with opening it for each box, as the official script does."""

import json
import shutil
import tempfile
from pathlib import Path

from PIL import Image

from benchmarks.side_by_side import Contender, time_alternately, timing_table, write_table
from benchmarks.synthetic import write_dataset
from fathomline.crop.crop import CropConfig, crop
from fathomline.download.download import DownloadConfig, download
from fathomline.machine import MachineConfig
from fathomline.sources.read_source import SourceRequest

FRAMES = 96
SIZES = [(1920, 1080), (1920, 1080), (720, 486)]
"""The most common sizes of FathomNet's frames; two thirds are the larger."""


def box_by_box(folder: Path, rois: Path) -> int:
    """For each box, open the frame, crop and save, as the official script does."""
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
        request = SourceRequest("coco", str(dataset), images)
        download(request, raw, DownloadConfig(), machine=MachineConfig(), labelled=True)

        def ours(workers: int, views: list) -> int:
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            config = CropConfig(views=views, size=256, square=True, padding="edge", workers=workers)
            return crop(raw, out, config, None).rois

        def official() -> int:
            shutil.rmtree(out, ignore_errors=True)
            return box_by_box(frames, out / "rois")

        timings = time_alternately(
            [
                Contender("fathomline: ROIs and one view of 256 px", lambda: ours(0, [1.0])),
                Contender("fathomline: ROIs and four views", lambda: ours(0, [1.0, 3.0, 5.0, "frame"])),
                Contender("fathomline, one process: ROIs and one view", lambda: ours(1, [1.0])),
                Contender("the frame opened for each box: ROIs only", official),
            ],
            rounds=5,
        )
    introduction = f"{FRAMES} synthetic PNG frames of 1920×1080 (two thirds) and 720×486, {timings[0].items} boxes."
    write_table("crop", "Cutting ROIs", [introduction, "", *timing_table(timings, "ROI")])


if __name__ == "__main__":
    main()
