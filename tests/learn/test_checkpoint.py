import json
from dataclasses import replace

import pytest
import torch

from fathomline.errors import InputError
from fathomline.learn.backbone import build, design
from fathomline.learn.checkpoint import Model, load_model, save_model
from fathomline.taxonomy.tree import Taxonomy
from tests.learn.conftest import CLASSES


@pytest.fixture
def model(config, taxonomy) -> Model:
    torch.manual_seed(0)
    architecture = design(config, views=2, classes=3)
    return Model(build(architecture), architecture, CLASSES, taxonomy.hash)


def test_a_saved_model_answers_as_before(model, taxonomy, tmp_path):
    save_model(model, taxonomy, tmp_path)
    loaded = load_model(tmp_path, taxonomy)
    views = torch.rand(4, 2, 3, 16, 16) * 255
    model.classifier.eval(), loaded.classifier.eval()
    assert torch.equal(loaded.classifier(views), model.classifier(views))
    assert (loaded.classes, loaded.architecture) == (model.classes, model.architecture)


@pytest.mark.parametrize(
    "changes",
    [{"fusion": "attention"}, {"separate_backbones": True}, {"fusion": "attention", "separate_backbones": True}],
)
def test_a_saved_model_keeps_how_its_views_come_together(config, taxonomy, tmp_path, changes):
    torch.manual_seed(0)
    architecture = design(replace(config, **changes), views=2, classes=3)
    model = Model(build(architecture, drop_path=0.3), architecture, CLASSES, taxonomy.hash)
    save_model(model, taxonomy, tmp_path)
    loaded = load_model(tmp_path, taxonomy)
    views = torch.rand(4, 2, 3, 16, 16) * 255
    model.classifier.eval(), loaded.classifier.eval()
    assert torch.equal(loaded.classifier(views), model.classifier(views))
    assert loaded.architecture == architecture
    assert len(loaded.classifier.backbones) == (2 if "separate_backbones" in changes else 1)


def test_the_same_model_gives_the_same_bytes(model, taxonomy, tmp_path):
    for folder in ("one", "two"):
        save_model(model, taxonomy, tmp_path / folder)
    for name in ("model.safetensors", "model.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_model_refuses_another_taxonomy(model, taxonomy, tmp_path):
    save_model(model, taxonomy, tmp_path)
    other = Taxonomy(replace(lineage, concept=f"{lineage.concept}s") for lineage in taxonomy.lineages)
    with pytest.raises(InputError, match=rf"trained with taxonomy {taxonomy.hash[:12]}.*{other.hash[:12]}"):
        load_model(tmp_path, other)


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"torn")])
def test_missing_or_damaged_weights_are_named(model, taxonomy, tmp_path, damage):
    save_model(model, taxonomy, tmp_path)
    damage(tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"model.safetensors: .*train anew"):
        load_model(tmp_path, taxonomy)


def test_the_description_names_the_classes_and_the_taxonomy(model, taxonomy, tmp_path):
    save_model(model, taxonomy, tmp_path)
    description = json.loads((tmp_path / "model.json").read_text())
    assert description["classes"] == list(CLASSES)
    assert description["taxonomy_hash"] == taxonomy.hash
    assert description["taxonomy"]["Redsponge"][-2:] == ["Mycale", "Redsponge"]
