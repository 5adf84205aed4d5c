"""Evaluate the models on the ROIs that they held out, and fit the decision rule. Runs no model."""

import argparse
import os
from dataclasses import asdict
from pathlib import Path

from fathomline.config import load_params
from fathomline.decide.averaging import averaged_by_set
from fathomline.decide.evaluate import EvaluateConfig, evaluate
from fathomline.decide.submit import SubmitConfig
from fathomline.files import write_json
from fathomline.predict.logits import held_out_annotations, read_held_out_logits, refuse_other_runs
from fathomline.progress import summary
from fathomline.report.data_set import describe
from fathomline.report.page import Results, write_report
from fathomline.report.raw_subset import RawSubset, read_raw_subset
from fathomline.report.tables import all_tables, write_tables
from fathomline.report.tracked import run_config, track_evaluation
from fathomline.rois.annotations import read_annotations
from fathomline.split import SplitConfig, read_split
from fathomline.taxonomy.reference import read_reference
from fathomline.tracking import TrackingConfig, tracked_run
from fathomline.train.config import TrainConfig
from stages import PARAMS, checkout, params_section, report_params, run
from stages.summaries import evaluate_summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logits", type=Path, help="logits of the training subset, written by predict")
    parser.add_argument("models", type=Path, help="folder that contains fold-0, fold-1 …, each with its history.csv")
    parser.add_argument("raw", type=Path, help="folder that the download stage wrote for the training subset")
    parser.add_argument("crops", type=Path, help="folder that the crop stage wrote for the training subset")
    parser.add_argument("taxonomy", type=Path, help="taxonomy_reference.json")
    parser.add_argument("split", type=Path, help="split.csv")
    parser.add_argument("metrics", type=Path, help="metrics.json to write")
    parser.add_argument("calibration", type=Path, help="calibration.json to write: the decision rule")
    parser.add_argument("reports", type=Path, help="folder for the tables and report.html")
    arguments = parser.parse_args()
    config, training = params_section("evaluate", EvaluateConfig), params_section("train", TrainConfig)
    view, folds = training.validation.select_on, params_section("split", SplitConfig).held_out
    candidates = params_section("submit", SubmitConfig).candidates
    taxonomy = read_reference(arguments.taxonomy)
    held_out = read_held_out_logits(arguments.logits, taxonomy)
    refuse_other_runs(held_out, folds, view, arguments.logits)
    crops = read_annotations(arguments.crops / "annotations.csv", labelled=True)
    annotations = held_out_annotations(held_out, crops, read_split(arguments.split, crops), arguments.logits)
    averaged = {name: averaged_by_set(held_out.of_view(name), held_out.transforms) for name in held_out.views}
    result = evaluate(averaged, view, annotations, held_out.classes, taxonomy, config, candidates)
    write_json(result.metrics, arguments.metrics)
    write_json(asdict(result.rule), arguments.calibration)
    tables = all_tables(result, taxonomy, [arguments.models / f"fold-{fold}" / "history.csv" for fold in folds])
    write_tables(arguments.reports, tables)
    params = report_params("crop", "split", "train", "predict", "evaluate", "submit")
    raw = read_raw_subset(arguments.raw)
    model = f"{training.backbone} at {training.image_size} px"
    results = Results(
        result.metrics, tables, taxonomy, config.decoder, view, params, describe(raw.coco), len(crops), model
    )
    page = arguments.reports / "report.html"
    write_report(page, results, arguments.crops, raw)
    _track(results, arguments.crops, raw, page)
    summary(evaluate_summary(result, config.decoder, view))


def _track(results: Results, crops: Path, raw: RawSubset, page: Path) -> None:
    experiment = os.environ.get("DVC_EXP_NAME")
    with tracked_run(
        params_section("tracking", TrackingConfig),
        checkout(),
        name=f"{experiment}-evaluate" if experiment else None,
        group=experiment,
        params=load_params(PARAMS) | run_config(results),
    ) as tracker:
        track_evaluation(tracker, results, crops, raw, page)


if __name__ == "__main__":
    run(main)
