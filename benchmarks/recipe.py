"""Train and score the recipe of presets/laptop.yaml on the real images of ../shared, which is not in the repository."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from fathomline.config import load_section, with_values
from fathomline.crop.crop import CropConfig, crop
from fathomline.decide.averaging import averaged_by_set
from fathomline.decide.compare import compare_decoders
from fathomline.decide.decode import Decoder
from fathomline.decide.evaluate import EvaluateConfig
from fathomline.decide.metrics import bootstrap_interval
from fathomline.decide.transform_choice import choose_transforms, cross_fitted, rows_of_parts
from fathomline.download.download import DownloadConfig, download
from fathomline.lineages.lineage_table import read_lineage_table
from fathomline.machine import MachineConfig
from fathomline.model.degrade import degraded_scale, view_spans
from fathomline.model.inference import predict_logits
from fathomline.model.orientations import ORIENTATIONS
from fathomline.rois.crops import Crops, read_crops
from fathomline.sources.read_source import SourceRequest
from fathomline.split import SplitConfig, assign_folds
from fathomline.taxonomy.tree import Taxonomy
from fathomline.train.config import TrainConfig
from fathomline.train.history import Trained
from fathomline.train.train import train

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
PRESET = ROOT / "presets/laptop.yaml"
CACHE = ROOT / "cache/benchmarks"
HELD_OUT = (0, 1, 2)
LOCAL_WEIGHTS = {
    "pretrained": str(SHARED / "weights/mobilenetv2_100_in1k.safetensors"),
    "backbone_options": {"pad_type": "same"},
    "normalization": "half",
}
"""Used in place of the preset's weights, which come from the model hub; these were converted from TensorFlow Lite."""

WEIGHTS = "MobileNetV2 from ImageNet weights (`pad_type: same`, `normalization: half`)"

FROZEN = {"frozen": True, "image_size": 112, "epochs": 60, "lr": 0.003}
"""A head takes a higher learning rate than a backbone, and a frozen backbone needs larger pictures."""


HEAD_ONLY = "training only the head on frozen features at 112 px for 60 epochs with learning rate 0.003"


@dataclass(frozen=True)
class SplitCrops:
    """A data set, cropped and split."""

    crops: Crops
    taxonomy: Taxonomy
    rows: tuple[np.ndarray, np.ndarray]
    """Rows to train on, and held-out rows."""


def prepare(name: str, views: Sequence[float | str], square: bool = False) -> SplitCrops:
    """Crop ../shared/<name> with the preset, except for `views` and `square`, and hold out three of ten folds."""
    raw, out = CACHE / f"raw-{name}", CACHE / f"crops-{name}-{len(views)}{'-square' if square else ''}"
    source = SHARED / name
    if not source.exists():
        sys.exit(f"{source}: no such folder; this benchmark needs its images")
    if not raw.exists():
        images = str(source / "images")
        request = SourceRequest("coco", str(source / "train.json"), images)
        download(request, raw, DownloadConfig(), machine=MachineConfig(), labelled=True)
    if not (out / "annotations.csv").exists():
        crop(raw, out, replace(load_section(PRESET, "crop", CropConfig), views=list(views), square=square), workers=0)
    crops = read_crops(out)
    folds = assign_folds(crops.annotations, SplitConfig(folds=10)).set_index("annotation_id")
    held_out = folds.loc[crops.annotations["annotation_id"], "fold"].isin(HELD_OUT).to_numpy()
    concepts = set(crops.annotations["label"])
    lineages = read_lineage_table(source / "lineages.csv")
    taxonomy = Taxonomy(lineage for name, lineage in sorted(lineages.items()) if name in concepts)
    return SplitCrops(crops, taxonomy, (np.flatnonzero(~held_out), np.flatnonzero(held_out)))


def run(data: SplitCrops, changes: dict, seed: int) -> dict:
    """Train once, then score the held-out ROIs.

    Returns: for each set of orientations and for `auto`, the table of all decoders, and under `<set>_distances` and
        `<set>_degraded_distances` each ROI's distance with the preset's decoder; and how the training went.
    """
    config = with_values(load_section(PRESET, "train", TrainConfig), **{**LOCAL_WEIGHTS, **changes}, seed=seed)
    classes = list(data.taxonomy.concepts)
    start = time.perf_counter()
    trained = train(data.crops, data.rows, data.taxonomy, classes, config)
    seconds = time.perf_counter() - start
    thresholds = load_section(PRESET, "evaluate", EvaluateConfig).thresholds
    decoder = Decoder(data.taxonomy, classes, "tree", thresholds)
    views = predicted(data, trained, config)
    result = {
        "seconds": seconds,
        "threads": torch.get_num_threads(),
        "best_epoch": trained.best.epoch,
        "epochs": config.epochs,
        "chosen": [],
    }
    for transforms in (*views["plain"], "auto"):
        result |= scored(data, views, config.validation.select_on, transforms, decoder)
    return result


def scored(
    data: SplitCrops, views: dict[str, dict[str, np.ndarray]], headline: str, transforms: str, decoder: Decoder
) -> dict:
    """The part of `run`'s result for one set of orientations, chosen and calibrated on the `headline` view."""
    labels = data.crops.labels(decoder.classes)[data.rows[1]]
    groups = data.crops.annotations["frame_id"].to_numpy()[data.rows[1]]
    chosen = choose_transforms(transforms, views[headline], labels, groups, decoder, "risk", calibrate=True)
    judged = cross_fitted(views[headline], labels, groups, chosen.of_parts)
    table = compare_decoders(judged, decoder)
    columns = ["calibrated", "decoder", "candidates", "thresholds", "mhd", "accuracy"]
    result = {transforms: table[columns].to_dict("records")}
    for view, options in views.items():
        logits = rows_of_parts(options, groups, chosen.of_parts)
        answers = judged.decode("risk", decoder, calibrate=True, fit=False, view=logits)
        distances = data.taxonomy.row_distances(decoder.class_nodes[labels], answers).tolist()
        result[f"{transforms}_distances" if view == "plain" else f"{transforms}_{view}_distances"] = distances
    if transforms == "auto":
        result["chosen"] = [*chosen.of_parts, chosen.for_new_rois]
    return result


def predicted(data: SplitCrops, trained: Trained, config: TrainConfig) -> dict[str, dict[str, np.ndarray]]:
    """Held-out logits (rois, classes), by view (`plain`, and `degraded` if configured) and by set of orientations."""
    classifier = trained.model.classifier.to(memory_format=torch.channels_last)
    remaining = {"plain": None}
    if config.validation.degraded_size is not None:
        remaining["degraded"] = view_spans(data.crops) * degraded_scale(data.crops, config.validation.degraded_size)
    names = tuple(ORIENTATIONS)
    return {
        view: averaged_by_set(
            predict_logits(
                classifier,
                data.crops.pixels,
                data.rows[1],
                config.image_size,
                orientations=names,
                remaining=pixels,
            ),
            names,
        )
        for view, pixels in remaining.items()
    }


def score(result: dict, transforms: str, decoder: str, candidates: str, column: str = "mhd") -> float:
    """An uncalibrated score from the table of decoders."""
    table = pd.DataFrame(result[transforms])
    rows = table[(table["decoder"] == decoder) & (table["candidates"] == candidates) & ~table["calibrated"]]
    return float(rows.iloc[0][column])


def table_row(name: str, results: list[dict], groups: np.ndarray, transforms: str) -> str:
    """Means over seeds; the interval resamples groups, with each ROI's distance averaged over the seeds."""
    distances = np.mean([result[f"{transforms}_distances"] for result in results], axis=0)
    low, high = bootstrap_interval(distances, groups)
    by_seed = [np.mean(result[f"{transforms}_distances"]) for result in results]
    one_orientation = np.mean([np.mean(result["none_distances"]) for result in results])
    uncalibrated = np.mean([score(result, transforms, "risk", "tree") for result in results])
    argmax = np.mean([score(result, transforms, "argmax", "labels") for result in results])
    accuracy = np.mean([score(result, transforms, "argmax", "labels", "accuracy") for result in results])
    slowest = max(results, key=lambda result: result["seconds"])
    spread = f"{min(by_seed):.3f} to {max(by_seed):.3f}" if len(results) > 1 else "one seed"
    return (
        f"| {name} | **{distances.mean():.3f}** [{low:.3f}, {high:.3f}] | {spread} | {one_orientation:.3f} | "
        f"{uncalibrated:.3f} | {argmax:.3f} | {accuracy:.3f} | {slowest['seconds']:.0f} ({slowest['threads']}) |"
    )


@dataclass(frozen=True)
class Variant:
    """One row of a table: its differences from the preset."""

    name: str
    changes: dict
    views: tuple[float | str, ...] = (1.0,)
    square: bool = False


def run_all(name: str, training: str, variants: Sequence[Variant], seeds: Sequence[int]) -> list[str]:
    """Train each variant with each seed on ../shared/<name>; returns the table, introduced by how they are trained.

    Finished runs are stored in cache/benchmarks/, so an interrupted benchmark resumes after the last of them.
    """
    store = CACHE / f"{name}.json"
    done = json.loads(store.read_text()) if store.exists() else {}
    rows, transforms = [], load_section(PRESET, "evaluate", EvaluateConfig).test_time_augmentation
    for variant in variants:
        data = prepare(name, variant.views, variant.square)
        for seed in seeds:
            if f"{variant.name}, {seed}" not in done:
                done[f"{variant.name}, {seed}"] = run(data, variant.changes, seed)
                store.write_text(json.dumps(done))
        groups = data.crops.annotations["frame_id"].to_numpy()[data.rows[1]]
        results = [result for key, result in done.items() if key.rsplit(", ", 1)[0] == variant.name]
        rows.append(table_row(variant.name, results, groups, transforms))
    return [
        f"{len(data.rows[0])} ROIs of {len(data.taxonomy.concepts)} concepts to train on, {len(data.rows[1])} held "
        f"out: folds 0 to 2 of ten that never share an image. `presets/laptop.yaml` with {WEIGHTS}, {training}.",
        "",
        "MHD by risk over the tree, calibrated on other images and averaged over the transforms that other images "
        f"choose (`{transforms}`): mean over the seeds, 95 % interval over images, minimum and maximum over the seeds. "
        "Then MHD in one orientation, without calibration, and by arg-max. The held-out ROIs are not trained on, but "
        "their arg-max MHD chooses the epoch.",
        "",
        "| | MHD | seeds | one orientation | uncalibrated | arg-max | accuracy | longest training in s (threads) |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        *rows,
    ]
