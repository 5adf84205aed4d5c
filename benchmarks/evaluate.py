"""Measure `evaluate` on synthetic logits for as many ROIs as the competition has."""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.scale import ROOT, measured
from benchmarks.side_by_side import write_table
from fathomline.config import load_section
from fathomline.dataset.coco import Coco
from fathomline.dataset.manifest import Record
from fathomline.decide.evaluate import EvaluateConfig, evaluate
from fathomline.files import write_json
from fathomline.lineages.fgvc2025 import lineages
from fathomline.report.data_set import describe
from fathomline.report.page import Results, write_report
from fathomline.report.raw_subset import RawSubset
from fathomline.report.tables import all_tables, write_tables
from fathomline.taxonomy.tree import Taxonomy

ROIS, FRAMES, PICTURES = 23_699, 8_980, 200
FRAME, DETAIL = (1920, 1080), 24
"""Width and height of a frame, and the pixels over which it changes: compressed, it takes as much as a photograph."""


def evaluate_synthetic(folder: Path) -> None:
    """Evaluate synthetic logits for all ROIs of the competition, and write every table and the report to `folder`."""
    taxonomy = Taxonomy(lineages())
    classes, generator = list(taxonomy.concepts), np.random.default_rng(0)
    labels = generator.integers(len(classes), size=ROIS)
    nodes = np.array([taxonomy.node(name) for name in classes])
    nearness = -0.5 * taxonomy.distances(nodes, nodes)[labels]
    logits = (nearness + generator.gumbel(scale=1.05, size=nearness.shape)).astype(np.float32)
    numbers = np.arange(ROIS)
    annotations = pd.DataFrame(
        {
            "path": [f"rois/{number % PICTURES}.png" for number in numbers],
            "label": np.array(classes, dtype=object)[labels],
            "annotation_id": numbers,
            "image_id": numbers * FRAMES // ROIS,
            "group": numbers * FRAMES // ROIS,
            "fold": 0,
            **{"x": 900.0, "y": 500.0, "w": 80.0, "h": 70.0, "frame_w": FRAME[0], "frame_h": FRAME[1]},
        }
    )
    (folder / "rois").mkdir()
    for number in range(PICTURES):
        picture = Image.fromarray(generator.integers(256, size=(70, 80, 3), dtype=np.uint8))
        picture.save(folder / f"rois/{number}.png")
    raw = synthetic_frames(folder, generator)
    history = folder / "history.csv"
    history.write_text("epoch,validation_mhd\n1,2.0\n")
    config = load_section(ROOT / "presets/fathomnet-2025-best.yaml", "evaluate", EvaluateConfig)
    by_view = {"plain": logits, "degraded": logits[:, ::-1]}
    views = {view: dict.fromkeys(("none", "mirror", "flips"), stored) for view, stored in by_view.items()}
    result = evaluate(views, "plain", annotations, classes, taxonomy, config, "labels")
    tables = all_tables(result, taxonomy, [history])
    write_tables(folder, tables)
    write_json(result.metrics, folder / "metrics.json")
    shown = Results(result.metrics, tables, taxonomy, config.decoder, "plain", "", describe(raw.coco), ROIS, "no model")
    write_report(folder / "report.html", shown, folder, raw)


def synthetic_frames(folder: Path, generator: np.random.Generator) -> RawSubset:
    """As many images as the competition has, which share `PICTURES` files."""
    (folder / "images").mkdir()
    for number in range(PICTURES):
        blurred = Image.fromarray(
            generator.integers(256, size=(FRAME[1] // DETAIL, FRAME[0] // DETAIL, 3), dtype=np.uint8)
        )
        blurred.resize(FRAME, Image.Resampling.BICUBIC).save(folder / f"images/{number}.jpg")
    images = [{"id": number, "width": FRAME[0], "height": FRAME[1]} for number in range(FRAMES)]
    files = [f"images/{number % PICTURES}.jpg" for number in range(FRAMES)]
    records = [Record(number, file, file, 1, "", "ok", "") for number, file in enumerate(files)]
    coco = Coco(images, [], [], {"description": "A competition's worth of ROIs"})
    return RawSubset(coco, {record.image_id: record for record in records}, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, help="existing folder to evaluate into, without measuring")
    arguments = parser.parse_args()
    if arguments.into:
        evaluate_synthetic(arguments.into)
        return
    with tempfile.TemporaryDirectory() as scratch:
        seconds, peak = measured([sys.executable, "-m", "benchmarks.evaluate", "--into", scratch], ROOT)
        size = (Path(scratch) / "report.html").stat().st_size
        mhd = pd.read_json(Path(scratch) / "metrics.json", typ="series")["mhd"]
    lines = [
        f"Synthetic logits for {ROIS:,} ROIs on {FRAMES:,} frames, 79 concepts, two views and three sets of "
        f"orientations, MHD {mhd:.2f}, with the `evaluate` section of `presets/fathomnet-2025-best.yaml`: every table "
        "and the report, including the start of Python.",
        "",
        "| | |",
        "|---|---:|",
        f"| seconds | {seconds:.1f} |",
        f"| peak memory, MiB | {peak / 2**20:.0f} |",
        f"| report.html, MB | {size / 1e6:.1f} |",
    ]
    write_table("evaluate", "Evaluation without the model", lines)


if __name__ == "__main__":
    main()
