"""Gather everything that a prediction needs into one folder. Runs models only to check what it converts."""

import argparse
from dataclasses import replace
from pathlib import Path

from fathomline.bundle.bundle import (
    ONNX_FILE,
    BundleConfig,
    Measured,
    copy_weights,
    read_figures,
    read_fold_models,
    write_bundle,
)
from fathomline.decide.rule import read_rule
from fathomline.decide.submit import SubmitConfig
from fathomline.progress import summary, warning
from fathomline.split import SplitConfig
from fathomline.taxonomy.reference import read_reference
from fathomline.train.config import TrainConfig
from stages import params_section, run
from stages.summaries import bundle_summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, help="folder of fold-0, fold-1 …")
    parser.add_argument("taxonomy", type=Path, help="taxonomy_reference.json")
    parser.add_argument("calibration", type=Path, help="calibration.json that evaluate wrote")
    parser.add_argument("metrics", type=Path, help="metrics.json that evaluate wrote")
    parser.add_argument("crops", type=Path, help="folder that the crop stage wrote for the test subset")
    parser.add_argument("logits", type=Path, help="logits of the test subset, written by predict")
    parser.add_argument("bundle", type=Path, help="folder to write")
    arguments = parser.parse_args()
    config, training = params_section("bundle", BundleConfig), params_section("train", TrainConfig)
    split = params_section("split", SplitConfig)
    taxonomy = read_reference(arguments.taxonomy)
    # They differ from the rule's if submit.candidates was changed and only this stage was run again.
    candidates = params_section("submit", SubmitConfig).candidates
    decision = replace(read_rule(arguments.calibration), candidates=candidates)
    models = read_fold_models(arguments.models, split.held_out, taxonomy)
    if config.weights == "float32":
        weights = copy_weights(models, arguments.bundle)
    else:
        from fathomline.bundle.half_precision import store_rounded_weights  # torch takes seconds to import
        from fathomline.predict.logits import read_ensemble_logits
        from fathomline.rois.crops import read_crops

        crops, test = read_crops(arguments.crops), read_ensemble_logits(arguments.logits, taxonomy)
        weights = store_rounded_weights(models, arguments.bundle, config.weights, crops, test, taxonomy, decision)
    measured_on = {
        "held_out_folds": f"{', '.join(map(str, split.held_out))} of {split.folds}",
        "folds_never_share": split.group or "a frame",
        "split_seed": split.seed,
        "view": training.validation.select_on,
    }
    measured = Measured(read_figures(arguments.metrics, taxonomy), measured_on)
    write_bundle(arguments.bundle, models, weights, taxonomy, decision, measured, config)
    if config.onnx:
        _add_onnx(arguments.bundle)
    summary(bundle_summary(arguments.bundle, len(models), weights.dtype))


def _add_onnx(folder: Path) -> None:
    from fathomline.predictor.export import NotExportable, write_onnx  # torch takes seconds to import

    try:
        write_onnx(folder, folder / ONNX_FILE)
    except NotExportable as error:
        warning(f"bundle: no {ONNX_FILE}: {error}")


if __name__ == "__main__":
    run(main)
