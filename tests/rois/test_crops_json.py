import json
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from fathomline.errors import InputError
from fathomline.rois.crops_json import check_unchanged, read_crops_json, write_crops_json
from fathomline.rois.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(views=(1.0, "frame"), size=16, square=False, padding="mean")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "annotations.csv").write_text("x\n1\n")
    np.save(tmp_path / "pixels.npy", np.zeros((1, 2, 16, 16, 3), dtype=np.uint8))
    write_crops_json(tmp_path, PREPROCESSING, rois=1)
    return tmp_path


def test_crops_json_is_read_back_as_written(folder):
    crops_json = read_crops_json(folder)
    assert crops_json.preprocessing == PREPROCESSING
    assert crops_json.shape == np.load(folder / "pixels.npy").shape
    check_unchanged(folder, crops_json)


def test_crops_json_keeps_its_keys(folder):
    content = json.loads((folder / "crops.json").read_text())
    assert list(content) == [
        "views",
        "size",
        "square",
        "padding",
        "rois",
        "annotations_sha256",
        "pixels_sha256",
        "sha256",
    ]
    assert content["views"] == [1.0, "frame"]


@pytest.mark.parametrize("name", ["annotations.csv", "pixels.npy"])
def test_a_change_after_the_crop_is_detected(folder, name):
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(InputError, match=f"{name}: changed since the crop stage wrote it"):
        check_unchanged(folder, read_crops_json(folder))


INVALID = [
    {"views": ()},
    {"views": (0.0,)},
    {"views": (float("nan"),)},
    {"views": ("all",)},
    {"size": 15},
    {"size": 16.0},
    {"square": 1},
    {"padding": "black"},
]


@pytest.mark.parametrize("change", INVALID, ids=str)
def test_invalid_preprocessing_is_refused(change):
    with pytest.raises(ValidationError):
        replace(PREPROCESSING, **change)
