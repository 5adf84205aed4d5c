"""Compare one view with three on the real frames of ../shared/aquarium.

Trains only the head of presets/laptop.yaml, on frozen features.
"""

import argparse

from benchmarks.recipe import FROZEN, HEAD_ONLY, Variant, run_all
from benchmarks.side_by_side import write_table

THREE = (1.0, 3.0, "frame")
VARIANTS = [
    Variant("the box", FROZEN),
    Variant("the box, three times the box and the frame, concatenated", FROZEN | {"fusion": "concat"}, THREE),
    Variant("the same three, fused by attention", FROZEN | {"fusion": "attention"}, THREE),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    write_table("aquarium", "One view or three", run_all("aquarium", HEAD_ONLY, VARIANTS, parser.parse_args().seeds))


if __name__ == "__main__":
    main()
