import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fathomline.errors import InputError
from fathomline.model.backbone import build
from fathomline.model.checkpoint import Model, load_model, save_model
from fathomline.model.model_json import held_out_digest
from fathomline.rois.preprocessing import Preprocessing
from fathomline.taxonomy.tree import Taxonomy
from fathomline.train.design import design
from tests.colored_crops import CLASSES


@pytest.fixture
def model(config, taxonomy) -> Model:
    torch.manual_seed(0)
    architecture = design(config, views=2, classes=3)
    return made(build(architecture), architecture, taxonomy)


def made(classifier, architecture, taxonomy) -> Model:
    preprocessing = Preprocessing((1.0, "frame"), 20, True, "edge")
    return Model(classifier, architecture, preprocessing, "fp32", CLASSES, taxonomy.hash, held_out_digest(np.arange(9)))


def test_a_loaded_model_gives_the_logits_of_the_saved_one(model, taxonomy, tmp_path):
    save_model(model, tmp_path)
    loaded = load_model(tmp_path, taxonomy)
    views = torch.rand(4, 2, 3, 16, 16) * 255
    model.classifier.eval(), loaded.classifier.eval()
    assert torch.equal(loaded.classifier(views), model.classifier(views))
    for name in ("classes", "architecture", "preprocessing", "precision", "held_out", "taxonomy_hash"):
        assert getattr(loaded, name) == getattr(model, name)


@pytest.mark.parametrize(
    "changes",
    [{"fusion": "attention"}, {"separate_backbones": True}, {"fusion": "attention", "separate_backbones": True}],
)
def test_a_saved_model_keeps_its_fusion_and_its_separate_backbones(config, taxonomy, tmp_path, changes):
    torch.manual_seed(0)
    architecture = design(replace(config, **changes), views=2, classes=3)
    model = made(build(architecture, drop_path=0.3), architecture, taxonomy)
    save_model(model, tmp_path)
    loaded = load_model(tmp_path, taxonomy)
    views = torch.rand(4, 2, 3, 16, 16) * 255
    model.classifier.eval(), loaded.classifier.eval()
    assert torch.equal(loaded.classifier(views), model.classifier(views))
    assert loaded.architecture == architecture
    assert len(loaded.classifier.backbones) == (2 if "separate_backbones" in changes else 1)


def test_the_same_model_gives_the_same_bytes(model, taxonomy, tmp_path):
    for folder in ("one", "two"):
        save_model(model, tmp_path / folder)
    for name in ("model.safetensors", "model.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_model_of_another_taxonomy_is_refused(model, taxonomy, tmp_path):
    save_model(model, tmp_path)
    other = Taxonomy(replace(lineage, concept=f"{lineage.concept}s") for lineage in taxonomy.lineages)
    with pytest.raises(InputError, match=rf"trained with taxonomy {taxonomy.hash[:12]}.*{other.hash[:12]}"):
        load_model(tmp_path, other)


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"torn")])
def test_missing_or_damaged_weights_are_named(model, taxonomy, tmp_path, damage):
    save_model(model, tmp_path)
    damage(tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"model.safetensors: .*train again"):
        load_model(tmp_path, taxonomy)


def test_the_held_out_digest_does_not_depend_on_the_order():
    assert (
        held_out_digest(np.array([3, 1, 2]))
        == held_out_digest(np.array([1, 2, 3]))
        != held_out_digest(np.array([1, 2]))
    )


def test_a_flipped_bit_in_the_weights_is_detected(model, taxonomy, tmp_path):
    save_model(model, tmp_path)
    path = tmp_path / "model.safetensors"
    body = bytearray(path.read_bytes())
    body[-3] ^= 1
    path.write_bytes(body)
    with pytest.raises(InputError, match=r"model.safetensors: damaged, or from another training"):
        load_model(tmp_path, taxonomy)


def test_weights_without_read_permission_are_named(model, taxonomy, tmp_path, monkeypatch):
    save_model(model, tmp_path)

    def refused(_: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(InputError, match=r"model.safetensors: cannot be read: Permission denied"):
        load_model(tmp_path, taxonomy)
