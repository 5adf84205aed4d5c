"""Measure the models on the ROIs that they held out, and settle how to decide."""

import argparse
from dataclasses import asdict
from pathlib import Path

from fathomline.decide.evaluate import EvaluateConfig, evaluate
from fathomline.decide.submit import SubmitConfig
from fathomline.files import read_csv, write_json
from fathomline.learn.config import TrainConfig
from fathomline.learn.dataset import read_crops
from fathomline.learn.folds import held_out_logits
from fathomline.learn.predict import TEST_TIME_WAYS
from fathomline.progress import summary
from fathomline.report.tables import write_tables
from fathomline.taxonomy.reference import read_reference
from stages import params_section, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, help="folder of fold-0, fold-1 …")
    parser.add_argument("crops", type=Path, help="folder that the crop stage wrote for the training subset")
    parser.add_argument("taxonomy", type=Path, help="taxonomy_reference.json")
    parser.add_argument("split", type=Path, help="split.csv")
    parser.add_argument("metrics", type=Path, help="metrics.json to write")
    parser.add_argument("calibration", type=Path, help="calibration.json to write, for submit")
    parser.add_argument("reports", type=Path, help="folder for the tables")
    arguments = parser.parse_args()
    config, training = params_section("evaluate", EvaluateConfig), params_section("train", TrainConfig)
    candidates = params_section("submit", SubmitConfig).candidates
    taxonomy = read_reference(arguments.taxonomy)
    split = read_csv(arguments.split, ["annotation_id", "fold"])
    crops, ways = read_crops(arguments.crops), TEST_TIME_WAYS[config.test_time_augmentation]
    held_out = held_out_logits(arguments.models, training.folds, crops, split, taxonomy, ways, training.degraded_size)
    views = held_out.logits
    result = evaluate(
        views[training.select_on], held_out.annotations, held_out.classes, taxonomy, config, candidates, views
    )
    write_json(result.metrics, arguments.metrics)
    write_json(asdict(result.rule), arguments.calibration)
    histories = [arguments.models / f"fold-{fold}" / "history.csv" for fold in training.folds]
    write_tables(arguments.reports, result, taxonomy, histories)
    figures = result.metrics
    interval = (
        "[{mhd_low:.3f}, {mhd_high:.3f}]".format(**figures) if "mhd_low" in figures else "(no interval: one group)"
    )
    summary(
        f"evaluate: MHD {figures['mhd']:.3f} {interval} by {config.decoder} "
        f"on {figures['rois']} held-out ROIs, {training.select_on} view (argmax {figures['mhd_argmax']:.3f}, threshold "
        f"{figures['mhd_threshold']:.3f}, risk {figures['mhd_risk']:.3f}, best constant {figures['mhd_constant']:.3f})"
    )


if __name__ == "__main__":
    run(main)
