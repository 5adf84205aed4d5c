"""A competition's worth of small frames through the whole DAG: seconds and peak memory of each step."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import yaml

from benchmarks.frames import write_dataset
from benchmarks.side_by_side import keep
from fathomline.lineages import fgvc2025

ROOT = Path(__file__).parent.parent
TRAIN_FRAMES, TEST_FRAMES = 8_980, 325
SIZE = (320, 180)
STEPS: tuple[tuple[str, Sequence[str]], ...] = (
    ("download", ["repro", "download"]),
    ("crop", ["repro", "crop"]),
    ("taxonomy", ["repro", "taxonomy"]),
    ("split", ["repro", "split"]),
    ("train, one epoch of a tiny model", ["repro", "train"]),
    ("evaluate", ["repro", "evaluate"]),
    ("submit", ["repro", "submit"]),
    ("nothing changed", ["repro"]),
)


def resident(process: psutil.Process) -> int:
    """Bytes that a process and its children hold, pages that they share counted once."""
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue  # it ended meanwhile
    return total


def watched(command: Sequence[str], folder: Path) -> tuple[float, int]:
    """Seconds and peak bytes of a command and all that it starts; RuntimeError when it fails."""
    start, peak = time.perf_counter(), 0
    with tempfile.TemporaryFile("w+") as output:
        process = psutil.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak = max(peak, resident(process))
            time.sleep(0.1)
        seconds = time.perf_counter() - start
        if process.returncode:
            output.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed:\n{output.read()[-2000:]}")
    return seconds, peak


def competition(folder: Path, checkout: Path) -> None:
    """A clone of the committed project, with a synthetic competition as its source."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
    concepts = sorted(lineage.concept for lineage in fgvc2025.lineages())
    params = yaml.safe_load((checkout / "presets/reef.yaml").read_text())
    params["source"] |= {"name": "coco", "images": str(folder / "images")}
    for subset, frames, seed in (("train", TRAIN_FRAMES, 0), ("test", TEST_FRAMES, 1)):
        file = write_dataset(folder, frames, [SIZE], concepts, seed=seed, different=200)
        params["source"][subset] = str(file.rename(folder / f"{subset}.json"))
    params["train"] |= {"epochs": 1, "backbone": "test_vit", "image_size": 64}
    (checkout / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def main() -> None:
    dvc = shutil.which("dvc", path=str(Path(sys.executable).parent)) or "dvc"
    lines = ["| | seconds | peak MiB, all processes |", "|---|---:|---:|"]
    with tempfile.TemporaryDirectory() as scratch:
        checkout = Path(scratch) / "checkout"
        competition(Path(scratch), checkout)
        for name, step in STEPS:
            seconds, peak = watched([dvc, *step], checkout)
            lines.append(f"| {name} | {seconds:.1f} | {peak / 2**20:,.0f} |")
        rois = sum(1 for _ in (checkout / "data/crops/train/rois").iterdir())
    described = (
        f"{TRAIN_FRAMES} training frames of {SIZE[0]}×{SIZE[1]} with {rois} boxes, and {TEST_FRAMES} test frames."
    )
    keep("scale", "A competition's worth of frames", [described, "", *lines])


if __name__ == "__main__":
    main()
