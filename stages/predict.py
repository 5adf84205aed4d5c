"""Predict every ROI of a subset with the trained models, and store the logits."""

import argparse
from pathlib import Path

from fathomline.model.orientations import ORIENTATION_SETS
from fathomline.predict.folds import Chunks, ensemble_logits, held_out_logits
from fathomline.predict.logits import PredictConfig, write_ensemble_logits, write_held_out_logits
from fathomline.progress import summary
from fathomline.rois.crops import read_crops
from fathomline.split import SplitConfig, read_split
from fathomline.taxonomy.reference import read_reference
from fathomline.train.config import TrainConfig
from stages import checkout, params_section, run
from stages.summaries import predict_summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "subset", choices=["train", "test"], help="train: each ROI by the model that held it out; test: by all models"
    )
    parser.add_argument("models", type=Path, help="folder of fold-0, fold-1 …")
    parser.add_argument("crops", type=Path, help="folder that the crop stage wrote for the subset")
    parser.add_argument("taxonomy", type=Path, help="taxonomy_reference.json")
    parser.add_argument("split", type=Path, help="split.csv")
    parser.add_argument("logits", type=Path, help="logits to write, as .npz")
    parser.add_argument("resume", type=Path, help="folder with the finished chunks of an interrupted prediction")
    arguments = parser.parse_args()
    training, folds = params_section("train", TrainConfig), params_section("split", SplitConfig).held_out
    transforms = ORIENTATION_SETS[params_section("predict", PredictConfig).transforms]
    taxonomy = read_reference(arguments.taxonomy)
    crops = read_crops(arguments.crops, labelled=arguments.subset == "train")
    chunks = Chunks(checkout() / arguments.resume)
    if arguments.subset == "train":
        split = read_split(arguments.split, crops.annotations)
        train = held_out_logits(
            arguments.models, folds, crops, split, taxonomy, transforms, training.validation.degraded_size, chunks
        )
        write_held_out_logits(train, arguments.logits)
        rois = len(train.annotation_ids)
    else:
        test = ensemble_logits(arguments.models, folds, crops, taxonomy, transforms, chunks)
        write_ensemble_logits(test, arguments.logits)
        rois = len(test.annotation_ids)
    chunks.remove()
    summary(predict_summary(arguments.subset, rois, len(folds), len(transforms)))


if __name__ == "__main__":
    run(main)
