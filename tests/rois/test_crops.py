from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fathomline.errors import InputError
from fathomline.rois.crops import batches, fold_rows, read_crops
from tests.colored_crops import CLASSES
from tests.crops import with_views, write_crops


@pytest.fixture
def folds(crops) -> pd.DataFrame:
    annotation = crops.annotations["annotation_id"]
    return pd.DataFrame({"annotation_id": annotation, "fold": annotation // 3 % 4}).sample(frac=1, random_state=0)


def test_a_fold_holds_out_its_own_rows(crops, folds):
    training, held_out = fold_rows(crops.annotations, folds, 1)
    assert (crops.annotations.iloc[held_out]["annotation_id"] // 3 % 4 == 1).all()
    assert sorted([*training, *held_out]) == list(range(120))
    assert len(held_out) == 30


def test_an_unknown_fold_is_named_with_the_available_ones(crops, folds):
    with pytest.raises(InputError, match=r"split.held_out has 7, but the folds in split.csv are 0, 1, 2, 3"):
        fold_rows(crops.annotations, folds, 7)


def test_an_roi_without_a_fold_is_named(crops, folds):
    with pytest.raises(InputError, match="no fold for 1 annotation"):
        fold_rows(crops.annotations, folds[folds["annotation_id"] != 5], 0)


def test_a_concept_that_is_not_a_class_is_named(crops):
    with pytest.raises(InputError, match="Redsponge"):
        crops.labels(CLASSES[:2])


def test_batches_follow_the_order_of_the_rows():
    got = [batch.tolist() for batch in batches(np.array([5, 3, 100, 7, 7]), 2)]
    assert got == [[5, 3], [100, 7], [7]]


def test_crops_are_read_back_as_written(crops, tmp_path):
    world = with_views(crops, 1.0, "frame", pixels=np.repeat(crops.pixels, 2, axis=1))
    write_crops(world, tmp_path)
    read = read_crops(tmp_path, labelled=True)
    assert read.views == (1.0, "frame")
    assert read.preprocessing == world.preprocessing
    assert np.array_equal(read.pixels, world.pixels)
    assert read.annotations["annotation_id"].tolist() == world.annotations["annotation_id"].tolist()
    assert not read.pixels.flags.writeable


def test_crops_without_labels_are_refused_only_where_labels_are_needed(crops, tmp_path):
    write_crops(replace(crops, annotations=crops.annotations.assign(label="")), tmp_path)
    assert set(read_crops(tmp_path).annotations["label"]) == {""}
    with pytest.raises(InputError, match=r"120 row\(s\) of the training subset have no label: row 2, 3"):
        read_crops(tmp_path, labelled=True)


def test_the_digest_depends_on_pixels_table_and_preprocessing(crops):
    pixels = crops.pixels.copy()
    pixels[77, 0, 3, 3, 1] ^= 1
    worlds = [
        crops,
        replace(crops, pixels=pixels),
        replace(crops, annotations=crops.annotations.assign(w=21.0)),
        with_views(crops, 3.0),
        replace(crops, preprocessing=replace(crops.preprocessing, padding="mean")),
    ]
    assert len({world.digest for world in worlds}) == len(worlds)
