"""The ONNX engine prepares pixels as torch does, and refuses files that it cannot trust."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
import torch

from fathomline.errors import InputError
from fathomline.model.orientations import ORIENTATIONS
from fathomline.model.transforms import oriented as oriented_by_torch
from fathomline.model.transforms import resized as resized_by_torch
from fathomline.predictor import onnx_engine
from fathomline.predictor.onnx_engine import BUNDLE_KEY, oriented, read_onnx, sealed
from fathomline.predictor.resize import resized_views
from tests.predictor.onnx_world import SIDE, SIZE, graph, onnx_of, views, write_small_bundle

CPU = torch.device("cpu")


@pytest.fixture
def bundle(tmp_path, taxonomy):
    return write_small_bundle(tmp_path / "bundle", taxonomy)


@pytest.fixture
def file(bundle):
    path = bundle / "model.onnx"
    path.write_bytes(onnx_of(bundle))
    return path


@pytest.mark.parametrize(
    ("side", "size"),
    [(72, 64), (112, 96), (128, 96), (256, 224), (280, 252), (20, 16), (17, 16), (97, 96), (300, 96), (512, 16)],
)
def test_resizing_gives_the_bytes_that_torch_gives(side, size):
    noise = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    noise[1] = np.where(noise[1] > 127, 255, 0)
    expected = resized_by_torch(noise[:, None], size, CPU)[:, 0].permute(0, 2, 3, 1).numpy()
    assert np.array_equal(resized_views(noise, size), expected)


def test_views_of_the_right_size_stay_as_they_are():
    pixels = views(1)[0]
    assert resized_views(pixels, SIZE) is pixels


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_orientations_are_those_of_torch(name):
    pixels = views(3)
    expected = oriented_by_torch(torch.from_numpy(pixels).permute(0, 1, 4, 2, 3), ORIENTATIONS[name])
    assert np.array_equal(oriented(pixels, ORIENTATIONS[name]), expected.permute(0, 1, 3, 4, 2).numpy())


def test_logits_have_the_order_of_models_orientations_and_rois(file, monkeypatch):
    engine = read_onnx(file).engine
    pixels = np.stack([engine.prepared(roi) for roi in views(5)])
    assert pixels.shape == (5, 2, SIDE, SIDE, 3)
    monkeypatch.setattr(onnx_engine, "PIXELS_PER_BATCH", 2 * 2 * SIDE**2)  # two ROIs
    logits = engine.logits(pixels, ["identity", "transpose"])
    means = pixels.mean(axis=(1, 2, 3, 4)) / 255
    assert list(logits) == ["fold-0.safetensors", "fold-1.safetensors"]
    for fold, found in enumerate(logits.values()):
        expected = means[:, None] * (np.arange(3) + 3 * fold)
        assert found == pytest.approx(np.stack([expected, expected]), abs=1e-5)
    none = engine.logits(pixels[:0], ["identity"])
    assert [found.shape for found in none.values()] == [(1, 0, 3)] * 2


def test_several_threads_get_the_same_logits(file):
    engine = read_onnx(file).engine
    pixels = [np.full((40, 2, SIDE, SIDE, 3), level, dtype=np.uint8) for level in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda rois: engine.logits(rois, list(ORIENTATIONS)), pixels))
    for level, logits in enumerate(found):
        assert logits["fold-0.safetensors"][..., 1] == pytest.approx(level / 255, abs=1e-6)


def test_the_seal_is_a_part_of_the_onnx_file(file):
    model = onnx.load_model(file)
    entry = model.metadata_props[-1]
    assert (entry.key, len(entry.value)) == ("sha256", 64)
    onnx.checker.check_model(model)


@pytest.mark.parametrize("place", [0, 40, 900, -300, -1])
def test_a_damaged_file_is_refused(file, place):
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"model.onnx: damaged: its SHA-256 is not the recorded one; get the file"):
        read_onnx(file)


def test_other_files_are_refused(file, bundle):
    content = file.read_bytes()
    for other in (b"", b"no model", content[:-1], graph(), content + b" "):
        file.write_bytes(other)
        with pytest.raises(InputError, match=r"model.onnx: truncated, or not written by"):
            read_onnx(file)
    with pytest.raises(InputError, match=r"none.onnx: no such file"):
        read_onnx(bundle / "none.onnx")
    with pytest.raises(InputError, match=r"bundle: cannot be read: Is a directory"):
        read_onnx(bundle)


def test_sealed_files_with_other_content_are_refused(file, bundle):
    text = (bundle / "bundle.json").read_text()
    cases = [
        (b"no model", r"ONNX Runtime .* cannot read it"),
        (graph(), r"its metadata lacks `bundle`"),
        (graph(metadata={BUNDLE_KEY: "{"}), r"not JSON"),
        (graph(metadata={BUNDLE_KEY: "[]"}), r"expected a JSON object"),
        (graph(metadata={BUNDLE_KEY: text.replace("Redsponge", "Bluesponge")}), r"changed since|lineages"),
        (graph(metadata={BUNDLE_KEY: text.replace('"format": 2', '"format": 3')}), r"install a newer fathomline"),
        (graph(classes=4, metadata={BUNDLE_KEY: text}), r"its graph has .* expected .* as in its bundle.json"),
    ]
    for content, says in cases:
        file.write_bytes(sealed(content))
        with pytest.raises(InputError, match=says) as refused:
            read_onnx(file)
        assert str(refused.value).startswith(str(file))
        assert "\n" not in str(refused.value)


def test_threads_follow_the_environment(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert onnx_engine._threads() == 3
    for unusable in ("", "0", "many"):
        monkeypatch.setenv("OMP_NUM_THREADS", unusable)
        assert onnx_engine._threads() >= 1
