import io
import zipfile
from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fathomline.errors import InputError
from fathomline.predict.logits import (
    EnsembleLogits,
    HeldOutLogits,
    held_out_annotations,
    read_ensemble_logits,
    read_held_out_logits,
    refuse_other_runs,
    write_ensemble_logits,
    write_held_out_logits,
)

TAXONOMY = SimpleNamespace(hash="a" * 64, concepts=("Bluefish", "Greenfish", "Redsponge"))
CLASSES = ("Bluefish", "Redsponge")


def held_out() -> HeldOutLogits:
    generator = np.random.default_rng(0)
    return HeldOutLogits(
        logits=generator.normal(size=(2, 2, 3, 2)).astype(np.float32),
        transforms=("identity", "flip_left_right"),
        views=("plain", "degraded"),
        annotation_ids=np.array([7, 3, 5]),
        folds=np.array([1, 1, 0]),
        classes=CLASSES,
        taxonomy_hash=TAXONOMY.hash,
    )


def ensemble() -> EnsembleLogits:
    generator = np.random.default_rng(1)
    return EnsembleLogits(
        logits=generator.normal(size=(2, 1, 3, 2)).astype(np.float32),
        folds=(4, 0),
        transforms=("identity",),
        annotation_ids=np.array([1, 2, 3]),
        classes=CLASSES,
        taxonomy_hash=TAXONOMY.hash,
    )


def same(left, right) -> bool:
    return all(np.array_equal(getattr(left, each.name), getattr(right, each.name)) for each in fields(left))


def test_logits_are_read_as_they_were_written(tmp_path):
    write_held_out_logits(held_out(), tmp_path / "train.npz")
    write_ensemble_logits(ensemble(), tmp_path / "test.npz")
    assert same(read_held_out_logits(tmp_path / "train.npz", TAXONOMY), held_out())
    assert same(read_ensemble_logits(tmp_path / "test.npz", TAXONOMY), ensemble())


def test_the_same_logits_give_the_same_bytes(tmp_path, monkeypatch):
    write_held_out_logits(held_out(), tmp_path / "a.npz")
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    write_held_out_logits(held_out(), tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_views_and_folds_are_selected_by_name():
    assert (held_out().of_view("degraded") == held_out().logits[:, 1]).all()
    by_fold = ensemble().by_fold(["identity"])
    assert list(by_fold) == [4, 0]
    assert (by_fold[0] == ensemble().logits[1]).all()
    with pytest.raises(InputError, match=r"lack the transforms rotate_90 that calibration.json asks for"):
        ensemble().by_fold(["identity", "rotate_90"])


def test_rois_get_their_annotations_fold_and_group():
    crops = pd.DataFrame({"annotation_id": [3, 5, 7, 9], "label": list("abcd")})
    split = pd.DataFrame({"annotation_id": [9, 7, 5, 3], "fold": [2, 1, 0, 1], "group": list("wxyz")})
    rows = held_out_annotations(held_out(), crops, split, "train.npz")
    assert rows["label"].tolist() == ["c", "a", "b"]
    assert rows["fold"].tolist() == [1, 1, 0]
    assert rows["group"].tolist() == ["x", "z", "y"]
    with pytest.raises(InputError, match=r"train.npz: 1 ROI\(s\) are missing from the crops: 7"):
        held_out_annotations(held_out(), crops[crops["annotation_id"] != 7], split, "train.npz")
    with pytest.raises(InputError, match=r"train.npz: 1 ROI\(s\) were predicted for a fold other than .*: 5"):
        held_out_annotations(held_out(), crops, split.replace({"fold": {0: 2}}), "train.npz")


def test_logits_of_other_folds_or_without_the_view_are_refused():
    refuse_other_runs(held_out(), [1, 0], "degraded", "train.npz")
    with pytest.raises(InputError, match=r"train.npz: has the ROIs of the folds 0, 1, but split.held_out is 0; "):
        refuse_other_runs(held_out(), [0], "plain", "train.npz")
    plain = replace(held_out(), views=("plain",), logits=held_out().logits[:, :1])
    with pytest.raises(InputError, match=r"train.npz: lacks the degraded view that train.validation.select_on names"):
        refuse_other_runs(plain, [0, 1], "degraded", "train.npz")


@pytest.mark.parametrize(
    "edit",
    [
        lambda arrays: {"classes": arrays["classes"][::-1]},
        lambda arrays: {"annotation_ids": arrays["annotation_ids"][::-1]},
        lambda arrays: {"logits": arrays["logits"] + np.float32(1e-3)},
        lambda arrays: {"sha256": np.array(["a", "b"])},
    ],
)
def test_a_plausible_edit_is_refused(edit, tmp_path):
    path = tmp_path / "train.npz"
    write_held_out_logits(held_out(), path)
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **(arrays | edit(arrays)))
    with pytest.raises(InputError, match=r"train\.npz: changed since it was written"):
        read_held_out_logits(path, TAXONOMY)


WRONG = {
    "infinite": lambda arrays: arrays | {"logits": arrays["logits"] * np.inf},
    "NaN": lambda arrays: arrays | {"logits": arrays["logits"] * np.nan},
    "float64": lambda arrays: arrays | {"logits": arrays["logits"].astype(np.float64)},
    "one class missing": lambda arrays: arrays | {"logits": arrays["logits"][..., :1]},
    "rows reversed and one lost": lambda arrays: arrays | {"annotation_ids": arrays["annotation_ids"][:0:-1]},
    "a repeated ROI": lambda arrays: arrays | {"annotation_ids": np.array([3, 3, 5])},
    "ids as floats": lambda arrays: arrays | {"annotation_ids": np.array([7.0, 3.0, 5.0])},
    "a repeated class": lambda arrays: arrays | {"classes": np.array(["Bluefish", "Bluefish"])},
    "a class of another taxonomy": lambda arrays: arrays | {"classes": np.array(["Bluefish", "Nemo"])},
    "another taxonomy": lambda arrays: arrays | {"taxonomy_hash": np.array("b" * 64)},
    "an unknown transform": lambda arrays: arrays | {"transforms": np.array(["identity", "sideways"])},
    "identity missing": lambda arrays: arrays | {"transforms": np.array(["transpose", "rotate_90"])},
    "an unknown view": lambda arrays: arrays | {"views": np.array(["plain", "best"])},
    "a negative fold": lambda arrays: arrays | {"folds": np.array([1, -1, 0])},
    "fewer folds than ROIs": lambda arrays: arrays | {"folds": np.array([1, 1])},
    "names as numbers": lambda arrays: arrays | {"classes": np.array([1, 2])},
    "pickled names": lambda arrays: arrays | {"classes": np.array(["Bluefish", "Redsponge"], dtype=object)},
    "one array too many": lambda arrays: arrays | {"extra": np.zeros(1)},
    "one array missing": lambda arrays: {name: array for name, array in arrays.items() if name != "folds"},
}


@pytest.mark.parametrize("case", WRONG)
def test_invalid_logits_are_refused(case, tmp_path):
    path = tmp_path / "train.npz"
    write_held_out_logits(held_out(), path)
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **WRONG[case](arrays))
    with pytest.raises(InputError, match=r"train\.npz: ") as refused:
        read_held_out_logits(path, TAXONOMY)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("place", range(40, 400, 8))
def test_a_flipped_bit_is_refused_or_harmless(place, tmp_path):
    path = tmp_path / "test.npz"
    write_ensemble_logits(ensemble(), path)
    body = bytearray(path.read_bytes())
    body[place] ^= 4
    path.write_bytes(body)
    found = read_or_refusal(path)
    if isinstance(found, str):
        assert "test.npz: " in found
    else:
        assert same(found, ensemble()), "a bit that the format uses was flipped unnoticed"


def read_or_refusal(path) -> EnsembleLogits | str:
    try:
        return read_ensemble_logits(path, TAXONOMY)
    except InputError as refused:
        return str(refused)


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04", b"no zip", b"\x93NUMPY"])
def test_a_file_that_is_not_an_archive_is_refused(body, tmp_path):
    (tmp_path / "test.npz").write_bytes(body)
    with pytest.raises(InputError, match=r"test\.npz: "):
        read_ensemble_logits(tmp_path / "test.npz", TAXONOMY)
    with pytest.raises(InputError, match="no such file"):
        read_ensemble_logits(tmp_path / "none.npz", TAXONOMY)


def without_a_header() -> bytes:
    return b"no array"


def with_a_header_that_never_ends() -> bytes:
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (((((("
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def with_an_invalid_character() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([*b"Nemo", 0x110000], dtype="<u4").view("<U5"))
    return stream.getvalue()


@pytest.mark.parametrize("entry", [without_a_header, with_a_header_that_never_ends, with_an_invalid_character])
def test_an_entry_that_is_not_an_array_is_refused(entry, tmp_path):
    path = tmp_path / "test.npz"
    write_ensemble_logits(ensemble(), path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in (entries | {"classes.npy": entry()}).items():
            archive.writestr(name, body)
    with pytest.raises(InputError, match=r"test\.npz: ") as refused:
        read_ensemble_logits(path, TAXONOMY)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("place", "value"), [(8, 1), (10, 8), (10, 14)], ids=["encrypted", "deflated", "compressed by LZMA"]
)
def test_an_archive_that_claims_another_compression_is_refused(place, value, tmp_path):
    path = tmp_path / "test.npz"
    write_ensemble_logits(ensemble(), path)
    body = bytearray(path.read_bytes())
    body[body.index(b"PK\x01\x02") + place] = value
    path.write_bytes(body)
    with pytest.raises(InputError, match=r"test\.npz: cannot be read as arrays"):
        read_ensemble_logits(path, TAXONOMY)


def test_repeated_folds_are_refused(tmp_path):
    write_ensemble_logits(replace(ensemble(), folds=(1, 1)), tmp_path / "test.npz")
    with pytest.raises(InputError, match=r"`folds` is 1, 1"):
        read_ensemble_logits(tmp_path / "test.npz", TAXONOMY)
