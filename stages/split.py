"""Split the training ROIs into folds that never share a frame."""

import argparse
from pathlib import Path

from fathomline.files import write_csv
from fathomline.progress import summary
from fathomline.rois.annotations import read_annotations
from fathomline.split import SplitConfig, assign_folds
from stages import params_section, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("annotations", type=Path, help="annotations.csv of the training crops")
    parser.add_argument("folds", type=Path, help="split.csv to write")
    arguments = parser.parse_args()
    annotations = read_annotations(arguments.annotations, labelled=True)
    folds = assign_folds(annotations, params_section("split", SplitConfig))
    write_csv(folds, arguments.folds)
    sizes = folds["fold"].value_counts().sort_index()
    summary(f"split: {len(folds)} ROIs in {len(sizes)} folds of {sizes.min()} to {sizes.max()}")


if __name__ == "__main__":
    run(main)
