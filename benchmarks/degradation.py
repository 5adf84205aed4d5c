"""Measure the benefit of degradation in training when test animals are smaller than training animals.

Fine-tunes presets/laptop.yaml on three views of ../shared/aquarium, with and without degradation, and scores held-out
frames as they are and scaled down.
"""

import argparse
import json

import numpy as np

from benchmarks.recipe import CACHE, WEIGHTS, Variant, prepare, run_all
from benchmarks.side_by_side import write_table
from fathomline.decide.metrics import bootstrap_interval

THREE = (1.0, 3.0, "frame")
SIZES = (40.0, 20.0)
"""Half and a quarter of the ROIs' median size, which is 79 px."""


def variants(size: float) -> list[Variant]:
    """Training without and with degradation; held-out frames scaled down to `size` choose the epoch."""
    selection = {"validation.degraded_size": size, "validation.select_on": "degraded"}
    return [
        Variant(f"without degradation, {size:.0f} px", selection, THREE, square=True),
        Variant(f"with degradation: 0.5, {size:.0f} px", selection | {"augment.degradation": 0.5}, THREE, square=True),
    ]


def table(seeds: list[int]) -> list[str]:
    """MHD on the plain and the degraded view: means over the seeds, with an interval over images."""
    results = json.loads((CACHE / "aquarium.json").read_text())
    data = prepare("aquarium", THREE, square=True)
    groups = data.crops.annotations["frame_id"].to_numpy()[data.rows[1]]
    lines = ["| | MHD, as they are | seeds | MHD, scaled down | seeds |", "|---|---:|---:|---:|---:|"]
    gains = []
    for size in SIZES:
        scaled_down = []
        for variant in variants(size):
            cells = []
            for name in ("auto_distances", "auto_degraded_distances"):
                by_seed = np.array([results[f"{variant.name}, {seed}"][name] for seed in seeds])
                low, high = bootstrap_interval(by_seed.mean(axis=0), groups)
                means = by_seed.mean(axis=1)
                cells += [f"{means.mean():.3f} [{low:.3f}, {high:.3f}]", f"{means.min():.3f} to {means.max():.3f}"]
            scaled_down.append(by_seed.mean(axis=0))
            lines.append(f"| {variant.name} | {' | '.join(cells)} |")
        gain = scaled_down[0] - scaled_down[1]
        low, high = bootstrap_interval(gain, groups)
        gains.append(
            f"Scaled down to {size:.0f} px, degradation lowers the MHD by {gain.mean():.3f} [{low:.3f}, {high:.3f}]."
        )
    return [*lines, "", *gains]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    seeds = parser.parse_args().seeds
    run_all("aquarium", "fine-tuned", [variant for size in SIZES for variant in variants(size)], seeds)
    data = prepare("aquarium", THREE, square=True)
    introduction = (
        f"{len(data.rows[0])} ROIs of {len(data.taxonomy.concepts)} concepts to train on, {len(data.rows[1])} held "
        f"out: folds 0 to 2 of ten that never share a frame. `presets/laptop.yaml` with {WEIGHTS}, fine-tuned on "
        "square views: the box, three times the box and the frame. Held-out frames are scored as they are and scaled "
        "down until their ROIs have the given median size. The scaled-down frames also choose the epoch, the "
        "temperature and the transforms. MHD by risk over the tree: mean over the seeds, 95 % interval over frames, "
        "then minimum and maximum over the seeds."
    )
    write_table("degradation", "Degradation in training", [introduction, "", *table(seeds)])


if __name__ == "__main__":
    main()
