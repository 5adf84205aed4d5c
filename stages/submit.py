"""Answer for every test annotation."""

import argparse
from dataclasses import replace
from pathlib import Path

from fathomline.decide.rule import read_rule
from fathomline.decide.submit import SubmitConfig, predictions
from fathomline.files import write_csv, write_report_csv
from fathomline.images.coco import read_dataset
from fathomline.learn.config import TrainConfig
from fathomline.learn.dataset import read_crops
from fathomline.learn.folds import averaged_probabilities
from fathomline.model.orientations import ORIENTATION_SETS
from fathomline.progress import summary
from fathomline.taxonomy.reference import read_reference
from stages import params_section, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, help="folder of fold-0, fold-1 …")
    parser.add_argument("dataset", type=Path, help="dataset.json of the test subset")
    parser.add_argument("crops", type=Path, help="folder that the crop stage wrote for the test subset")
    parser.add_argument("taxonomy", type=Path, help="taxonomy_reference.json")
    parser.add_argument("calibration", type=Path, help="calibration.json that evaluate wrote")
    parser.add_argument("submission", type=Path, help="submission.csv to write")
    parser.add_argument("predictions", type=Path, help="predictions.csv to write")
    arguments = parser.parse_args()
    folds, candidates = params_section("train", TrainConfig).folds, params_section("submit", SubmitConfig).candidates
    taxonomy, crops = read_reference(arguments.taxonomy), read_crops(arguments.crops)
    # The rule was settled for the same candidates, unless someone runs this stage alone after changing them.
    rule = replace(read_rule(arguments.calibration), candidates=candidates)
    orientations = ORIENTATION_SETS[rule.test_time_augmentation]
    probabilities, classes = averaged_probabilities(
        arguments.models, folds, crops, taxonomy, rule.temperature, orientations
    )
    wanted = [annotation["id"] for annotation in read_dataset(arguments.dataset).annotations]
    table = predictions(wanted, crops.annotations["annotation_id"], probabilities, classes, taxonomy, rule)
    write_csv(table[["annotation_id", "concept_name"]], arguments.submission)
    write_report_csv(table, arguments.predictions)
    unseen = int((~table["seen"]).sum())
    summary(
        f"submit: {len(table)} answers by {rule.decoder} in {arguments.submission}"
        + (f", {unseen} of them {rule.fallback} because the ROI could not be cropped" if unseen else "")
    )


if __name__ == "__main__":
    run(main)
