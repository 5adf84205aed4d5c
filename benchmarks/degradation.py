"""What degradation in training is worth where animals are smaller than those trained on: ../shared/aquarium.

Fine-tunes presets/laptop.yaml on three views with and without it, and judges on held-out frames as they are and scaled
down.
"""

import argparse
import json

import numpy as np

from benchmarks.recipe import CACHE, Variant, prepare, run_all
from benchmarks.side_by_side import keep
from fathomline.decide.metrics import bootstrap_interval

THREE = (1.0, 3.0, "frame")
SIZES = (40.0, 20.0)
"""A half and a quarter of the ROIs' median size of 79 px."""


def variants(size: float) -> list[Variant]:
    """Trained without and with degradation; held-out frames scaled down to `size` choose the epoch."""
    judge = {"degraded_size": size, "select_on": "degraded"}
    return [
        Variant(f"without degradation, {size:.0f} px", judge, THREE, square=True),
        Variant(f"with degradation: 0.5, {size:.0f} px", judge | {"degradation": 0.5}, THREE, square=True),
    ]


def table(seeds: list[int]) -> list[str]:
    """MHD on the plain and on the degraded view: means over the seeds, with an interval over images."""
    kept = json.loads((CACHE / "aquarium.json").read_text())
    world = prepare("aquarium", THREE, square=True)
    groups = world.crops.annotations["frame_id"].to_numpy()[world.rows[1]]
    lines = ["| | MHD, as they are | seeds | MHD, scaled down | seeds |", "|---|---:|---:|---:|---:|"]
    gains = []
    for size in SIZES:
        scaled_down = []
        for variant in variants(size):
            cells = []
            for name in ("auto_distances", "auto_degraded_distances"):
                of_seeds = np.array([kept[f"{variant.name}, {seed}"][name] for seed in seeds])
                low, high = bootstrap_interval(of_seeds.mean(axis=0), groups)
                means = of_seeds.mean(axis=1)
                cells += [f"{means.mean():.3f} [{low:.3f}, {high:.3f}]", f"{means.min():.3f} to {means.max():.3f}"]
            scaled_down.append(of_seeds.mean(axis=0))
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
    run_all("aquarium", [variant for size in SIZES for variant in variants(size)], seeds)
    world = prepare("aquarium", THREE, square=True)
    introduction = (
        f"{len(world.rows[0])} ROIs of {len(world.taxonomy.concepts)} concepts to train on, {len(world.rows[1])} held "
        "out: folds 0 to 2 of ten that never share a frame. MobileNetV2 at 96 px on the box, three times the box and "
        "the frame. Held-out frames as they are, and scaled down until their ROIs have the median size that is given, "
        "which also chooses the epoch, the temperature and the transforms. MHD by risk over the tree: the mean over "
        "the seeds with a 95 % interval over frames, then the least and greatest."
    )
    keep("degradation", "Degradation in training", [introduction, "", *table(seeds)])


if __name__ == "__main__":
    main()
