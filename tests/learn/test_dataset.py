import numpy as np
import pandas as pd
import pytest

from fathomline.errors import InputError
from fathomline.learn.dataset import batches, fold_rows
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


def test_batches_follow_the_order_of_the_rows(crops):
    rows = np.array([5, 3, 100, 7, 7])
    got = list(batches(crops.pixels, rows, 2))
    assert [len(batch) for batch in got] == [2, 2, 1]
    assert np.array_equal(np.concatenate(got), crops.pixels[rows])
