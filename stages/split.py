"""Split the training ROIs into folds that never share a frame."""

import argparse
from pathlib import Path

from fathomline.files import write_csv
from fathomline.progress import summary
from fathomline.rois.annotations import read_annotations
from fathomline.split import SplitConfig, assign_folds
from stages import params_section, run
from stages.summaries import split_summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("annotations", type=Path, help="annotations.csv of the training crops")
    parser.add_argument("folds", type=Path, help="split.csv to write")
    arguments = parser.parse_args()
    annotations = read_annotations(arguments.annotations, labelled=True)
    folds = assign_folds(annotations, params_section("split", SplitConfig))
    write_csv(folds, arguments.folds)
    summary(split_summary(folds))


if __name__ == "__main__":
    run(main)
