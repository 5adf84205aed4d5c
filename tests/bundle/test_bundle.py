"""A bundle describes itself, is reproducible, and is refused when it is damaged."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import fathomline
from fathomline.bundle.bundle import BundleConfig, copy_weights, read_bundle, read_figures, write_bundle
from fathomline.bundle.model_card import model_card
from fathomline.errors import InputError
from fathomline.files import content_digest
from tests.bundle.world import CONFIG, MEASURED, RULE
from tests.colored_crops import CLASSES


def test_the_same_models_give_the_same_bytes(trained, bundle):
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    for name in ("fold-7.safetensors", "model.onnx"):
        (bundle / name).write_bytes(b"from an earlier run")
    write_bundle(bundle, trained.models, copy_weights(trained.models, bundle), trained.taxonomy, RULE, MEASURED, CONFIG)
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
    assert set(before) == {"bundle.json", "README.md", "fold-0.safetensors", "fold-1.safetensors"}
    assert str(trained.folder) not in (bundle / "bundle.json").read_text() + (bundle / "README.md").read_text()


def test_the_model_card_has_the_front_matter_that_hubs_read(bundle):
    from huggingface_hub import ModelCard

    card = ModelCard((bundle / "README.md").read_text())
    assert card.data.license == "cc-by-4.0"
    assert (card.data.library_name, card.data.pipeline_tag) == ("fathomline", "image-classification")
    assert card.data.eval_results[0].metric_value == 1.25
    assert "1.250, 95 % interval 1.000 to 1.500" in card.text
    assert "Licence of the weights: cc-by-4.0." in card.text
    assert "| held out folds | 0 of 2 |" in card.text
    assert all(f"| {name} | species |" in card.text for name in CLASSES)


def test_names_in_a_model_card_are_escaped(trained, bundle):
    content = json.loads((bundle / "bundle.json").read_text())
    content["attribution"] = "<script>|[x](http://evil) `*"
    content["name"] = "a: b --- license: mit"
    card = model_card(content, trained.taxonomy)
    assert r"\<script\>\|\[x\]\(http://evil\) \`\*" in card
    front_matter = yaml.safe_load(card.split("---\n")[1])
    assert front_matter["license"] == "cc-by-4.0"
    assert front_matter["model-index"][0]["name"] == content["name"]


@pytest.mark.parametrize("name", ["", "two\nlines", "\x1b[31m"])
def test_a_model_name_is_one_printable_line(name):
    with pytest.raises(ValueError, match=r"name|at least 1 character"):
        BundleConfig(name, "mit", None, "float32")


def test_a_bundle_of_a_newer_format_is_refused(bundle):
    change(bundle, format=3)
    with pytest.raises(
        InputError, match=r"bundle.json: has format version 3, but fathomline .* reads versions up to 2"
    ):
        fathomline.load(bundle)


def test_a_bundle_of_the_first_format_is_read(bundle):
    change(bundle, format=1)
    assert read_bundle(bundle)[0].format == 1


def test_a_bundle_keeps_the_aphia_ids_of_ancestors(trained, bundle):
    path = bundle / "bundle.json"
    lineages = json.loads(path.read_text())["lineages"]
    lineages["Redsponge"]["ancestor_ids"] = {"Animalia": 2}
    change(bundle, lineages=lineages)
    taxonomy = read_bundle(bundle)[1]
    assert taxonomy.aphia_ids[taxonomy.node("Animalia")] == 2


def change(bundle: Path, sealed: bool = True, **changes) -> None:
    path = bundle / "bundle.json"
    content = json.loads(path.read_text()) | changes
    if sealed:
        content["sha256"] = content_digest({key: value for key, value in content.items() if key != "sha256"})
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": "1"}, "`format`"),
        ({"classes": ["Bluefish"]}, "`classes` must have 3"),
        ({"classes": ["Bluefish", "Bluefish", "Redsponge"]}, "`classes` must have 3"),
        ({"classes": ["Bluefish", "Nemo", "Redsponge"]}, "`lineages` lack Nemo"),
        ({"lineages": {}}, "hash|lineages|concept"),
        ({"taxonomy_hash": "0" * 64}, "`lineages` do not match `taxonomy_hash`"),
        ({"decision": None}, "`decision`"),
        ({"decision": {"decoder": "risk"}}, "`decision.candidates`"),
        ({"weights": {}}, "`weights`"),
        ({"weights": {"../fold-0.safetensors": "0"}}, r"names '\.\./fold-0.safetensors'"),
        ({"weights": {"fold-9.safetensors": "0" * 64}}, "fold-9.safetensors: cannot be read: No such file"),
        ({"precision": "int8"}, "`precision`"),
        ({"preprocessing": {"views": [1.0], "size": 20, "square": True, "padding": "edge"}}, "has 1 view.*expected 2"),
    ],
)
def test_a_bundle_with_an_inconsistent_description_is_refused(bundle, changes, says):
    change(bundle, **changes)
    with pytest.raises(InputError, match=says) as refused:
        fathomline.load(bundle)
    assert "\n" not in str(refused.value)


def test_an_edited_bundle_is_refused(bundle):
    change(bundle, sealed=False, classes=["Redsponge", "Greenfish", "Bluefish"])
    with pytest.raises(InputError, match="changed since it was written"):
        fathomline.load(bundle)


def test_damaged_weights_are_refused(bundle):
    path = bundle / "fold-1.safetensors"
    body = bytearray(path.read_bytes())
    body[-9] ^= 1
    path.write_bytes(body)
    with pytest.raises(InputError, match=r"fold-1.safetensors: damaged"):
        fathomline.load(bundle)


def test_damaged_weights_are_not_bundled(trained):
    path = trained.models[1].weights
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match=r"fold-1/model.safetensors: damaged"):
        copy_weights(trained.models, trained.folder / "bundle")
    path.unlink()
    with pytest.raises(InputError, match=r"fold-1/model.safetensors: no such file"):
        copy_weights(trained.models, trained.folder / "bundle")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda figures: 3, "expected a JSON object, found 3"),
        (lambda figures: {}, "`taxonomy_hash` is null, but the current taxonomy is"),
        (lambda figures: figures | {"taxonomy_hash": "x"}, "`taxonomy_hash` is 'x'"),
        (lambda figures: figures | {"mhd": None, "rois": "nine"}, "mhd, rois missing or not a number"),
        (lambda figures: figures | {"mhd_class": [1]}, "mhd_class missing or not a number"),
        (lambda figures: {key: figures[key] for key in figures if key != "ece"}, "ece missing or not a number"),
        (lambda figures: {key: figures[key] for key in figures if key != "mhd_high"}, "mhd_high missing"),
    ],
)
def test_invalid_metrics_are_refused(taxonomy, tmp_path, change, says):
    path = tmp_path / "metrics.json"
    figures = MEASURED.figures | {"taxonomy_hash": taxonomy.hash}
    path.write_text(json.dumps(figures))
    assert read_figures(path, taxonomy) == figures
    path.write_text(json.dumps(change(figures)))
    with pytest.raises(InputError, match=f"metrics.json: {says}"):
        read_figures(path, taxonomy)


def test_a_path_that_is_not_a_bundle_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"bundle.json: no such file"):
        fathomline.load(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="not a bundle; expected the folder of a bundle"):
        fathomline.load(str(tmp_path / "file"))


def test_models_with_different_classes_are_not_bundled(trained):
    other = replace(trained.models[1].description, classes=CLASSES[::-1])
    models = [trained.models[0], replace(trained.models[1], description=other)]
    weights = copy_weights(models, trained.folder / "bundle")
    with pytest.raises(InputError, match=r"fold-1: its classes, architecture or preprocessing differ"):
        write_bundle(trained.folder / "bundle", models, weights, trained.taxonomy, RULE, MEASURED, CONFIG)
