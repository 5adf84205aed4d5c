"""A bundle answers as the pipeline does, refuses what is damaged, and describes itself."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import fathomline
from fathomline.decide.averaging import ensemble_probabilities
from fathomline.decide.rule import DecisionRule
from fathomline.decide.submit import predictions
from fathomline.errors import InputError
from fathomline.files import content_digest
from fathomline.images.crop import crop
from fathomline.learn.backbone import build, design
from fathomline.learn.checkpoint import Model, save_model
from fathomline.learn.dataset import Crops, read_crops
from fathomline.model.inference import predict_logits
from fathomline.model.model_json import read_model_json
from fathomline.model.orientations import ORIENTATION_SETS
from fathomline.predict.bundle import BundleConfig, FoldModel, Measured, copy_weights, read_figures, write_bundle
from fathomline.predict.folds import ensemble_logits
from fathomline.predict.half_precision import store_rounded_weights
from fathomline.predict.logits import EnsembleLogits
from fathomline.predict.predictor import Prediction
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy
from tests.images.world import Raw, box, crop_config, encoded, picture
from tests.predict.conftest import CLASSES

THRESHOLDS = dict.fromkeys(map(str, RANKS), 0.4)
RULE = DecisionRule("risk", "tree", 1.3, THRESHOLDS, "Redsponge", list(ORIENTATION_SETS["flips"]))
CONFIG = BundleConfig("test-model", "cc-by-4.0", "the tests", "float32")
FIGURES = {"mhd": 1.25, "mhd_low": 1.0, "mhd_high": 1.5, "mhd_constant": 3.0, "accuracy": 0.5, "ece": 0.1, "rois": 9}
MEASURED = Measured(FIGURES | {"frames": 3, "taxonomy_hash": "x"}, {"held_out_folds": "0 of 2", "split_seed": 0})
BOXES = {1: [[2, 3, 12, 9], [20, 10, 30, 12]], 2: [[8, 8, 16, 16], [50, 50, 4, 4]], 3: [[0, 0, 40, 30]]}


@dataclass
class Trained:
    """Two folds' models on disk, a test subset, and what the pipeline answers for it."""

    folder: Path
    raw: Path
    crops: Crops
    logits: EnsembleLogits
    taxonomy: Taxonomy
    models: list[FoldModel]

    def answers(self, rule: DecisionRule = RULE):
        wanted = list(range(100, 105))
        probabilities = ensemble_probabilities(self.logits.by_fold(rule.transforms), rule.temperature)
        return predictions(wanted, self.logits.annotation_ids, probabilities, CLASSES, self.taxonomy, rule)


def spread_out(classifier, crops: Crops) -> None:
    """Let an untrained classifier answer differently from ROI to ROI."""
    logits = predict_logits(classifier, crops.pixels, np.arange(len(crops.pixels)), 16)[0]
    factor = 4 / float(logits.std(axis=0).mean())
    classifier.head.weight.data *= factor
    classifier.head.bias.data = factor * (classifier.head.bias.data - torch.from_numpy(logits.mean(axis=0)))


@pytest.fixture
def trained(config, taxonomy, tmp_path) -> Trained:
    torch.manual_seed(0)
    raw = Raw(tmp_path / "raw")
    for number in BOXES:
        # Image 3 is stored on its side: its EXIF orientation says so, and its JSON gives no size.
        exif = Image.Exif()
        exif[0x0112] = 6
        turned = {"exif": exif} if number == 3 else {}
        raw.frame(number, encoded(picture(40, 30, number), **turned))
    numbered = [(number, bbox) for number, boxes in BOXES.items() for bbox in boxes]
    raw.write([box(place, number, bbox) for place, (number, bbox) in enumerate(numbered, start=100)])
    crop(raw.folder, tmp_path / "crops", crop_config(views=[1.0, "frame"], size=20), None)
    crops = read_crops(tmp_path / "crops")
    models = []
    for fold in (0, 1):
        architecture = design(config, views=2, classes=3)
        classifier = build(architecture).eval()
        spread_out(classifier, crops)
        folder = tmp_path / f"models/fold-{fold}"
        save_model(Model(classifier, architecture, crops.preprocessing, "bf16", CLASSES, taxonomy.hash, "none"), folder)
        description = read_model_json(folder / "model.json", taxonomy)
        models.append(FoldModel(fold, description, folder / "model.safetensors"))
    logits = ensemble_logits(tmp_path / "models", [0, 1], crops, taxonomy, RULE.transforms)
    return Trained(tmp_path, raw.folder, crops, logits, taxonomy, models)


@pytest.fixture
def bundle(trained) -> Path:
    folder = trained.folder / "bundle"
    write_bundle(folder, trained.models, copy_weights(trained.models, folder), trained.taxonomy, RULE, MEASURED, CONFIG)
    return folder


def same(predicted: list[Prediction], table) -> bool:
    """Whether predictions say what predictions.csv says."""
    rows = table.to_dict("records")
    assert len(predicted) == len(rows)
    for one, row in zip(predicted, rows, strict=True):
        assert (one.name, one.accepted_name, one.rank) == (row["concept_name"], row["accepted_name"], row["rank"])
        assert one.seen == row["seen"]
        assert one.lineage == {str(rank): row[rank] for rank in RANKS if row[rank]}
        if one.seen:
            assert one.confidence == pytest.approx(row["confidence"], abs=1e-5)
            expected = {rank: row[f"{rank}_probability"] for rank in one.lineage}
            assert one.probabilities == pytest.approx(expected, abs=1e-5)
    return True


def test_a_bundle_answers_for_pictures_as_the_pipeline_does(trained, bundle):
    model = fathomline.load(bundle)
    frames = [trained.raw / f"images/{number}.png" for number in BOXES]
    predicted = model.predict(frames, list(BOXES.values()))
    assert same(predicted, trained.answers())
    assert [one.image for one in predicted] == [0, 0, 1, 1, 2]
    assert predicted[0].box == (2, 3, 12, 9)
    assert len({one.name for one in predicted if one.seen}) > 1, "the answers differ, so that none passes for another"
    outside = predicted[3]
    assert not outside.seen
    assert (outside.name, outside.confidence, outside.probabilities) == ("Redsponge", None, {})
    assert outside.reason == "bbox lies outside the frame of 40x30 pixels"


def test_without_boxes_the_whole_picture_is_one_roi(trained, bundle):
    model = fathomline.load(bundle)
    path = trained.raw / "images/1.png"
    by_path, by_picture, by_array = model.predict([path, Image.open(path), np.asarray(Image.open(path))])
    boxed = model.predict([path], [[(0, 0, 40, 30)]])[0]
    assert by_path.probabilities == by_picture.probabilities == by_array.probabilities
    assert by_path.probabilities == pytest.approx(boxed.probabilities, abs=1e-6)
    assert (by_path.box, boxed.box) == (None, (0, 0, 40, 30))


def test_what_cannot_be_seen_is_answered_with_the_reason(trained, bundle, tmp_path):
    model = fathomline.load(bundle)
    (tmp_path / "text.png").write_text("no picture")
    wrong = np.zeros((4, 4), dtype=np.uint8)
    predicted = model.predict(
        [
            tmp_path / "none.png",
            tmp_path / "text.png",
            wrong,
            trained.raw / "images/1.png",
            trained.raw / "images/1.png",
        ],
        [None, None, None, [(0, 0, float("nan"), 3)], []],
    )
    assert [one.seen for one in predicted] == [False] * 4
    reasons = ["No such file", "not an image", "array is uint8 of shape (4, 4)", "bbox has nan"]
    assert all(reason in one.reason for one, reason in zip(predicted, reasons, strict=True))
    assert model.predict([]) == []
    with pytest.raises(InputError, match="`boxes` has 1 entries for 2 images"):
        model.predict(["a", "b"], [None])


@pytest.mark.parametrize("kind", ["grey, 16 bits", "transparent", "on its side", "CMYK"])
def test_a_picture_is_seen_alike_as_a_file_and_opened(bundle, tmp_path, kind):
    model, path, whole = fathomline.load(bundle), tmp_path / "picture.png", picture(40, 30, 7)
    if kind == "grey, 16 bits":
        Image.fromarray(np.asarray(whole.convert("L")).astype(np.uint16) * 257).save(path)
    elif kind == "transparent":
        whole.putalpha(Image.fromarray(np.tile(np.arange(40, dtype=np.uint8) * 6, (30, 1))))
        whole.save(path)
    elif kind == "CMYK":
        path = tmp_path / "picture.jpg"
        whole.convert("CMYK").save(path)
    else:
        exif = Image.Exif()
        exif[0x0112] = 6
        whole.save(path, exif=exif)
    boxes = [[(3, 2, 20, 24)]] * 2
    for sizes in (None, [(40, 30)] * 2, np.array([[40, 30]] * 2)):
        by_path, opened = model.predict([path, Image.open(path)], boxes, sizes)
        assert by_path.seen
        assert by_path.probabilities == opened.probabilities


def test_boxes_may_come_in_any_iterable_of_numbers(trained, bundle):
    model, frame = fathomline.load(bundle), trained.raw / "images/1.png"
    plain = model.predict([frame], [BOXES[1]])
    for boxes in ([iter(BOXES[1])], iter([BOXES[1]]), np.array([BOXES[1]]), [list(map(np.array, BOXES[1]))]):
        given = model.predict(iter([frame]), boxes)
        assert [one.probabilities for one in given] == [one.probabilities for one in plain]
        assert json.dumps([one.box for one in given]) == json.dumps(BOXES[1])
    stacked = np.stack([np.asarray(Image.open(frame))] * 2)
    assert len(model.predict(stacked)) == 2


@pytest.mark.parametrize(
    ("images", "boxes", "says"),
    [
        ("frame.png", None, r"`images` is 'frame.png', expected a list of pictures"),
        (Path("frame.png"), None, r"`images` is .*expected a list of pictures"),
        (np.zeros((4, 4, 3), dtype=np.uint8), None, "expected a list of pictures"),
        (picture(), None, "expected a list of pictures"),
        (3, None, r"`images` is 3, expected a list"),
        ([b"bytes"], None, r"`images\[0\]` is b'bytes', expected a path"),
        ([None], None, r"`images\[0\]` is null, expected a path"),
        (["frame.png"], [3], "`boxes` has 3 for a picture, expected a list of boxes"),
    ],
)
def test_what_is_no_list_of_pictures_or_of_boxes_is_named(bundle, images, boxes, says):
    with pytest.raises(InputError, match=says):
        fathomline.load(bundle).predict(images, boxes)


def test_boxes_that_are_not_nested_are_answered_with_the_reason(trained, bundle):
    predicted = fathomline.load(bundle).predict([trained.raw / "images/1.png"], [[2, 3, 12, 9]])
    assert [one.seen for one in predicted] == [False] * 4
    assert predicted[0].reason == "bbox is 2, expected [x, y, width, height]"
    closed = Image.open(trained.raw / "images/1.png")
    closed.close()
    assert "broken image" in fathomline.load(bundle).predict([closed])[0].reason


def test_more_rois_than_are_cut_at_once_come_in_order(trained, bundle, monkeypatch):
    model = fathomline.load(bundle)
    frames = [trained.raw / f"images/{number}.png" for number in BOXES]
    whole = model.predict(frames, list(BOXES.values()))
    monkeypatch.setattr("fathomline.predict.predictor.ROIS_AT_ONCE", 2)
    for one, other in zip(whole, model.predict(frames, list(BOXES.values())), strict=True):
        assert one.name == other.name
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_a_bundle_needs_nothing_but_itself_and_the_package(trained, bundle, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(bundle, elsewhere / "bundle")
    shutil.copy(trained.raw / "images/1.png", elsewhere / "1.png")
    script = (
        "import sys, fathomline\n"
        "answer = fathomline.load('bundle').predict(['1.png'], [[(2, 3, 12, 9)]])[0]\n"
        "unwanted = {'dvc', 'peft', 'sklearn', 'plotly'} & set(sys.modules)\n"
        "print(answer.name, sorted(unwanted))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=elsewhere, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"{trained.answers()['concept_name'][0]} []"


def test_the_same_models_give_the_same_bytes(trained, bundle):
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    (bundle / "fold-7.safetensors").write_bytes(b"of an earlier run")
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
    assert "| held out folds | 0 of 2 |" in card.text
    assert all(f"| {name} | species |" in card.text for name in CLASSES)


def test_names_in_a_model_card_are_no_markup(trained, bundle):
    from fathomline.predict.bundle import model_card

    content = json.loads((bundle / "bundle.json").read_text())
    content["attribution"] = "<script>|[x](http://evil) `*"
    content["name"] = "a: b --- license: mit"
    card = model_card(content, trained.taxonomy)
    assert r"\<script\>\|\[x\]\(http://evil\) \`\*" in card
    front_matter = yaml.safe_load(card.split("---\n")[1])
    assert front_matter["license"] == "cc-by-4.0"
    assert front_matter["model-index"][0]["name"] == content["name"]


@pytest.mark.parametrize("name", ["", "two\nlines", "\x1b[31m"])
def test_a_model_has_a_name_of_one_line(name):
    with pytest.raises(ValueError, match=r"name|at least 1 character"):
        BundleConfig(name, "mit", None, "float32")


def test_a_newer_format_is_refused_by_name(bundle):
    change(bundle, format=2)
    with pytest.raises(
        InputError, match=r"bundle.json: has format version 2, and fathomline .* reads versions up to 1"
    ):
        fathomline.load(bundle)


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
        ({"classes": ["Bluefish"]}, "`classes` are not the 3"),
        ({"classes": ["Bluefish", "Bluefish", "Redsponge"]}, "`classes` are not the 3"),
        ({"classes": ["Bluefish", "Nemo", "Redsponge"]}, "`lineages` lack Nemo"),
        ({"lineages": {}}, "hash|lineages|concept"),
        ({"taxonomy_hash": "0" * 64}, "`lineages` do not give `taxonomy_hash`"),
        ({"decision": None}, "`decision`"),
        ({"decision": {"decoder": "risk"}}, "`decision.candidates`"),
        ({"weights": {}}, "`weights`"),
        ({"weights": {"../fold-0.safetensors": "0"}}, r"names '\.\./fold-0.safetensors'"),
        ({"weights": {"fold-9.safetensors": "0" * 64}}, "fold-9.safetensors: cannot be read: No such file"),
        ({"precision": "int8"}, "`precision`"),
        ({"preprocessing": {"views": [1.0], "size": 20, "square": True, "padding": "edge"}}, "has 1 views; expected 2"),
    ],
)
def test_a_bundle_whose_description_makes_no_sense_is_refused(bundle, changes, says):
    change(bundle, **changes)
    with pytest.raises(InputError, match=says) as refused:
        fathomline.load(bundle)
    assert "\n" not in str(refused.value)


def test_an_edited_bundle_is_found(bundle):
    change(bundle, sealed=False, classes=["Redsponge", "Greenfish", "Bluefish"])
    with pytest.raises(InputError, match="changed since it was written"):
        fathomline.load(bundle)


def test_damaged_weights_are_found(bundle):
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
        (lambda figures: {}, "`taxonomy_hash` is null, but the present taxonomy is"),
        (lambda figures: figures | {"taxonomy_hash": "x"}, "`taxonomy_hash` is 'x'"),
        (lambda figures: figures | {"mhd": None, "rois": "nine"}, "mhd, rois missing or not a number"),
        (lambda figures: figures | {"mhd_class": [1]}, "mhd_class missing or not a number"),
        (lambda figures: {key: figures[key] for key in figures if key != "ece"}, "ece missing or not a number"),
        (lambda figures: {key: figures[key] for key in figures if key != "mhd_high"}, "mhd_high missing"),
    ],
)
def test_metrics_that_evaluate_did_not_write_are_refused(taxonomy, tmp_path, change, says):
    path = tmp_path / "metrics.json"
    figures = MEASURED.figures | {"taxonomy_hash": taxonomy.hash}
    path.write_text(json.dumps(figures))
    assert read_figures(path, taxonomy) == figures
    path.write_text(json.dumps(change(figures)))
    with pytest.raises(InputError, match=f"metrics.json: {says}"):
        read_figures(path, taxonomy)


def test_what_is_no_bundle_is_named(tmp_path):
    with pytest.raises(InputError, match=r"bundle.json: no such file"):
        fathomline.load(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="expected the folder of a bundle, found a file"):
        fathomline.load(str(tmp_path / "file"))


def test_models_of_two_kinds_make_no_bundle(trained):
    other = replace(trained.models[1].description, classes=CLASSES[::-1])
    models = [trained.models[0], replace(trained.models[1], description=other)]
    weights = copy_weights(models, trained.folder / "bundle")
    with pytest.raises(InputError, match=r"fold-1: its classes, architecture or preprocessing differ"):
        write_bundle(trained.folder / "bundle", models, weights, trained.taxonomy, RULE, MEASURED, CONFIG)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_weights_are_stored_where_no_answer_changes(trained, dtype):
    folder = trained.folder / "half"
    stored = store_rounded_weights(trained.models, folder, dtype, trained.crops, trained.logits, trained.taxonomy, RULE)
    assert stored.dtype == dtype
    write_bundle(folder, trained.models, stored, trained.taxonomy, RULE, MEASURED, CONFIG)
    sizes = [(folder / f"fold-{fold}.safetensors").stat().st_size for fold in (0, 1)]
    assert max(sizes) < 0.6 * trained.models[0].weights.stat().st_size
    frames = [trained.raw / f"images/{number}.png" for number in BOXES]
    predicted = fathomline.load(folder).predict(frames, list(BOXES.values()))
    assert [one.name for one in predicted] == trained.answers()["concept_name"].tolist()


def test_half_weights_that_would_change_an_answer_are_not_stored(trained, capsys):
    others = replace(trained.logits, logits=np.roll(trained.logits.logits, 1, axis=2))
    stored = store_rounded_weights(
        trained.models, trained.folder / "half", "float16", trained.crops, others, trained.taxonomy, RULE
    )
    assert stored == copy_weights(trained.models, trained.folder / "half")
    assert "answers would change with float16 weights, so they stay float32" in " ".join(
        capsys.readouterr().err.split()
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda test: replace(test, folds=(0, 2)), "the folds 0, 2, and train.folds is 0, 1"),
        (lambda test: replace(test, classes=test.classes[::-1]), "other classes"),
        (lambda test: replace(test, annotation_ids=test.annotation_ids[::-1]), "other ROIs"),
    ],
)
def test_half_weights_are_not_compared_with_other_logits(trained, change, says):
    with pytest.raises(InputError, match=says):
        store_rounded_weights(
            trained.models,
            trained.folder / "half",
            "float16",
            trained.crops,
            change(trained.logits),
            trained.taxonomy,
            RULE,
        )


def test_weights_beyond_half_precision_stay_as_they_are(trained, capsys, taxonomy):
    folder = trained.models[0].weights.parent
    from fathomline.learn.checkpoint import load_model

    model = load_model(folder, taxonomy)
    model.classifier.head.weight.data[0, 0] = 1e6
    save_model(model, folder)
    models = [
        replace(trained.models[0], description=read_model_json(folder / "model.json", taxonomy)),
        trained.models[1],
    ]
    stored = store_rounded_weights(
        models, trained.folder / "half", "float16", trained.crops, trained.logits, trained.taxonomy, RULE
    )
    assert stored.dtype == "float32"
    assert "head.weight" in capsys.readouterr().err
