"""Run the models of a bundle with ONNX Runtime, from one ONNX file that holds everything a prediction needs."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as faults

from fathomline.bundle.bundle import BundleContent, parse_bundle
from fathomline.errors import InputError
from fathomline.files import parse_json
from fathomline.machine import cores
from fathomline.model.orientations import ORIENTATIONS, Orientation
from fathomline.predictor.resize import resized_views
from fathomline.taxonomy.tree import Taxonomy

REMEDY = "get the file again, or write it with `fathomline export`"

BUNDLE_KEY = "bundle"
"""Key of the metadata that holds the text of bundle.json."""

SEAL_KEY = b"sha256"
"""Key of the last entry of the metadata: the SHA-256 of everything before it in the file."""

PIXELS_PER_BATCH = 200_000
"""Input pixels that a batch may have; the activations of more do not fit the caches and take longer."""

UNREADABLE = (
    faults.Fail,
    faults.InvalidArgument,
    faults.InvalidGraph,
    faults.InvalidProtobuf,
    faults.NotImplemented,
    faults.RuntimeException,
    UnicodeDecodeError,
)
"""What onnxruntime raises for a file that it cannot read."""


class OnnxEngine:
    """The models on the CPU. On a GPU, the torch engine is used."""

    def __init__(self, session: onnxruntime.InferenceSession, bundle: BundleContent) -> None:
        self.bundle = bundle
        self.name = f"onnxruntime {onnxruntime.__version__} cpu"
        self._session = session
        self._lock = Lock()
        """Batches of several threads would compete for the same cores and memory."""

    def prepared(self, views: np.ndarray) -> np.ndarray:
        """(views, size, size, 3) uint8 -> (views, image_size, image_size, 3) uint8"""
        return resized_views(views, self.bundle.architecture.image_size)

    def logits(self, rois: np.ndarray, orientations: Sequence[str]) -> dict[str, np.ndarray]:
        architecture = self.bundle.architecture
        files = sorted(self.bundle.weights)
        logits = np.empty((len(files), len(orientations), len(rois), architecture.classes), dtype=np.float32)
        count = max(1, PIXELS_PER_BATCH // (architecture.views * architecture.image_size**2))
        for start in range(0, len(rois), count):
            batch = slice(start, start + count)
            for place, name in enumerate(orientations):
                pixels = oriented(rois[batch], ORIENTATIONS[name])
                with self._lock:
                    logits[:, place, batch] = self._session.run(["logits"], {"pixels": pixels})[0]
        return dict(zip(files, logits, strict=True))


@dataclass(frozen=True)
class OnnxModel:
    """The content of an ONNX file that `fathomline export` wrote."""

    bundle: BundleContent
    taxonomy: Taxonomy
    engine: OnnxEngine


def oriented(rois: np.ndarray, orientation: Orientation) -> np.ndarray:
    """`rois`, (rois, views, side, side, 3), in one of the eight orientations, contiguous."""
    transposed, vertically, horizontally = orientation
    turned = rois.swapaxes(2, 3) if transposed else rois
    return np.ascontiguousarray(turned[:, :, :: -1 if vertically else 1, :: -1 if horizontally else 1])


def read_onnx(path: Path) -> OnnxModel:
    """Read the ONNX file at `path`.

    Raises InputError if it cannot be read, is damaged, was written by something other than `fathomline export`, or
    holds a bundle of a newer format.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    return parse_onnx(content, path)


def parse_onnx(content: bytes, path: Path) -> OnnxModel:
    """Parse the `content` of an ONNX file; `path` names it in errors. Raises InputError as `read_onnx` does."""
    _check_seal(content, path)
    try:
        session = onnxruntime.InferenceSession(content, _options(), providers=["CPUExecutionProvider"])
        text = session.get_modelmeta().custom_metadata_map.get(BUNDLE_KEY)
    except UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: ONNX Runtime {onnxruntime.__version__} cannot read it: {reason}") from None
    if text is None:
        raise InputError(f"{path}: its metadata lacks `{BUNDLE_KEY}`; {REMEDY}")
    bundle, taxonomy = parse_bundle(parse_json(text, path), path, REMEDY)
    _check_shapes(session, bundle, path)
    return OnnxModel(bundle, taxonomy, OnnxEngine(session, bundle))


def sealed(content: bytes) -> bytes:
    """Append the checksum of a serialised ONNX model to it, as one more entry of the metadata.

    Appending is sound: protobuf merges a message with what follows it. So readers need only hash the bytes before.
    """
    return content + _seal(hashlib.sha256(content).hexdigest())


def _seal(digest: str) -> bytes:
    """Field 14 of ModelProto, `metadata_props`, with its fields 1, the key, and 2, the value."""
    value = digest.encode()
    entry = b"\x0a" + bytes([len(SEAL_KEY)]) + SEAL_KEY + b"\x12" + bytes([len(value)]) + value
    return b"\x72" + bytes([len(entry)]) + entry


def _check_seal(content: bytes, path: Path) -> None:
    length = len(_seal("0" * 64))
    body, end = memoryview(content)[:-length], content[-length:]
    if not end.startswith(_seal("0" * 64)[:-64]):
        raise InputError(f"{path}: truncated, or not written by `fathomline export`; {REMEDY}")
    if end != _seal(hashlib.sha256(body).hexdigest()):
        raise InputError(f"{path}: damaged: its SHA-256 is not the recorded one; {REMEDY}")


def _check_shapes(session: onnxruntime.InferenceSession, bundle: BundleContent, path: Path) -> None:
    architecture, side = bundle.architecture, bundle.architecture.image_size
    expected = [
        ("pixels", "tensor(uint8)", ["rois", architecture.views, side, side, 3]),
        ("logits", "tensor(float)", [len(bundle.weights), "rois", architecture.classes]),
    ]
    found = [(value.name, value.type, value.shape) for value in (*session.get_inputs(), *session.get_outputs())]
    if found != expected:
        raise InputError(f"{path}: its graph has {found}, expected {expected} as in its bundle.json; {REMEDY}")


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _threads()
    # Threads that spin while they wait take the cores from those that open and cut pictures: see benchmarks/engines.md.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors only
    return options


def _threads() -> int:
    """OMP_NUM_THREADS, as for torch, or else the number of cores that this process may use."""
    chosen = os.environ.get("OMP_NUM_THREADS", "")
    if chosen.isdecimal() and int(chosen) > 0:
        return int(chosen)
    return cores()
