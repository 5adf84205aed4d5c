"""Which engine runs a bundle, and which ONNX file it takes."""

import json
import shutil

import pytest

import fathomline
from fathomline.errors import InputError
from fathomline.files import content_digest
from fathomline.predictor import load
from fathomline.predictor.onnx_engine import sealed
from tests.predictor.onnx_world import onnx_of, write_small_bundle


@pytest.fixture
def bundle(tmp_path, taxonomy, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return write_small_bundle(tmp_path / "bundle", taxonomy)


@pytest.fixture
def without_torch(monkeypatch):
    monkeypatch.setattr(load, "missing_packages", lambda names: [name for name in names if name != "onnxruntime"])


def engine_of(source, engine="auto") -> str:
    return fathomline.load(source, engine).engine.name.split()[0]


@pytest.mark.parametrize("place", ["bundle/model.onnx", "bundle.onnx"])
def test_a_bundle_with_an_onnx_file_runs_on_onnxruntime(bundle, tmp_path, place):
    assert engine_of(bundle) == "torch"
    (tmp_path / place).write_bytes(onnx_of(bundle))
    assert engine_of(bundle) == engine_of(bundle, "onnx") == engine_of(tmp_path / place) == "onnxruntime"
    assert engine_of(bundle, "torch") == "torch"


def test_torch_is_preferred_where_it_has_a_gpu(bundle, tmp_path, monkeypatch):
    (bundle / "model.onnx").write_bytes(onnx_of(bundle))
    monkeypatch.setattr(load, "_torch_has_a_gpu", lambda: True)
    assert engine_of(bundle) == "torch"
    assert engine_of(bundle, "onnx") == "onnxruntime"
    assert engine_of(bundle / "model.onnx") == "onnxruntime"


def test_torch_is_not_imported_to_look_for_a_gpu_where_there_is_no_driver(monkeypatch):
    monkeypatch.setattr(load.shutil, "which", lambda _: None)
    monkeypatch.setattr(load.Path, "exists", lambda _: False)
    monkeypatch.setattr("fathomline.model.device.best_device", lambda: pytest.fail("imported torch"))
    monkeypatch.setattr(load.platform, "system", lambda: "Linux")
    assert not load._torch_has_a_gpu()


def test_onnx_files_that_do_not_fit_are_ignored_with_a_warning(bundle, tmp_path, capsys):
    other = shutil.copytree(bundle, tmp_path / "other")
    text = (other / "bundle.json").read_text()
    changed = onnx_of(bundle).replace(b'"test-model"', b'"best-model"')
    (bundle / "model.onnx").write_bytes(changed)
    (tmp_path / "bundle.onnx").write_bytes(onnx_of(bundle))
    assert engine_of(bundle) == "onnxruntime"
    assert "bundle/model.onnx: damaged" in capsys.readouterr().err

    content = json.loads(text) | {"name": "another"}
    content["sha256"] = content_digest({key: value for key, value in content.items() if key != "sha256"})
    (other / "bundle.json").write_text(json.dumps(content))
    (bundle / "model.onnx").write_bytes(onnx_of(other))
    (tmp_path / "bundle.onnx").unlink()
    assert engine_of(bundle) == "torch"
    assert "model.onnx: exported from a bundle other than" in capsys.readouterr().err


def test_onnx_is_exported_once_to_the_cache(bundle, tmp_path, monkeypatch):
    written = []

    def write_onnx(folder, path):
        written.append(path)
        path.parent.mkdir(parents=True)
        path.write_bytes(onnx_of(folder))

    monkeypatch.setattr("fathomline.predictor.export.write_onnx", write_onnx)
    assert engine_of(bundle, "onnx") == engine_of(bundle, "onnx") == "onnxruntime"
    assert [path.parent for path in written] == [tmp_path / "cache/fathomline/onnx"]
    assert engine_of(bundle) == "torch", "the cache is for those who ask for onnx"


@pytest.mark.usefixtures("without_torch")
def test_without_torch_the_message_says_what_to_install(bundle):
    for engine, says in (
        ("auto", r"bundle: has no model.onnx that can be used.*pip install 'fathomline\[torch\]'.*fathomline export"),
        ("torch", r"the torch engine needs torch, .*pip install 'fathomline\[torch\]'"),
        ("onnx", r"bundle: has no model.onnx.*exporting it needs torch.*'fathomline\[torch,onnx\]'"),
    ):
        with pytest.raises(InputError, match=says):
            fathomline.load(bundle, engine)
    (bundle / "model.onnx").write_bytes(onnx_of(bundle))
    assert engine_of(bundle) == "onnxruntime"


def test_sources_that_are_no_bundle_are_refused(bundle, tmp_path):
    (tmp_path / "foreign.onnx").write_bytes(sealed(b"x"))
    (bundle / "model.onnx").write_bytes(onnx_of(bundle))
    for source, engine, says in (
        (tmp_path / "none.onnx", "auto", "none.onnx: no such file"),
        (tmp_path / "foreign.onnx", "auto", "foreign.onnx: ONNX Runtime .* cannot read it"),
        (bundle / "model.onnx", "torch", "the torch engine needs the folder of the bundle"),
        (tmp_path, "auto", "bundle.json: no such file"),
        (bundle, "tensorflow", "engine is 'tensorflow', expected auto, onnx or torch"),
    ):
        with pytest.raises(InputError, match=says):
            fathomline.load(source, engine)
