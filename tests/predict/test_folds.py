import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from fathomline.errors import InputError
from fathomline.model.checkpoint import save_model
from fathomline.model.inference import predict_logits
from fathomline.model.orientations import ORIENTATIONS
from fathomline.predict import folds
from fathomline.predict.folds import Chunks, ensemble_logits, held_out_logits
from fathomline.predict.logits import read_ensemble_logits, write_ensemble_logits
from fathomline.rois.crops import read_crops
from tests.crops import with_views, write_crops
from tests.predict.conftest import CLASSES, with_classes

IDENTITY = ("identity",)


def logits_of(model, crops, rows, **options) -> np.ndarray:
    return predict_logits(model.classifier, crops.pixels, rows, 16, **options)


def test_each_model_predicts_only_its_own_fold(two_models, crops, split, taxonomy, tmp_path):
    held_out = held_out_logits(tmp_path, [1, 0], crops, split, taxonomy, IDENTITY)
    of_fold = {fold: np.flatnonzero(split["fold"] == fold) for fold in (0, 1)}
    assert held_out.folds.tolist() == [1] * 60 + [0] * 60
    assert held_out.annotation_ids.tolist() == [*of_fold[1], *of_fold[0]]
    assert held_out.logits.shape == (1, 1, 120, 3)
    expected = [logits_of(two_models[fold], crops, of_fold[fold])[0] for fold in (1, 0)]
    assert held_out.of_view("plain")[0] == pytest.approx(np.concatenate(expected), abs=1e-5)


def test_every_model_predicts_all_new_rois(two_models, crops, taxonomy, tmp_path):
    ensemble = ensemble_logits(tmp_path, [1, 0], crops, taxonomy, tuple(ORIENTATIONS))
    assert ensemble.logits.shape == (2, 8, 120, 3)
    assert (ensemble.folds, ensemble.classes) == ((1, 0), CLASSES)
    for place, fold in enumerate((1, 0)):
        expected = logits_of(two_models[fold], crops, np.arange(120), orientations=tuple(ORIENTATIONS))
        assert ensemble.logits[place] == pytest.approx(expected, abs=1e-5)


def test_without_a_test_subset_the_logits_have_no_rows(two_models, crops, taxonomy, tmp_path):
    write_crops(replace(crops, annotations=crops.annotations.head(0), pixels=crops.pixels[:0]), tmp_path / "crops")
    empty = read_crops(tmp_path / "crops")
    logits = ensemble_logits(tmp_path, [1, 0], empty, taxonomy, tuple(ORIENTATIONS), Chunks(tmp_path / "chunks"))
    write_ensemble_logits(logits, tmp_path / "test.npz")
    read = read_ensemble_logits(tmp_path / "test.npz", taxonomy)
    assert read.logits.shape == (2, 8, 0, 3)
    assert (read.folds, read.classes, read.annotation_ids.tolist()) == ((1, 0), CLASSES, [])


def test_held_out_rois_are_also_predicted_at_the_degraded_size(two_models, crops, split, taxonomy, tmp_path):
    held_out = held_out_logits(tmp_path, [0, 1], crops, split, taxonomy, IDENTITY, degraded_size=5.0)
    plain = held_out_logits(tmp_path, [0, 1], crops, split, taxonomy, IDENTITY)
    assert (plain.views, held_out.views) == (("plain",), ("plain", "degraded"))
    assert (held_out.of_view("plain") == plain.of_view("plain")).all()
    rows = np.flatnonzero(split["fold"] == 0)
    remaining = np.full((120, 1), 5.0)  # boxes of 20 px
    expected = logits_of(two_models[0], crops, rows, remaining=remaining)
    assert held_out.of_view("degraded")[:, :60] == pytest.approx(expected, abs=1e-5)
    assert np.abs(held_out.of_view("degraded") - held_out.of_view("plain")).max() > 1e-3


def test_an_interrupted_prediction_resumes_with_the_same_result(
    two_models, crops, split, taxonomy, tmp_path, monkeypatch
):
    monkeypatch.setattr(folds, "CHUNK", 25)
    uninterrupted = held_out_logits(tmp_path, [0, 1], crops, split, taxonomy, IDENTITY, 5.0)
    predicted = []

    def counting(classifier, pixels, rows, *args, **options):
        if len(predicted) == 4 and not resumed:
            raise KeyboardInterrupt
        predicted.append(len(rows))
        return predict_logits(classifier, pixels, rows, *args, **options)

    monkeypatch.setattr(folds, "predict_logits", counting)
    resumed = False
    with pytest.raises(KeyboardInterrupt):
        held_out_logits(tmp_path, [0, 1], crops, split, taxonomy, IDENTITY, 5.0, Chunks(tmp_path / "chunks"))
    resumed = True
    chunks = Chunks(tmp_path / "chunks")
    again = held_out_logits(tmp_path, [0, 1], crops, split, taxonomy, IDENTITY, 5.0, chunks)
    assert predicted == [25, 25, 10] * 4
    assert (again.logits == uninterrupted.logits).all()
    chunks.remove()
    assert not list((tmp_path / "chunks").iterdir())


def test_a_damaged_chunk_is_predicted_again(two_models, crops, taxonomy, tmp_path, capsys):
    uninterrupted = ensemble_logits(tmp_path, [0], crops, taxonomy, IDENTITY, Chunks(tmp_path / "chunks"))
    chunk = next((tmp_path / "chunks").rglob("*.safetensors"))
    body = bytearray(chunk.read_bytes())
    body[-5] ^= 64
    chunk.write_bytes(body)
    again = ensemble_logits(tmp_path, [0], crops, taxonomy, IDENTITY, Chunks(tmp_path / "chunks"))
    assert (again.logits == uninterrupted.logits).all()
    assert chunk.name in capsys.readouterr().err


def test_chunks_of_other_pixels_are_not_reused(two_models, crops, taxonomy, tmp_path):
    ensemble_logits(tmp_path, [0], crops, taxonomy, IDENTITY, Chunks(tmp_path / "chunks"))
    inverted = replace(crops, pixels=255 - crops.pixels)
    predicted = ensemble_logits(tmp_path, [0], inverted, taxonomy, IDENTITY, Chunks(tmp_path / "chunks"))
    assert (predicted.logits == ensemble_logits(tmp_path, [0], inverted, taxonomy, IDENTITY).logits).all()


def test_models_of_different_classes_are_not_mixed(two_models, crops, taxonomy, tmp_path):
    save_model(with_classes(two_models[1], *CLASSES[::-1]), tmp_path / "fold-1")
    with pytest.raises(InputError, match=r"fold-1: its classes differ from the other folds'"):
        ensemble_logits(tmp_path, [0, 1], crops, taxonomy, IDENTITY)


def test_crops_with_other_preprocessing_are_refused(two_models, crops, taxonomy, tmp_path):
    with pytest.raises(InputError, match=r"fold-0: trained on crops cut with .*views=\(1.0,\).*, but these with"):
        ensemble_logits(tmp_path, [0], with_views(crops, 3.0), taxonomy, IDENTITY)


def test_a_model_trained_with_another_split_is_refused(two_models, crops, split, taxonomy, tmp_path):
    moved = split.assign(fold=split["fold"].where(split["annotation_id"] >= 3, 1))
    with pytest.raises(InputError, match=r"fold-0/model.json: trained with another split"):
        held_out_logits(tmp_path, [0], crops, moved, taxonomy, IDENTITY)
    shutil.rmtree(tmp_path / "fold-1")
    shutil.copytree(tmp_path / "fold-0", tmp_path / "fold-1")
    with pytest.raises(InputError, match=r"fold-1/model.json: trained with another split"):
        held_out_logits(tmp_path, [1], crops, split, taxonomy, IDENTITY)


def test_a_model_of_a_fold_that_is_not_held_out_is_ignored_with_a_warning(
    two_models, crops, taxonomy, tmp_path, capsys
):
    ensemble_logits(tmp_path, [0], crops, taxonomy, IDENTITY)
    assert "fold-1 belong to folds that are not in split.held_out" in " ".join(capsys.readouterr().err.split())
    shutil.rmtree(tmp_path / "fold-1")
    ensemble_logits(tmp_path, [0], crops, taxonomy, IDENTITY)
    assert "not in split.held_out" not in capsys.readouterr().err


def test_a_model_with_reordered_classes_is_refused(two_models, taxonomy, crops, tmp_path):
    path = tmp_path / "fold-0/model.json"
    content = json.loads(path.read_text())
    content["classes"].reverse()
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"fold-0/model.json: changed since it was written"):
        ensemble_logits(tmp_path, [0], crops, taxonomy, IDENTITY)
