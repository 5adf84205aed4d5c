import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from fathomline.decide.calibrate import probabilities
from fathomline.errors import InputError
from fathomline.learn.backbone import build, design
from fathomline.learn.checkpoint import Model, save_model
from fathomline.learn.folds import averaged_probabilities, held_out_logits
from fathomline.model.degrade import degraded
from fathomline.model.inference import predict_logits
from fathomline.model.orientations import ORIENTATION_SETS
from fathomline.model.transforms import whole
from tests.learn.conftest import CLASSES


@pytest.fixture
def split() -> pd.DataFrame:
    return pd.DataFrame({"annotation_id": np.arange(120), "fold": np.arange(120) // 3 % 2})


@pytest.fixture
def two_models(config, taxonomy, tmp_path):
    """Untrained models of folds 0 and 1, as the train stage saves them."""
    models = []
    for fold in (0, 1):
        architecture = design(config, views=1, classes=3)
        models.append(Model(build(architecture).eval(), architecture, CLASSES, taxonomy.hash))
        save_model(models[-1], taxonomy, tmp_path / f"fold-{fold}")
    return models


def logits_of(model: Model, crops, rows: np.ndarray) -> np.ndarray:
    return predict_logits(model.classifier, crops.pixels, rows, 16)[0]


def test_each_model_answers_for_its_own_fold_and_for_no_other(two_models, crops, split, taxonomy, tmp_path):
    held_out = held_out_logits(tmp_path, [1, 0], crops, split, taxonomy)
    folds = split["fold"].to_numpy()
    assert held_out.annotations["fold"].tolist() == [1] * 60 + [0] * 60
    assert held_out.annotations["annotation_id"].tolist() == [*np.flatnonzero(folds == 1), *np.flatnonzero(folds == 0)]
    expected = [logits_of(two_models[fold], crops, np.flatnonzero(folds == fold)) for fold in (1, 0)]
    assert held_out.logits["plain"] == pytest.approx(np.concatenate(expected), abs=1e-5)


def test_held_out_rois_are_also_seen_as_coarse_as_asked_for(two_models, crops, split, taxonomy, tmp_path):
    held_out = held_out_logits(tmp_path, [0, 1], crops, split, taxonomy, degraded_size=5.0)
    rows = np.concatenate([np.flatnonzero(split["fold"] == fold) for fold in (0, 1)])
    views = degraded(whole(crops.pixels, rows, 16, torch.device("cpu")), np.full((120, 1), 5))  # boxes of 20 px
    with torch.no_grad():
        expected = torch.cat([two_models[0].classifier(views[:60]), two_models[1].classifier(views[60:])]).numpy()
    plain = held_out_logits(tmp_path, [0, 1], crops, split, taxonomy)
    assert plain.logits.keys() == {"plain"}
    assert held_out.logits.keys() == {"plain", "degraded"}
    assert (held_out.logits["plain"] == plain.logits["plain"]).all()
    assert held_out.logits["degraded"] == pytest.approx(expected, abs=1e-5)
    assert np.abs(held_out.logits["degraded"] - held_out.logits["plain"]).max() > 1e-3


def test_new_rois_get_the_mean_of_the_models_calibrated_probabilities(two_models, crops, taxonomy, tmp_path):
    mean, classes = averaged_probabilities(tmp_path, [0, 1], crops, taxonomy, temperature=2.0)
    each = [probabilities(logits_of(model, crops, np.arange(120)), 2.0) for model in two_models]
    assert classes == CLASSES
    assert mean == pytest.approx((each[0] + each[1]) / 2, abs=1e-6)


def test_models_of_different_classes_are_not_mixed(two_models, crops, taxonomy, tmp_path):
    save_model(replace(two_models[1], classes=CLASSES[::-1]), taxonomy, tmp_path / "fold-1")
    with pytest.raises(InputError, match=r"fold-1: its classes differ from the other folds'"):
        averaged_probabilities(tmp_path, [0, 1], crops, taxonomy, 1.0)


def test_crops_with_another_number_of_views_are_refused(two_models, crops, taxonomy, tmp_path):
    two_views = replace(crops, pixels=np.repeat(crops.pixels, 2, axis=1))
    with pytest.raises(InputError, match=r"pixels.npy has 2 view\(s\) and the model takes 1"):
        averaged_probabilities(tmp_path, [0], two_views, taxonomy, 1.0)


def test_a_model_of_a_fold_that_is_no_longer_asked_for_is_named(two_models, crops, taxonomy, tmp_path, capsys):
    averaged_probabilities(tmp_path, [0], crops, taxonomy, 1.0)
    assert "fold-1 are of folds that train.folds does not name" in " ".join(capsys.readouterr().err.split())
    shutil.rmtree(tmp_path / "fold-1")
    averaged_probabilities(tmp_path, [0], crops, taxonomy, 1.0)
    assert "does not name" not in capsys.readouterr().err


def test_probabilities_are_averaged_over_the_orientations(two_models, crops, split, taxonomy, tmp_path):
    rows = np.flatnonzero(split["fold"] == 0)
    laid = [crops.pixels, crops.pixels[:, :, ::-1], crops.pixels[:, :, :, ::-1], crops.pixels[:, :, ::-1, ::-1]]
    turned = [*laid, *(pixels.transpose(0, 1, 3, 2, 4) for pixels in laid)]
    for name, pictures in (("flips", laid), ("turns", turned)):
        each = [
            probabilities(logits_of(two_models[0], replace(crops, pixels=np.ascontiguousarray(p)), rows))
            for p in pictures
        ]
        held_out = held_out_logits(tmp_path, [0], crops, split, taxonomy, ORIENTATION_SETS[name])
        assert probabilities(held_out.logits["plain"]) == pytest.approx(np.mean(each, axis=0), abs=1e-4)
    all_rows, _ = averaged_probabilities(tmp_path, [0], crops, taxonomy, 1.0, ORIENTATION_SETS["turns"])
    assert all_rows[rows] == pytest.approx(probabilities(held_out.logits["plain"]), abs=1e-4)
