"""Train a classifier on all folds but one."""

import argparse
import os
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
from fathomline.tracking import TrackingConfig, tracked_run
from fathomline.train.config import TrainConfig
from fathomline.train.distributed import joined
from fathomline.train.history import Epoch, Pace
from fathomline.train.resume import resume_point
from fathomline.train.train import train
from stages import PARAMS, params_section, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("crops", type=Path, help="folder that the crop stage wrote for the training subset")
    parser.add_argument("taxonomy", type=Path, help="taxonomy_reference.json")
    parser.add_argument("split", type=Path, help="split.csv")
    parser.add_argument("model", type=Path, help="folder for model.safetensors, model.json and history.csv")
    parser.add_argument("resume", type=Path, help="folder with the state of interrupted training")
    parser.add_argument("features", type=Path, help="folder that keeps the features of frozen backbones")
    parser.add_argument("--fold", type=int, required=True, help="the fold that is held out")
    arguments = parser.parse_args()
    config, tracking = params_section("train", TrainConfig), params_section("tracking", TrackingConfig)
    taxonomy, crops = read_reference(arguments.taxonomy), read_crops(arguments.crops, labelled=True)
    rows = fold_rows(crops.annotations, read_split(arguments.split, crops.annotations), arguments.fold)
    classes = sorted(crops.annotations["label"].unique())
    with joined() as processes:
        if not processes.first:
            mute()
            tracking = replace(tracking, mode="disabled")
        unseen = sorted(set(taxonomy.concepts) - set(classes))
        if unseen:
            warning(
                f"train: {len(unseen)} concept(s) have no training ROI and can never be answered: {listing(unseen)}"
            )
        experiment = os.environ.get("DVC_EXP_NAME")
        # A queued experiment runs in a folder that DVC deletes; DVC_ROOT is the checkout that it was queued from.
        checkout = Path(os.environ.get("DVC_ROOT", "."))
        point = resume_point(checkout / arguments.resume, crops, rows, taxonomy, classes, config)
        with tracked_run(
            tracking,
            checkout,
            name=f"{experiment}-fold-{arguments.fold}" if experiment else None,
            group=experiment,
            params=load_params(PARAMS) | {"fold": arguments.fold, "taxonomy_hash": taxonomy.hash},
            identity=point.identity if processes.first else None,
        ) as tracker:

            def log(epoch: Epoch, pace: Pace) -> None:
                told = asdict(epoch) | {"images_per_second": pace.images_per_second, "data_share": pace.data_share}
                tracker.log(told, epoch.epoch, histograms={"lora_gradients": pace.lora_gradients})

            trained = train(
                crops,
                rows,
                taxonomy,
                classes,
                config,
                on_epoch=log,
                resume=point,
                features=checkout / arguments.features,
                processes=processes,
            )
            tracker.summarize({"best_epoch": trained.best.epoch, "images_per_second": trained.images_per_second})
            if processes.first:
                save_model(trained.model, arguments.model)
                write_csv(trained.history_table(), arguments.model / "history.csv")
                tracker.keep("model", sorted(arguments.model.iterdir()), {"taxonomy_hash": taxonomy.hash})
                point.remove()
    select_on = config.validation.select_on
    summary(
        f"train fold {arguments.fold}: {config.backbone} on {len(rows[0])} ROIs of {len(classes)} concepts, best MHD "
        f"{trained.best.selected_mhd(select_on):.3f} (arg-max, {select_on} view) in epoch "
        f"{trained.best.epoch} of {config.epochs}, {trained.images_per_second:.0f} images/s{trained.learning_share}"
    )


if __name__ == "__main__":
    run(main)
