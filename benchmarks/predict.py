"""Predict with a bundle and with the plain loop that one would write around the same model."""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torch import nn

from benchmarks.predict_once import predict_once
from benchmarks.recipe import LOCAL_WEIGHTS, ROOT, SHARED
from benchmarks.scale import measured
from benchmarks.side_by_side import Contender, time_alternately, timing_table, write_table
from benchmarks.synthetic import boxes, picture
from fathomline.bundle.bundle import ONNX_FILE, BundleConfig, FoldModel, Measured, copy_weights, write_bundle
from fathomline.decide.rule import DecisionRule
from fathomline.errors import InputError
from fathomline.extras import missing_packages
from fathomline.lineages import fgvc2025
from fathomline.model.backbone import build
from fathomline.model.checkpoint import Model, load_weights, rebuilt, save_model
from fathomline.model.model_json import Architecture, read_model_json
from fathomline.predictor.engine import EXPORT_PACKAGES, EngineName
from fathomline.predictor.load import load_predictor
from fathomline.predictor.predictor import Predictor
from fathomline.rois.preprocessing import Preprocessing
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy

SIZE = 96
BATCH = 32
FRAMES = 80
DISTINCT_FRAMES = 20
SINGLE_ROIS = 600
SINGLE_SIZE = (76, 69)
"""The median size of the pictures in PlanktonSet, in pixels."""

ENGINES: tuple[EngineName, ...] = ("torch", "onnx")
MEMORY_ROIS = (1_000, 10_000, 50_000)
MEMORY_FRAME = (480, 270)
"""Small, so that 50,000 ROIs take minutes: frames are closed after their ROIs are cut, and not what could pile up."""

ROUNDS = 5


@dataclass(frozen=True)
class Roi:
    path: Path
    box: list[float] | None
    """x, y, width and height in pixels; None for the whole picture."""


def write_model(folder: Path) -> Path:
    """Write a bundle of MobileNetV2 at 96 px, from ImageNet weights where ../shared has them, with a random head."""
    taxonomy = Taxonomy(sorted(fgvc2025.lineages(), key=lambda lineage: lineage.concept))
    classes = taxonomy.concepts
    half = (0.5, 0.5, 0.5)
    architecture = Architecture(
        "mobilenetv2_100", LOCAL_WEIGHTS["backbone_options"], SIZE, 1, "concat", False, len(classes), half, half
    )
    torch.manual_seed(0)
    weights = Path(LOCAL_WEIGHTS["pretrained"])
    classifier = build(architecture, str(weights) if weights.exists() else False)
    preprocessing = Preprocessing(views=(1.0,), size=SIZE, square=True, padding="edge")
    save_model(
        Model(classifier, architecture, preprocessing, "fp32", classes, taxonomy.hash, "none"), folder / "fold-0"
    )
    models = [
        FoldModel(0, read_model_json(folder / "fold-0/model.json", taxonomy), folder / "fold-0/model.safetensors")
    ]
    bundle = folder / "bundle"
    figures = {"mhd": 1.0, "mhd_constant": 2.0, "accuracy": 0.5, "ece": 0.1, "rois": 1, "frames": 1}
    rule = DecisionRule("risk", "tree", 1.0, dict.fromkeys(map(str, RANKS), 0.5), classes[0], ["identity"])
    split = {"held_out_folds": "0 of 1", "split_seed": 0}
    measured = Measured(figures | {"taxonomy_hash": taxonomy.hash}, split)
    write_bundle(bundle, models, copy_weights(models, bundle), taxonomy, rule, measured, BundleConfig("benchmark"))
    if not missing_packages(EXPORT_PACKAGES):
        from fathomline.predictor.export import write_onnx

        write_onnx(bundle, bundle / ONNX_FILE)
    return bundle


def write_frames(folder: Path, size: tuple[int, int], frames: int) -> list[Roi]:
    """Write JPEG frames, which are DISTINCT_FRAMES pictures under several names; returns their ROIs."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    rois = []
    for number in range(frames):
        path = folder / f"{number:06d}.jpg"
        if number < DISTINCT_FRAMES:
            picture(*size, generator).save(path, quality=90)
        else:
            path.unlink(missing_ok=True)
            os.link(folder / f"{number % DISTINCT_FRAMES:06d}.jpg", path)
        rois += [Roi(path, box) for box in boxes(*size, generator)]
    return rois


def single_rois(folder: Path) -> tuple[list[Roi], str]:
    """Pictures of one ROI each, and what they are: PlanktonSet if ../shared has it, otherwise synthetic ones."""
    real = sorted((SHARED / "plankton/images").glob("*"))[:SINGLE_ROIS]
    if real:
        return [Roi(path, None) for path in real], f"{len(real)} pictures of PlanktonSet, one ROI each"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(SINGLE_ROIS):
        picture(*SINGLE_SIZE, generator).save(folder / f"{number:04d}.jpg", quality=90)
    described = f"{SINGLE_ROIS} synthetic pictures of {SINGLE_SIZE[0]}×{SINGLE_SIZE[1]}, one ROI each"
    return [Roi(path, None) for path in sorted(folder.iterdir())], described


def write_boxes(rois: Sequence[Roi], path: Path) -> Path:
    """Write a CSV of boxes, as `fathomline predict` reads it."""
    lines = [",".join(map(str, [roi.path, *(roi.box or ("",) * 4)])) for roi in rois]
    path.write_text("\n".join(["path,x,y,w,h", *lines, ""]))
    return path


class PlainModel(nn.Module):
    """The same weights without the library: timm's backbone and a linear head."""

    def __init__(self, bundle: Path, predictor: Predictor) -> None:
        super().__init__()
        content = predictor.bundle
        ((file, sha256),) = content.weights.items()
        classifier = rebuilt(content.architecture, bundle, "")
        load_weights(classifier, bundle / file, sha256, "")
        self.backbone = timm.create_model(
            content.architecture.backbone, num_classes=0, **content.architecture.backbone_options
        )
        self.backbone.load_state_dict(classifier.backbones[0].state_dict())
        self.head = classifier.head
        self.default_cfg = content.architecture

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(images))


@torch.inference_mode()
def with_a_plain_loop(model: PlainModel, rois: Sequence[Roi], output: Path) -> int:
    """Open the picture of each ROI, crop, transform as timm does for this model, and predict 32 at a time."""
    half = model.default_cfg.mean
    config = resolve_data_config({"input_size": (3, SIZE, SIZE), "mean": half, "std": half}, model=model.backbone)
    transform = create_transform(**config | {"crop_pct": 1.0}, is_training=False)
    lines = []
    for start in range(0, len(rois), BATCH):
        batch = []
        for roi in rois[start : start + BATCH]:
            image = Image.open(roi.path).convert("RGB")
            if roi.box is not None:
                x, y, width, height = roi.box
                image = image.crop((x, y, x + width, y + height))
            batch.append(transform(image))
        confidence, label = model(torch.stack(batch)).softmax(dim=1).max(dim=1)
        pairs = zip(rois[start : start + BATCH], label.tolist(), confidence.tolist(), strict=True)
        lines += [f"{roi.path.name},{found},{probability}\n" for roi, found, probability in pairs]
    output.write_text("path,label,confidence\n" + "".join(lines))
    return len(rois)


def available(bundle: Path) -> dict[str, Predictor]:
    """The predictor of each engine that can be loaded here, by the engine's name."""
    predictors: dict[str, Predictor] = {}
    for engine in ENGINES:
        try:
            predictor = load_predictor(bundle, engine)
        except (ImportError, InputError) as error:
            print(f"left out: {engine} ({error})")
            continue
        if predictor.engine.name.startswith(engine):
            predictors[engine] = predictor
    return predictors


def compared(bundle: Path, rois: Sequence[Roi], scratch: Path, rounds: int) -> list[str]:
    predictors = available(bundle)
    plain = PlainModel(bundle, next(iter(predictors.values()))).eval()
    csv, output = write_boxes(rois, scratch / "boxes.csv"), scratch / "answers.csv"
    contenders = [
        Contender(f"fathomline predict, {engine}", lambda predictor=predictor: predict_once(predictor, csv, output))
        for engine, predictor in predictors.items()
    ]
    contenders.append(Contender("plain loop", lambda: with_a_plain_loop(plain, rois, scratch / "plain.csv")))
    return timing_table(time_alternately(contenders, rounds), "ROI")


def peak_memory(rois: int, engine: str, bundle: Path, folder: Path) -> int:
    """Peak memory, in bytes, of a process that predicts `rois` ROIs."""
    csv = write_boxes(write_frames(folder, MEMORY_FRAME, rois)[:rois], folder / "boxes.csv")
    arguments = [engine, str(bundle), str(csv), str(folder / "answers.csv"), str(rois)]
    _, peak = measured([sys.executable, "-m", "benchmarks.predict_once", *arguments], ROOT)
    return peak


def memory_table(bundle: Path, folder: Path) -> list[str]:
    engines = list(available(bundle))
    width, height = MEMORY_FRAME
    lines = [
        *("", f"Peak memory of the process in MiB, for ROIs in JPEG frames of {width}×{height}:", ""),
        f"| ROIs | {' | '.join(engines)} |",
        f"|---:|{'---:|' * len(engines)}",
    ]
    for count in MEMORY_ROIS:
        peaks = [peak_memory(count, engine, bundle, folder) / 2**20 for engine in engines]
        lines.append(f"| {count:,} | {' | '.join(f'{peak:,.0f}' for peak in peaks)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        bundle = write_model(scratch)
        frames = write_frames(scratch / "frames", (1920, 1080), FRAMES)
        singles, described = single_rois(scratch / "singles")
        weights = "ImageNet" if Path(LOCAL_WEIGHTS["pretrained"]).exists() else "random"
        introduction = (
            f"MobileNetV2 from {weights} weights at {SIZE} px, one view in one orientation, fp32, "
            f"{torch.get_num_threads()} threads of PyTorch; every contender has the same weights."
        )
        lines = [
            *(introduction, "", f"{FRAMES} JPEG frames of 1920×1080 with {len(frames)} boxes:", ""),
            *compared(bundle, frames, scratch, parsed.rounds),
            *("", f"{described}:", ""),
            *compared(bundle, singles, scratch, parsed.rounds),
            *memory_table(bundle, scratch / "memory"),
        ]
        write_table("predict", "Predicting", lines)


if __name__ == "__main__":
    main()
