"""Export the models of a bundle to one ONNX file, with its bundle.json in the metadata."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from fathomline.bundle.bundle import BundleContent, read_bundle
from fathomline.errors import InputError
from fathomline.files import written_whole
from fathomline.model.classifier import Classifier
from fathomline.predictor.onnx_engine import BUNDLE_KEY, parse_onnx, sealed
from fathomline.predictor.torch_engine import TorchEngine, load_torch_engine
from fathomline.version import __version__

TOLERANCE = 1e-3
"""Largest difference allowed between a logit of the exported models and that of PyTorch."""

LARGEST_FILE = 2**31 - 1
"""Bytes that an ONNX file can have. Larger models would need a second file for their weights."""

SIGNATURE = (
    "Input `pixels`: (rois, views, side, side, 3) uint8 RGB, the views of each ROI. "
    "Output `logits`: (models, rois, classes) float32. Average the probabilities of the models."
)


class NotExportable(InputError):
    """The models cannot be written as one ONNX file with the same logits."""


@dataclass(frozen=True)
class Exported:
    """An ONNX file, not yet written."""

    content: bytes
    difference: float
    """The largest difference between its logits and those of PyTorch."""


class _Ensemble(nn.Module):
    """All models of a bundle as one."""

    def __init__(self, models: list[Classifier]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)

    def forward(self, pixels: Tensor) -> Tensor:
        """(rois, views, side, side, 3) uint8 -> (models, rois, classes)"""
        views = pixels.permute(0, 1, 4, 2, 3)
        return torch.stack([model(views) for model in self.models])


def export(folder: Path) -> Exported:
    """The bundle in `folder` as an ONNX file: the same bytes each time, for the same versions of the libraries.

    Raises InputError if the bundle is damaged, and NotExportable if its models are too large, use operations that ONNX
    lacks, or give other logits than in PyTorch.
    """
    bundle, _ = read_bundle(folder)
    reference = load_torch_engine(folder, bundle, torch.device("cpu"))
    size = sum(tensor.nbytes for model in reference.models.values() for tensor in model.state_dict().values())
    if size >= LARGEST_FILE:
        raise NotExportable(
            f"{folder}: its weights take {size / 2**30:.1f} GiB as float32, but an ONNX file holds less than 2 GiB; "
            "predict with `--engine torch`, or bundle fewer folds"
        )
    model = _graph(reference, bundle, folder)
    _describe(model, bundle, (folder / "bundle.json").read_text(encoding="utf-8"))
    content = sealed(model.SerializeToString(deterministic=True))
    return Exported(content, _verified(content, reference, bundle, folder))


def write_onnx(folder: Path, path: Path) -> Exported:
    """Write the bundle in `folder` as an ONNX file. Raises InputError as `export` does."""
    exported = export(folder)
    with written_whole(path) as temporary:
        temporary.write_bytes(exported.content)
    return exported


def _graph(reference: TorchEngine, bundle: BundleContent, folder: Path) -> onnx.ModelProto:
    architecture, side = bundle.architecture, bundle.architecture.image_size
    # torch would fix a dimension of size 0 or 1.
    pixels = torch.zeros(2, architecture.views, side, side, 3, dtype=torch.uint8)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about torch's own internals
            program = torch.onnx.export(
                _Ensemble(list(reference.models.values())).eval(),
                (pixels,),
                dynamo=True,
                input_names=["pixels"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("rois")},),
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error).strip().splitlines()[0]
        raise NotExportable(
            f"{folder}: PyTorch cannot export {architecture.backbone} to ONNX: {reason}; predict with `--engine torch`"
        ) from error
    assert program is not None  # it is for `dynamo=True`
    return program.model_proto


def _describe(model: onnx.ModelProto, bundle: BundleContent, bundle_json: str) -> None:
    """Replace what the exporter recorded, such as paths of this machine, by the description of the model."""
    _strip(model.graph)
    model.producer_name, model.producer_version = "fathomline", __version__
    model.doc_string = SIGNATURE
    metadata = {
        BUNDLE_KEY: bundle_json,
        "bundle_sha256": json.loads(bundle_json)["sha256"],
        "classes": json.dumps(bundle.classes, ensure_ascii=False),
        "license": bundle.license,
        "name": bundle.name,
        "taxonomy_hash": bundle.taxonomy_hash,
        "temperature": repr(bundle.decision.temperature),
    }
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, metadata)


def _strip(graph: onnx.GraphProto) -> None:
    graph.name, graph.doc_string = "fathomline", ""
    del graph.metadata_props[:]
    del graph.value_info[:]  # readers infer the shapes between input and output
    for value in (*graph.input, *graph.output, *graph.initializer, *graph.node):
        value.doc_string = ""
        del value.metadata_props[:]
    for node in graph.node:
        for attribute in node.attribute:
            for subgraph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                _strip(subgraph)


def _verified(content: bytes, reference: TorchEngine, bundle: BundleContent, folder: Path) -> float:
    """The largest difference between the logits of both engines for random ROIs; NotExportable if it is too large."""
    architecture, side = bundle.architecture, bundle.architecture.image_size
    exported = parse_onnx(content, folder).engine
    # Neither the number of ROIs that the exporter saw, nor a single one.
    rois = np.random.default_rng(0).integers(0, 256, (5, architecture.views, side, side, 3), dtype=np.uint8)
    expected, found = (engine.logits(rois, ["identity"]) for engine in (reference, exported))
    difference = max(float(np.abs(found[file] - logits).max()) for file, logits in expected.items())
    if not difference <= TOLERANCE:
        raise NotExportable(
            f"{folder}: exported logits differ from PyTorch's by {difference:.2g}, more than {TOLERANCE}; "
            "predict with `--engine torch`"
        )
    return difference
