"""Measure the recipe of presets/laptop.yaml, and what each of its parts contributes, on real plankton.

Fine-tunes the preset's backbone from local weights on PlanktonSet in ../shared/plankton.
"""

import argparse

from benchmarks.recipe import FROZEN, HEAD_ONLY, Variant, run_all
from benchmarks.side_by_side import write_table

NO_AUGMENTATION = {
    "augment": {"min_crop": 1.0, "horizontal_flip": False, "vertical_flip": False, "quarter_turns": False}
}
TRAINING = f"fine-tuned; the row `frozen` by {HEAD_ONLY}"
VARIANTS = [
    Variant("the recipe", {}),
    Variant("without augmentation", NO_AUGMENTATION),
    Variant("without expected distance", {"loss.expected_distance": 0.0}),
    Variant("with rank loss", {"loss.rank_cross_entropy": 0.5}),
    Variant("without moving average", {"optimizer.ema_decay": 0.0}),
    Variant("with degradation", {"augment.degradation": 0.5}),
    Variant("frozen, 112 px", FROZEN),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    names = [variant.name for variant in VARIANTS]
    parser.add_argument("--only", nargs="+", default=names, choices=names, help="rows to run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    chosen = [variant for variant in VARIANTS if variant.name in arguments.only]
    write_table("plankton", "The laptop recipe on plankton", run_all("plankton", TRAINING, chosen, arguments.seeds))


if __name__ == "__main__":
    main()
