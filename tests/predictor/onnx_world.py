"""Bundles for the tests of engines: with random weights, and with an ONNX graph made by hand."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from fathomline.bundle.bundle import FoldModel, StoredWeights, copy_weights, write_bundle
from fathomline.files import sha256_of
from fathomline.model.backbone import build
from fathomline.model.checkpoint import Model, save_model, save_weights
from fathomline.model.model_json import Architecture, read_model_json
from fathomline.predictor.onnx_engine import BUNDLE_KEY, sealed
from fathomline.rois.preprocessing import Preprocessing
from fathomline.taxonomy.tree import Taxonomy
from tests.bundle.world import CONFIG, MEASURED, RULE, spread_out
from tests.colored_crops import CLASSES

SIDE, SIZE = 16, 20
"""Of the models' input and of the views, in pixels."""

CONCAT = Architecture("test_resnet", {}, SIDE, 2, "concat", False, len(CLASSES), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
ATTENTION = replace(CONCAT, fusion="attention", separate_backbones=True)


def views(count: int, side: int = SIZE) -> np.ndarray:
    """(count, 2 views, side, side, 3) uint8, noise on a gradient."""
    noise = np.random.default_rng(1).integers(0, 120, (count, 2, side, side, 3))
    return (noise + np.linspace(0, 135, side)[:, None].astype(int)).astype(np.uint8)


def write_small_bundle(
    folder: Path,
    taxonomy: Taxonomy,
    architecture: Architecture = CONCAT,
    dtype: torch.dtype | None = None,
    folds: int = 2,
) -> Path:
    """A bundle with random weights, rounded to `dtype`; its answers differ between ROIs."""
    torch.manual_seed(0)
    preprocessing = Preprocessing(views=(1.0, "frame"), size=SIZE, square=True, padding="edge")
    models = []
    for fold in range(folds):
        classifier = build(architecture).eval()
        spread_out(classifier, SimpleNamespace(pixels=views(9)))
        trained = folder.parent / f"models/fold-{fold}"
        save_model(Model(classifier, architecture, preprocessing, "fp32", CLASSES, taxonomy.hash, "none"), trained)
        description = read_model_json(trained / "model.json", taxonomy)
        models.append(FoldModel(fold, description, trained / "model.safetensors"))
        if dtype is not None:
            save_weights(classifier.state_dict(), folder / f"fold-{fold}.safetensors", dtype)
    weights = copy_weights(models, folder) if dtype is None else _rounded(folder, models, dtype)
    write_bundle(folder, models, weights, taxonomy, RULE, MEASURED, CONFIG)
    return folder


def _rounded(folder: Path, models: list[FoldModel], dtype: torch.dtype) -> StoredWeights:
    name = str(dtype).removeprefix("torch.")
    return StoredWeights({model.file: sha256_of(folder / model.file) for model in models}, name)


def graph(classes: int = len(CLASSES), metadata: dict[str, str] | None = None) -> bytes:
    """An ONNX model of the same input and output: the logits of each class are the mean colours, times its number."""
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["rois", 2, SIDE, SIDE, 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [2, "rois", classes])
    factors = np.arange(2 * classes, dtype=np.float32).reshape(2, 1, classes) / 255
    nodes = [
        helper.make_node("Cast", ["pixels"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers", "axes"], ["means"], keepdims=0),
        helper.make_node("Unsqueeze", ["means", "last"], ["column"]),
        helper.make_node("Mul", ["column", "factors"], ["logits"]),
    ]
    constants = {
        "factors": factors,
        "axes": np.array([1, 2, 3, 4], dtype=np.int64),
        "last": np.array([1], dtype=np.int64),
    }
    initializers = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    made = helper.make_graph(nodes, "test", [pixels], [logits], initializers)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, metadata or {})
    return model.SerializeToString()


def onnx_of(folder: Path) -> bytes:
    """An ONNX file of `graph` that belongs to the bundle in `folder`."""
    return sealed(graph(metadata={BUNDLE_KEY: (folder / "bundle.json").read_text()}))
