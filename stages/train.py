"""Train a classifier on all folds but one."""

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from fathomline.config import load_params
from fathomline.errors import listing
from fathomline.files import write_csv
from fathomline.model.checkpoint import save_model
from fathomline.progress import mute, summary, warning
from fathomline.rois.crops import fold_rows, read_crops
from fathomline.split import read_split
from fathomline.taxonomy.reference import read_reference
from fathomline.taxonomy.tree import Taxonomy
from fathomline.tracking import Tracker, TrackingConfig, tracked_run
from fathomline.train.config import TrainConfig
from fathomline.train.distributed import Processes, process_group
from fathomline.train.history import Diagnostics, Epoch
from fathomline.train.resume import ResumePoint, resume_point
from fathomline.train.train import OnEpoch, train
from stages import PARAMS, checkout, params_section, run
from stages.check import check_before_training
from stages.summaries import train_summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("crops", type=Path, help="folder that the crop stage wrote for the training subset")
    parser.add_argument("taxonomy", type=Path, help="taxonomy_reference.json")
    parser.add_argument("split", type=Path, help="split.csv")
    parser.add_argument("model", type=Path, help="folder for model.safetensors, model.json and history.csv")
    parser.add_argument("resume", type=Path, help="folder with the state of interrupted training")
    parser.add_argument("features", type=Path, help="folder with the features of frozen backbones")
    parser.add_argument("--fold", type=int, required=True, help="the held-out fold")
    arguments = parser.parse_args()
    check_before_training()
    config = params_section("train", TrainConfig)
    taxonomy, crops = read_reference(arguments.taxonomy), read_crops(arguments.crops, labelled=True)
    rows = fold_rows(crops.annotations, read_split(arguments.split, crops.annotations), arguments.fold)
    classes = sorted(crops.annotations["label"].unique())
    point = resume_point(checkout() / arguments.resume, crops, rows, taxonomy, classes, config)
    with process_group() as processes:
        if not processes.is_main:
            mute()
        _warn_of_untrained_concepts(taxonomy, classes)
        with _tracker(point, arguments.fold, taxonomy, processes) as tracker:
            trained = train(
                crops,
                rows,
                taxonomy,
                classes,
                config,
                on_epoch=_logger(tracker),
                resume=point,
                features=checkout() / arguments.features,
                processes=processes,
            )
            tracker.summarize({"best_epoch": trained.best.epoch, "images_per_second": trained.images_per_second})
            if processes.is_main:
                save_model(trained.model, arguments.model)
                write_csv(trained.history_table(), arguments.model / "history.csv")
                tracker.keep("model", sorted(arguments.model.iterdir()), {"taxonomy_hash": taxonomy.hash})
                point.remove()
    summary(train_summary(arguments.fold, trained, config, len(rows[0])))


def _warn_of_untrained_concepts(taxonomy: Taxonomy, classes: Sequence[str]) -> None:
    untrained = sorted(set(taxonomy.concepts) - set(classes))
    if untrained:
        warning(
            f"train: {len(untrained)} concept(s) have no training ROI and will never be predicted: {listing(untrained)}"
        )


@contextmanager
def _tracker(point: ResumePoint, fold: int, taxonomy: Taxonomy, processes: Processes) -> Iterator[Tracker]:
    """The tracked run of this training: one run across interruptions, and only in the main process."""
    config = params_section("tracking", TrackingConfig)
    if processes.is_main:
        point.start()
    else:
        config = replace(config, mode="disabled")
    experiment = os.environ.get("DVC_EXP_NAME")
    with tracked_run(
        config,
        checkout(),
        name=f"{experiment}-fold-{fold}" if experiment else None,
        group=experiment,
        params=load_params(PARAMS) | {"fold": fold, "taxonomy_hash": taxonomy.hash},
        identity=point.identity if processes.is_main else None,
    ) as tracker:
        yield tracker


def _logger(tracker: Tracker) -> OnEpoch:
    def log(epoch: Epoch, diagnostics: Diagnostics) -> None:
        figures = asdict(epoch) | asdict(diagnostics)
        gradients = figures.pop("lora_gradients")
        tracker.log(figures, epoch.epoch, histograms={"lora_gradients": gradients})

    return log


if __name__ == "__main__":
    run(main)
