"""Measure the models on the ROIs that they held out, and settle how to decide. Runs no model."""

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
from fathomline.report.page import Results, write_report
from fathomline.report.tables import all_tables, write_tables
from fathomline.report.tracked import track_evaluation
from fathomline.rois.annotations import read_annotations
from fathomline.split import SplitConfig, read_split
from fathomline.taxonomy.reference import read_reference
from fathomline.tracking import TrackingConfig, tracked_run
from fathomline.train.config import TrainConfig
from stages import PARAMS, params_section, params_text, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logits", type=Path, help="logits of the training subset, as the predict stage wrote them")
    parser.add_argument("models", type=Path, help="folder of fold-0, fold-1 …, for their history.csv")
    parser.add_argument("crops", type=Path, help="folder that the crop stage wrote for the training subset")
    parser.add_argument("taxonomy", type=Path, help="taxonomy_reference.json")
    parser.add_argument("split", type=Path, help="split.csv")
    parser.add_argument("metrics", type=Path, help="metrics.json to write")
    parser.add_argument("calibration", type=Path, help="calibration.json to write, for submit")
    parser.add_argument("reports", type=Path, help="folder for the tables and report.html")
    arguments = parser.parse_args()
    config, training = params_section("evaluate", EvaluateConfig), params_section("train", TrainConfig)
    select_on, held_out_folds = training.validation.select_on, params_section("split", SplitConfig).held_out
    candidates = params_section("submit", SubmitConfig).candidates
    taxonomy = read_reference(arguments.taxonomy)
    held_out = read_held_out_logits(arguments.logits, taxonomy)
    refuse_other_runs(held_out, held_out_folds, select_on, arguments.logits)
    crops = read_annotations(arguments.crops / "annotations.csv", labelled=True)
    annotations = held_out_annotations(held_out, crops, read_split(arguments.split, crops), arguments.logits)
    views = {view: averaged_by_set(held_out.of_view(view), held_out.transforms) for view in held_out.views}
    result = evaluate(views, select_on, annotations, held_out.classes, taxonomy, config, candidates)
    write_json(result.metrics, arguments.metrics)
    write_json(asdict(result.rule), arguments.calibration)
    histories = [arguments.models / f"fold-{fold}" / "history.csv" for fold in held_out_folds]
    tables = all_tables(result, taxonomy, histories)
    write_tables(arguments.reports, tables)
    told = params_text("crop", "split", "train", "predict", "evaluate", "submit")
    title = f"{training.backbone} at {training.image_size} px"
    shown = Results(result.metrics, tables, taxonomy, config.decoder, select_on, told, title)
    page = arguments.reports / "report.html"
    write_report(page, shown, arguments.crops)
    experiment = os.environ.get("DVC_EXP_NAME")
    with tracked_run(
        params_section("tracking", TrackingConfig),
        Path(os.environ.get("DVC_ROOT", ".")),
        name=f"{experiment}-evaluate" if experiment else None,
        group=experiment,
        params=load_params(PARAMS) | {"taxonomy_hash": taxonomy.hash},
    ) as tracker:
        track_evaluation(tracker, shown, arguments.crops, page)
    figures = result.metrics
    interval = (
        "[{mhd_low:.3f}, {mhd_high:.3f}]".format(**figures) if "mhd_low" in figures else "(no interval: one group)"
    )
    summary(
        f"evaluate: MHD {figures['mhd']:.3f} {interval} by {config.decoder} on {figures['rois']} held-out ROIs, "
        f"{select_on} view, averaged over {len(result.rule.transforms)} orientation(s) (argmax "
        f"{figures['mhd_argmax']:.3f}, threshold {figures['mhd_threshold']:.3f}, risk {figures['mhd_risk']:.3f}, best "
        f"constant {figures['mhd_constant']:.3f})"
    )


if __name__ == "__main__":
    run(main)
