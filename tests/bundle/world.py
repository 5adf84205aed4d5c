"""Fixtures: an ensemble on disk, a test subset, and the bundle made from them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from fathomline.bundle.bundle import BundleConfig, FoldModel, Measured, copy_weights, write_bundle
from fathomline.crop.crop import crop
from fathomline.decide.averaging import ensemble_probabilities
from fathomline.decide.rule import DecisionRule
from fathomline.decide.submit import predictions
from fathomline.model.backbone import build
from fathomline.model.checkpoint import Model, save_model
from fathomline.model.classifier import Classifier
from fathomline.model.inference import predict_logits
from fathomline.model.model_json import read_model_json
from fathomline.model.orientations import ORIENTATION_SETS
from fathomline.predict.folds import ensemble_logits
from fathomline.predict.logits import EnsembleLogits
from fathomline.rois.crops import Crops, read_crops
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy
from fathomline.train.design import design
from tests.colored_crops import CLASSES
from tests.frames import Raw, box, crop_config, encoded, picture

THRESHOLDS = dict.fromkeys(map(str, RANKS), 0.4)

RULE = DecisionRule("risk", "tree", 1.3, THRESHOLDS, "Redsponge", list(ORIENTATION_SETS["flips"]))

CONFIG = BundleConfig("test-model", "cc-by-4.0", "the tests", "float32")

FIGURES = {"mhd": 1.25, "mhd_low": 1.0, "mhd_high": 1.5, "mhd_constant": 3.0, "accuracy": 0.5, "ece": 0.1, "rois": 9}

MEASURED = Measured(FIGURES | {"frames": 3, "taxonomy_hash": "x"}, {"held_out_folds": "0 of 2", "split_seed": 0})

BOXES = {1: [[2, 3, 12, 9], [20, 10, 30, 12]], 2: [[8, 8, 16, 16], [50, 50, 4, 4]], 3: [[0, 0, 40, 30]]}


@dataclass
class Trained:
    """The models of two folds on disk, a test subset, and its logits."""

    folder: Path
    raw: Path
    crops: Crops
    logits: EnsembleLogits
    taxonomy: Taxonomy
    models: list[FoldModel]

    def answers(self) -> pd.DataFrame:
        """What the submit stage writes to predictions.csv."""
        annotation_ids = list(range(100, 105))
        probabilities = ensemble_probabilities(self.logits.by_fold(RULE.transforms), RULE.temperature)
        return predictions(annotation_ids, self.logits.annotation_ids, probabilities, CLASSES, self.taxonomy, RULE)


def spread_out(classifier: Classifier, crops: Crops) -> None:
    """Make the answers of an untrained classifier differ between ROIs."""
    logits = predict_logits(classifier, crops.pixels, np.arange(len(crops.pixels)), 16)[0]
    factor = 4 / float(logits.std(axis=0).mean())
    classifier.head.weight.data *= factor
    classifier.head.bias.data = factor * (classifier.head.bias.data - torch.from_numpy(logits.mean(axis=0)))


@pytest.fixture
def trained(config, taxonomy, tmp_path) -> Trained:
    torch.manual_seed(0)
    raw = Raw(tmp_path / "raw")
    for number in BOXES:
        # Image 3 is stored on its side, with an EXIF orientation. The JSON gives no size for it.
        exif = Image.Exif()
        exif[0x0112] = 6
        turned = {"exif": exif} if number == 3 else {}
        raw.frame(number, encoded(picture(40, 30, number), **turned))
    numbered = [(number, bbox) for number, boxes in BOXES.items() for bbox in boxes]
    raw.write([box(place, number, bbox) for place, (number, bbox) in enumerate(numbered, start=100)])
    crop(raw.folder, tmp_path / "crops", crop_config(views=[1.0, "frame"], size=20))
    crops = read_crops(tmp_path / "crops")
    models = []
    for fold in (0, 1):
        architecture = design(config, views=2, classes=3)
        classifier = build(architecture).eval()
        spread_out(classifier, crops)
        folder = tmp_path / f"models/fold-{fold}"
        save_model(Model(classifier, architecture, crops.preprocessing, "bf16", CLASSES, taxonomy.hash, "none"), folder)
        description = read_model_json(folder / "model.json", taxonomy)
        models.append(FoldModel(fold, description, folder / "model.safetensors"))
    logits = ensemble_logits(tmp_path / "models", [0, 1], crops, taxonomy, RULE.transforms)
    return Trained(tmp_path, raw.folder, crops, logits, taxonomy, models)


@pytest.fixture
def bundle(trained) -> Path:
    folder = trained.folder / "bundle"
    write_bundle(folder, trained.models, copy_weights(trained.models, folder), trained.taxonomy, RULE, MEASURED, CONFIG)
    return folder
