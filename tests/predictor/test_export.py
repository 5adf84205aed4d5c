"""An exported bundle answers as the bundle does, describes itself, and has the same bytes each time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import fathomline
import stages.bundle
from fathomline import cli
from fathomline.bundle.bundle import read_bundle
from fathomline.cli.export import _beside
from fathomline.model.orientations import ORIENTATIONS
from fathomline.predictor import export as exporter
from fathomline.predictor.export import NotExportable, export, write_onnx
from fathomline.predictor.onnx_engine import parse_onnx, read_onnx
from fathomline.predictor.torch_engine import load_torch_engine
from tests.bundle.world import BOXES
from tests.colored_crops import CLASSES
from tests.predictor.onnx_world import ATTENTION, views, write_small_bundle
from tests.predictor.test_predictor import same

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def rounded(tmp_path_factory):
    """A bundle with separate backbones and attention between views, with 16-bit weights, and its ONNX file."""
    from tests import colored_crops

    taxonomy = colored_crops.taxonomy.__wrapped__()
    folder = write_small_bundle(
        tmp_path_factory.mktemp("rounded") / "bundle", taxonomy, ATTENTION, torch.float16, folds=1
    )
    return folder, export(folder)


@pytest.fixture
def written(rounded, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(rounded[1].content)
    return path


def test_logits_are_those_of_torch_in_each_orientation(rounded):
    folder, exported = rounded
    reference = load_torch_engine(folder, read_bundle(folder)[0], CPU)
    engine = parse_onnx(exported.content, folder).engine
    rois = views(7)
    expected = reference.logits(np.stack([reference.prepared(roi) for roi in rois]), list(ORIENTATIONS))
    found = engine.logits(np.stack([engine.prepared(roi) for roi in rois]), list(ORIENTATIONS))
    assert list(found) == list(expected) == ["fold-0.safetensors"]
    for file, logits in expected.items():
        assert found[file].shape == logits.shape == (8, 7, 3)
        assert np.abs(found[file] - logits).max() < 1e-3
        assert logits.std(axis=1).min() > 0.1, "equal logits would hide mixed-up ROIs"
        assert np.abs(logits[0] - logits[1]).max() > 0.01, "equal logits would hide mixed-up orientations"
    assert 0 < exported.difference < 1e-3


def test_the_same_bundle_gives_the_same_bytes(rounded):
    folder, exported = rounded
    assert export(folder).content == exported.content


def test_the_file_describes_itself_and_says_nothing_about_this_machine(rounded):
    folder, exported = rounded
    model = onnx.load_model_from_string(exported.content)
    onnx.checker.check_model(model, full_check=True)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    content = json.loads((folder / "bundle.json").read_text())
    assert json.loads(metadata.pop("bundle")) == content
    assert json.loads(metadata["classes"]) == list(CLASSES)
    assert (metadata["license"], metadata["temperature"]) == ("cc-by-4.0", "1.3")
    assert (metadata["taxonomy_hash"], metadata["bundle_sha256"]) == (content["taxonomy_hash"], content["sha256"])
    assert "`logits`: (models, rois, classes)" in model.doc_string
    for told in ("File ", ".py", "torch.", "site-packages", str(Path(__file__).parents[2]), str(folder)):
        assert told.encode() not in exported.content


def test_a_bundle_answers_the_same_with_its_onnx_file_and_without_torch(trained, bundle, tmp_path):
    write_onnx(bundle, bundle / "model.onnx")
    model = fathomline.load(bundle)
    assert model.engine.name.startswith("onnxruntime")
    frames = [trained.raw / f"images/{number}.png" for number in BOXES]
    predicted = model.predict(frames, list(BOXES.values()))
    assert same(predicted, trained.answers())
    (bundle / "model.onnx").rename(tmp_path / "alone.onnx")
    script = (
        "import sys\n"
        "class Uninstalled:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('torch', 'timm', 'safetensors', 'dvc', 'wandb', 'peft', 'onnx'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Uninstalled())\n"
        "import fathomline\n"
        "model = fathomline.load('alone.onnx')\n"
        f"answers = model.predict({[str(frame) for frame in frames]}, {list(BOXES.values())})\n"
        "print([(answer.name, answer.confidence) for answer in answers])\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str([(answer.name, answer.confidence) for answer in predicted])


def test_models_that_cannot_be_one_file_are_refused(rounded, monkeypatch):
    folder, _ = rounded
    monkeypatch.setattr(exporter, "LARGEST_FILE", 1000)
    with pytest.raises(NotExportable, match=r"its weights take 0.0 GiB as float32, but an ONNX file holds less"):
        export(folder)


def test_other_logits_than_torchs_are_refused(rounded, monkeypatch):
    folder, exported = rounded
    monkeypatch.setattr(exporter, "_graph", lambda *_: onnx.load_model_from_string(exported.content))
    monkeypatch.setattr(exporter, "TOLERANCE", 0.0)
    with pytest.raises(NotExportable, match=r"exported logits differ from PyTorch's by .*, more than 0.0"):
        export(folder)


def test_operations_that_onnx_lacks_are_refused(rounded, monkeypatch):
    def fail(*_, **__):
        raise torch.onnx.OnnxExporterError("no such operation\nmore")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(NotExportable, match=r"cannot export test_resnet to ONNX: no such operation; predict with"):
        export(rounded[0])


def test_the_bundle_stage_goes_on_without_an_onnx_file_that_cannot_be_made(tmp_path, monkeypatch, capsys):
    def refuse(folder, path):
        raise NotExportable(f"{folder}: too large")

    monkeypatch.setattr(exporter, "write_onnx", refuse)
    stages.bundle._add_onnx(tmp_path / "bundle")
    assert f"warning: bundle: no model.onnx: {tmp_path}/bundle: too large" in capsys.readouterr().err


def test_the_command_writes_beside_the_bundle_and_keeps_other_files(rounded, written, tmp_path, monkeypatch, capsys):
    folder, exported = rounded
    monkeypatch.setattr(exporter, "export", lambda _: exported)
    named = tmp_path / "named"
    named.mkdir()
    monkeypatch.chdir(named)
    assert cli.main(["export", "."]) == 0
    assert (tmp_path / "named.onnx").read_bytes() == exported.content
    assert "logits differ from PyTorch's by at most" in capsys.readouterr().out
    assert cli.main(["export", str(folder), str(written)]) == 0, "the same bytes may be written again"
    assert _beside("hf://owner/name@v1") == Path("name.onnx")
    assert _beside("/models/reef.zip") == Path("/models/reef.onnx")
    written.write_bytes(b"other")
    assert cli.main(["export", str(folder), str(written)]) == 1
    assert "model.onnx: exists and differs; add --overwrite" in capsys.readouterr().err
    assert written.read_bytes() == b"other"
    assert cli.main(["export", str(folder), str(written), "--overwrite"]) == 0
    assert read_onnx(written).bundle.name == "test-model"
    assert cli.main(["export", str(folder), "model.pt"]) == 1
    assert "expected a name that ends in .onnx" in capsys.readouterr().err
    monkeypatch.setattr("fathomline.extras.missing_packages", lambda _: ["onnx", "timm"])
    assert cli.main(["export", str(folder)]) == 1
    assert "export needs onnx, timm: `pip install 'fathomline[torch,onnx]'`" in capsys.readouterr().err
