"""Measure the seconds and peak memory of each stage on as many small frames as the competition has."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import yaml

from benchmarks.side_by_side import write_table
from benchmarks.synthetic import write_dataset
from fathomline.lineages import fgvc2025

ROOT = Path(__file__).parent.parent
TRAIN_FRAMES, TEST_FRAMES = 8_980, 325
SIZE = (320, 180)
STEPS: tuple[tuple[str, Sequence[str]], ...] = (
    ("download", ["repro", "download"]),
    ("crop", ["repro", "crop"]),
    ("taxonomy", ["repro", "taxonomy"]),
    ("split", ["repro", "split"]),
    ("train", ["repro", "train"]),
    ("predict", ["repro", "predict"]),
    ("evaluate", ["repro", "evaluate"]),
    ("submit", ["repro", "submit"]),
    ("bundle", ["repro", "bundle"]),
    ("nothing changed", ["repro"]),
)


def resident(process: psutil.Process) -> int:
    """Bytes held by a process and its children, counting shared pages once."""
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue  # the process has ended
    return total


def measured(command: Sequence[str], folder: Path) -> tuple[float, int]:
    """Seconds and peak bytes of a command and its child processes; raises RuntimeError if it fails."""
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


def clone_with_synthetic_competition(folder: Path, checkout: Path) -> None:
    """Clone the committed project to `checkout`, with a synthetic competition in `folder` as its source."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
    concepts = sorted(lineage.concept for lineage in fgvc2025.lineages())
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    params["source"] |= {"name": "coco", "images": str(folder / "images")}
    for subset, frames, seed in (("train", TRAIN_FRAMES, 0), ("test", TEST_FRAMES, 1)):
        file = write_dataset(folder, frames, [SIZE], concepts, seed=seed, distinct=200)
        params["source"][subset] = str(file.rename(folder / f"{subset}.json"))
    params["train"] |= {"epochs": 1, "backbone": "test_vit", "image_size": 64}
    (checkout / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def main() -> None:
    dvc = shutil.which("dvc", path=str(Path(sys.executable).parent)) or "dvc"
    lines = ["| | seconds | peak MiB, all processes |", "|---|---:|---:|"]
    with tempfile.TemporaryDirectory() as scratch:
        checkout = Path(scratch) / "checkout"
        clone_with_synthetic_competition(Path(scratch), checkout)
        for name, step in STEPS:
            seconds, peak = measured([dvc, *step], checkout)
            lines.append(f"| {name} | {seconds:.1f} | {peak / 2**20:,.0f} |")
        rois = sum(1 for _ in (checkout / "data/crops/train/rois").iterdir())
    introduction = (
        f"{TRAIN_FRAMES:,} synthetic training frames of {SIZE[0]}×{SIZE[1]} with {rois:,} boxes, and {TEST_FRAMES} "
        "test frames. `presets/reef.yaml` with `test_vit` at 64 px, random weights, one epoch."
    )
    write_table("scale", "As many frames as the competition", [introduction, "", *lines])


if __name__ == "__main__":
    main()
