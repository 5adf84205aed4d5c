"""Throughput of the two engines on a CPU, with the same random weights and pixels.

Preparing the pixels counts: onnxruntime gets them resized by the threads that cut ROIs, torch resizes them itself.
"""

import io
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from PIL import Image

from benchmarks.side_by_side import Contender, time_alternately, timing_table, write_table
from fathomline.bundle.bundle import BundleConfig, FoldModel, Measured, copy_weights, read_bundle, write_bundle
from fathomline.decide.rule import DecisionRule
from fathomline.lineages import fgvc2025
from fathomline.model.backbone import build
from fathomline.model.checkpoint import Model, save_model
from fathomline.model.model_json import Architecture, read_model_json
from fathomline.predictor import onnx_engine
from fathomline.predictor.engine import Engine
from fathomline.predictor.export import write_onnx
from fathomline.predictor.onnx_engine import read_onnx
from fathomline.predictor.torch_engine import load_torch_engine
from fathomline.rois.preprocessing import Preprocessing
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy

ROUNDS = 3
CALLS = (8, 64)
"""ROIs per call."""
CUTTERS = 2
"""Threads that prepare ROIs, and in the second table, that decode pictures."""


@dataclass(frozen=True)
class Case:
    backbone: str
    size: int
    """Of the stored views, in pixels."""
    image_size: int
    rois: int
    """Per round."""


CASES = (Case("mobilenetv2_100", 112, 96, 512), Case("vit_small_patch16_224", 256, 224, 64))


def write_random_bundle(case: Case, folder: Path) -> Path:
    taxonomy = Taxonomy(fgvc2025.lineages())
    classes = tuple(taxonomy.concepts)
    torch.manual_seed(0)
    half = (0.5, 0.5, 0.5)
    architecture = Architecture(case.backbone, {}, case.image_size, 1, "concat", False, len(classes), half, half)
    preprocessing = Preprocessing(views=(1.0,), size=case.size, square=True, padding="edge")
    trained = folder / "model"
    classifier = build(architecture).eval()
    save_model(Model(classifier, architecture, preprocessing, "fp32", classes, taxonomy.hash, "none"), trained)
    models = [FoldModel(0, read_model_json(trained / "model.json", taxonomy), trained / "model.safetensors")]
    rule = DecisionRule("risk", "tree", 1.0, dict.fromkeys(map(str, RANKS), 0.5), classes[0], ["identity"])
    figures = {"mhd": 0, "mhd_constant": 0, "accuracy": 0, "ece": 0, "rois": 0, "frames": 0}
    bundle = folder / "bundle"
    weights = copy_weights(models, bundle)
    write_bundle(bundle, models, weights, taxonomy, rule, Measured(figures, {}), BundleConfig())
    write_onnx(bundle, bundle / "model.onnx")
    return bundle


def predict(engine: Engine, views: np.ndarray, per_call: int) -> int:
    """Logits of all `views`, (rois, 1, size, size, 3) uint8, in calls of `per_call` ROIs."""
    with ThreadPoolExecutor(CUTTERS) as pool:
        prepared = list(pool.map(engine.prepared, views))
    for start in range(0, len(views), per_call):
        engine.logits(np.stack(prepared[start : start + per_call]), ["identity"])
    return len(views)


def engines_table(case: Case, bundle: Path) -> list[str]:
    views = np.random.default_rng(0).integers(0, 256, (case.rois, 1, case.size, case.size, 3), dtype=np.uint8)
    content, _ = read_bundle(bundle)
    engines = [load_torch_engine(bundle, content, torch.device("cpu")), read_onnx(bundle / "model.onnx").engine]
    contenders = []
    for per_call in CALLS:
        for engine in engines:
            name = f"{engine.name.rsplit(' ', 1)[0]}, {per_call} ROIs per call"
            contenders.append(Contender(name, partial(predict, engine, views, per_call)))
            predict(engine, views[:per_call], per_call)
    heading = f"`{case.backbone}`, views of {case.size} px resized to {case.image_size} px"
    return [heading, "", *timing_table(time_alternately(contenders, ROUNDS), "ROI")]


def spinning_session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()  # it spins by default
    options.intra_op_num_threads = onnx_engine._threads()
    return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])


def beside_decoding(run: Callable[[], int]) -> tuple[int, int]:
    """How many ROIs `run` did, and how many JPEGs the threads beside it decoded and resized meanwhile."""
    noise = np.random.default_rng(0).integers(0, 256, (540, 960, 3), dtype=np.uint8)
    jpeg = io.BytesIO()
    Image.fromarray(noise).save(jpeg, "JPEG")
    done, stop = [0] * CUTTERS, threading.Event()

    def decode(thread: int) -> None:
        while not stop.is_set():
            Image.open(io.BytesIO(jpeg.getvalue())).convert("RGB").resize((96, 96))
            done[thread] += 1

    threads = [threading.Thread(target=decode, args=(number,)) for number in range(CUTTERS)]
    for thread in threads:
        thread.start()
    try:
        rois = run()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return rois, sum(done)


def spinning_table(case: Case, bundle: Path) -> list[str]:
    model = read_onnx(bundle / "model.onnx")
    spinning = onnx_engine.OnnxEngine(spinning_session(bundle / "model.onnx"), model.bundle)
    shape = (case.rois, 1, case.image_size, case.image_size, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    decoded: dict[str, int] = {}

    def contender(name: str, engine: Engine) -> Contender:
        def run() -> int:
            rois, pictures = beside_decoding(lambda: len(engine.logits(pixels, ["identity"])) * case.rois)
            decoded[name] = decoded.get(name, 0) + pictures
            return rois

        return Contender(name, run)

    contenders = [contender("waiting threads sleep", model.engine), contender("waiting threads spin", spinning)]
    timings = time_alternately(contenders, ROUNDS)
    rates = [f"{timing.name}: {decoded[timing.name] / sum(timing.seconds):.0f}" for timing in timings]
    heading = f"`{case.backbone}` in onnxruntime while {CUTTERS} threads decode JPEGs of 960×540 px"
    return [heading, "", *timing_table(timings, "ROI"), "", f"Pictures decoded per second: {', '.join(rates)}."]


def main() -> None:
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        bundles = [write_random_bundle(case, Path(folder) / case.backbone) for case in CASES]
        for case, bundle in zip(CASES, bundles, strict=True):
            lines += [*engines_table(case, bundle), ""]
        lines += spinning_table(CASES[0], bundles[0])
    write_table("engines", "Engines on a CPU", lines)


if __name__ == "__main__":
    main()
