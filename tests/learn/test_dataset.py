import numpy as np
import pandas as pd
import pytest

from fathomline.errors import InputError
from fathomline.files import write_csv, write_json
from fathomline.images.annotations import COLUMNS
from fathomline.learn.dataset import batches, fold_rows, read_crops
from tests.learn.conftest import CLASSES


@pytest.fixture
def folds(crops) -> pd.DataFrame:
    annotation = crops.annotations["annotation_id"]
    return pd.DataFrame({"annotation_id": annotation, "fold": annotation // 3 % 4}).sample(frac=1, random_state=0)


def test_a_fold_holds_out_its_own_rows_and_trains_on_the_others(crops, folds):
    training, held_out = fold_rows(crops.annotations, folds, 1)
    assert (crops.annotations.iloc[held_out]["annotation_id"] // 3 % 4 == 1).all()
    assert sorted([*training, *held_out]) == list(range(120))
    assert len(held_out) == 30


def test_a_fold_that_is_not_there_is_named_with_those_that_are(crops, folds):
    with pytest.raises(InputError, match=r"train.folds has 7, but split.csv holds the folds 0, 1, 2, 3"):
        fold_rows(crops.annotations, folds, 7)


def test_an_roi_without_a_fold_is_named(crops, folds):
    with pytest.raises(InputError, match="no fold for 1 annotation"):
        fold_rows(crops.annotations, folds[folds["annotation_id"] != 5], 0)


def test_a_concept_that_is_no_class_is_named(crops):
    with pytest.raises(InputError, match="Redsponge"):
        crops.labels(CLASSES[:2])


def test_batches_follow_the_order_of_the_rows():
    got = [batch.tolist() for batch in batches(np.array([5, 3, 100, 7, 7]), 2)]
    assert got == [[5, 3], [100, 7], [7]]


def test_pixels_and_annotations_of_different_length_are_refused(crops, tmp_path):
    table = pd.DataFrame({column: np.arange(3) for column in COLUMNS})
    write_csv(table.assign(label="Porifera", path="rois/1.png"), tmp_path / "annotations.csv")
    write_json([1.0], tmp_path / "views.json")
    np.save(tmp_path / "pixels.npy", crops.pixels[:2])
    with pytest.raises(InputError, match=r"pixels.npy has 2 rows and annotations.csv 3"):
        read_crops(tmp_path)
    np.save(tmp_path / "pixels.npy", crops.pixels[:3])
    assert len(read_crops(tmp_path).annotations) == 3
    assert read_crops(tmp_path).views == (1.0,)


def test_views_that_are_not_those_of_the_pixels_are_refused(crops, tmp_path):
    table = pd.DataFrame({column: np.arange(3) for column in COLUMNS})
    write_csv(table.assign(label="Porifera", path="rois/1.png"), tmp_path / "annotations.csv")
    np.save(tmp_path / "pixels.npy", crops.pixels[:3])
    write_json([1.0, "frame"], tmp_path / "views.json")
    with pytest.raises(InputError, match=r"pixels.npy holds 1 view\(s\) and views.json \[1.0, 'frame'\]"):
        read_crops(tmp_path)
