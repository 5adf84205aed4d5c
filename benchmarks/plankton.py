"""What the recipe of presets/laptop.yaml reaches on real plankton, and what each of its parts is worth.

Fine-tunes the preset's backbone, from weights at hand, on PlanktonSet in ../shared/plankton.
"""

import argparse

from benchmarks.recipe import FROZEN, Variant, run_all
from benchmarks.side_by_side import keep

STILL = {"min_crop": 1.0, "horizontal_flip": False, "vertical_flip": False, "quarter_turns": False}
VARIANTS = [
    Variant("the recipe", {}),
    Variant("without augmentation", STILL),
    Variant("without expected distance", {"expected_distance": 0.0}),
    Variant("with rank loss", {"rank_cross_entropy": 0.5}),
    Variant("without moving average", {"ema_decay": 0.0}),
    Variant("with degradation", {"degradation": 0.5}),
    Variant("frozen, 112 px", FROZEN),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    names = [variant.name for variant in VARIANTS]
    parser.add_argument("--only", nargs="+", default=names, choices=names, help="lines to run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    chosen = [variant for variant in VARIANTS if variant.name in arguments.only]
    keep("plankton", "The laptop recipe on plankton", run_all("plankton", chosen, arguments.seeds))


if __name__ == "__main__":
    main()
