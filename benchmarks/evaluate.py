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
from fathomline.decide.evaluate import EvaluateConfig, evaluate
from fathomline.files import write_json
from fathomline.lineages.fgvc2025 import lineages
from fathomline.report.page import Results, write_report
from fathomline.report.tables import all_tables, write_tables
from fathomline.taxonomy.tree import Taxonomy

ROIS, FRAMES, PICTURES = 23_699, 8_980, 200


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
        }
    )
    (folder / "rois").mkdir()
    for number in range(PICTURES):
        picture = Image.fromarray(generator.integers(256, size=(70, 80, 3), dtype=np.uint8))
        picture.save(folder / f"rois/{number}.png")
    history = folder / "history.csv"
    history.write_text("epoch,validation_mhd\n1,2.0\n")
    config = load_section(ROOT / "presets/fathomnet-2025-best.yaml", "evaluate", EvaluateConfig)
    by_view = {"plain": logits, "degraded": logits[:, ::-1]}
    views = {view: dict.fromkeys(("none", "mirror", "flips"), stored) for view, stored in by_view.items()}
    result = evaluate(views, "plain", annotations, classes, taxonomy, config, "labels")
    tables = all_tables(result, taxonomy, [history])
    write_tables(folder, tables)
    write_json(result.metrics, folder / "metrics.json")
    shown = Results(result.metrics, tables, taxonomy, config.decoder, "plain", "", "A competition's worth of ROIs")
    write_report(folder / "report.html", shown, folder)


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
