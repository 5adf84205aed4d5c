"""Write an answer for every test annotation."""

import argparse
from dataclasses import replace
from pathlib import Path

from fathomline.dataset.coco import read_dataset
from fathomline.decide.averaging import ensemble_probabilities
from fathomline.decide.rule import read_rule
from fathomline.decide.submit import SubmitConfig, asked_rois, described_rois, predictions, submission
from fathomline.files import write_csv, write_report_csv
from fathomline.predict.logits import read_ensemble_logits
from fathomline.progress import summary
from fathomline.rois.annotations import read_annotations, read_quarantine
from fathomline.taxonomy.reference import read_reference
from stages import params_section, run
from stages.summaries import submit_summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path, help="dataset.json of the test subset")
    parser.add_argument("logits", type=Path, help="logits of the test subset, written by predict")
    parser.add_argument("taxonomy", type=Path, help="taxonomy_reference.json")
    parser.add_argument("calibration", type=Path, help="calibration.json that evaluate wrote")
    parser.add_argument("crops", type=Path, help="folder that the crop stage wrote for the test subset")
    parser.add_argument("submission", type=Path, help="submission.csv to write")
    parser.add_argument("predictions", type=Path, help="predictions.csv to write")
    arguments = parser.parse_args()
    candidates = params_section("submit", SubmitConfig).candidates
    taxonomy = read_reference(arguments.taxonomy)
    test = read_ensemble_logits(arguments.logits, taxonomy)
    # They differ from the rule's if submit.candidates was changed and only this stage was run again.
    rule = replace(read_rule(arguments.calibration), candidates=candidates)
    probabilities = ensemble_probabilities(test.by_fold(rule.transforms), rule.temperature)
    dataset, crops = read_dataset(arguments.dataset), read_annotations(arguments.crops / "annotations.csv")
    quarantine = read_quarantine(arguments.crops / "quarantine.csv")
    rois = asked_rois(dataset, crops, quarantine)
    ids, seen = [annotation["id"] for annotation in dataset.annotations], test.annotation_ids.tolist()
    answered = predictions(ids, seen, probabilities, test.classes, taxonomy, rule)
    write_csv(submission(answered, rois), arguments.submission)
    write_report_csv(described_rois(answered, rois), arguments.predictions)
    summary(submit_summary(arguments.submission, len(ids), len(ids) - len(seen), rule))


if __name__ == "__main__":
    run(main)
