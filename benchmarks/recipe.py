"""The recipe of presets/laptop.yaml on real images of ../shared, which a newcomer's machine does not have."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from fathomline.config import load_section
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
AT_HAND = {
    "pretrained": str(SHARED / "weights/mobilenetv2_100_in1k.safetensors"),
    "backbone_options": {"pad_type": "same"},
    "normalization": "half",
}
"""The hub's weights of the preset cannot be fetched everywhere; these were converted from another training."""

FROZEN = {"frozen": True, "image_size": 112, "epochs": 60, "lr": 0.003}
"""Heads learn faster than backbones, and what is not adapted to small pictures wants larger ones."""


@dataclass(frozen=True)
class World:
    """A data set, cropped and split."""

    crops: Crops
    taxonomy: Taxonomy
    rows: tuple[np.ndarray, np.ndarray]


def prepare(name: str, views: Sequence[float | str], square: bool = False) -> World:
    """Crop ../shared/<name> as the preset does, but for `views` and `square`, and hold out three of ten folds."""
    raw, out = CACHE / f"raw-{name}", CACHE / f"crops-{name}-{len(views)}{'-square' if square else ''}"
    source = SHARED / name
    if not source.exists():
        sys.exit(f"{source} is not on this machine; this benchmark needs its images")
    if not raw.exists():
        images = str(source / "images")
        download(str(source / "train.json"), images, raw, DownloadConfig(), machine=MachineConfig(), labelled=True)
    if not (out / "annotations.csv").exists():
        crop(raw, out, replace(load_section(PRESET, "crop", CropConfig), views=list(views), square=square), None)
    crops = read_crops(out)
    folds = assign_folds(crops.annotations, SplitConfig(folds=10)).set_index("annotation_id")
    held_out = folds.loc[crops.annotations["annotation_id"], "fold"].isin(HELD_OUT).to_numpy()
    concepts = set(crops.annotations["label"])
    lineages = read_lineage_table(source / "lineages.csv")
    taxonomy = Taxonomy(lineage for name, lineage in sorted(lineages.items()) if name in concepts)
    return World(crops, taxonomy, (np.flatnonzero(~held_out), np.flatnonzero(held_out)))


def run(world: World, changes: dict, seed: int) -> dict:
    """Train once; every decoder on the held-out ROIs, and each ROI's distance by the preset's, by set of transforms."""
    config = replace(load_section(PRESET, "train", TrainConfig), **{**AT_HAND, **changes}, seed=seed)
    classes = list(world.taxonomy.concepts)
    start = time.perf_counter()
    trained = train(world.crops, world.rows, world.taxonomy, classes, config)
    seconds = time.perf_counter() - start
    labels = world.crops.labels(classes)[world.rows[1]]
    groups = world.crops.annotations["frame_id"].to_numpy()[world.rows[1]]
    thresholds = load_section(PRESET, "evaluate", EvaluateConfig).thresholds
    decoder = Decoder(world.taxonomy, classes, "tree", thresholds)
    views = predicted(world, trained, config)
    result = {
        "seconds": seconds,
        "threads": torch.get_num_threads(),
        "best_epoch": trained.best.epoch,
        "epochs": config.epochs,
        "chosen": [],
    }
    for asked in (*views["plain"], "auto"):
        headline = views[config.select_on]
        chosen = choose_transforms(asked, headline, labels, groups, decoder, "risk", calibrate=True)
        judged = cross_fitted(headline, labels, groups, chosen.of_parts)
        table = compare_decoders(judged, decoder)
        result[asked] = table[["calibrated", "decoder", "candidates", "thresholds", "mhd", "accuracy"]].to_dict(
            "records"
        )
        for view, options in views.items():
            seen = rows_of_parts(options, groups, chosen.of_parts)
            answers = judged.decode("risk", decoder, calibrate=True, fit=False, view=seen)
            distances = world.taxonomy.row_distances(decoder.class_nodes[labels], answers).tolist()
            result[f"{asked}_distances" if view == "plain" else f"{asked}_{view}_distances"] = distances
        if asked == "auto":
            result["chosen"] = [*chosen.of_parts, chosen.for_new_rois]
    return result


def predicted(world: World, trained: Trained, config: TrainConfig) -> dict[str, dict[str, np.ndarray]]:
    """By view, `plain` and where asked for `degraded`, then by set of transforms: (held out, classes) logits."""
    classifier = trained.model.classifier.to(memory_format=torch.channels_last)
    remaining = {"plain": None}
    if config.degraded_size is not None:
        remaining["degraded"] = view_spans(world.crops) * degraded_scale(world.crops, config.degraded_size)
    names = tuple(ORIENTATIONS)
    return {
        view: averaged_by_set(
            predict_logits(
                classifier,
                world.crops.pixels,
                world.rows[1],
                config.image_size,
                orientations=names,
                remaining=of_view,
            ),
            names,
        )
        for view, of_view in remaining.items()
    }


def figure(result: dict, transforms: str, decoder: str, candidates: str, calibrated: bool, name: str = "mhd") -> float:
    table = pd.DataFrame(result[transforms])
    chosen = table[
        (table["decoder"] == decoder) & (table["candidates"] == candidates) & (table["calibrated"] == calibrated)
    ]
    return float(chosen.iloc[0][name])


def line(name: str, results: list[dict], groups: np.ndarray, transforms: str) -> str:
    """Means over seeds; the interval resamples groups, with each ROI's distance averaged over the seeds."""
    distances = np.mean([result[f"{transforms}_distances"] for result in results], axis=0)
    low, high = bootstrap_interval(distances, groups)
    of_seeds = [np.mean(result[f"{transforms}_distances"]) for result in results]
    columns = [
        np.mean([figure(result, transforms, "argmax", "labels", False) for result in results]),
        np.mean([figure(result, transforms, "risk", "tree", False) for result in results]),
    ]
    plain = np.mean([np.mean(result["none_distances"]) for result in results])
    accuracy = np.mean([figure(result, transforms, "argmax", "labels", False, "accuracy") for result in results])
    slowest = max(results, key=lambda result: result["seconds"])
    spread = f"{min(of_seeds):.3f} to {max(of_seeds):.3f}" if len(results) > 1 else "one seed"
    return (
        f"| {name} | **{distances.mean():.3f}** [{low:.3f}, {high:.3f}] | {spread} | {plain:.3f} | {columns[1]:.3f} | "
        f"{columns[0]:.3f} | {accuracy:.3f} | {slowest['seconds']:.0f} ({slowest['threads']}) |"
    )


@dataclass(frozen=True)
class Variant:
    """One line of a table: how it differs from the preset."""

    name: str
    changes: dict
    views: tuple[float | str, ...] = (1.0,)
    square: bool = False


def run_all(data: str, variants: Sequence[Variant], seeds: Sequence[int]) -> list[str]:
    """Train each variant with each seed, and describe what came out. Runs that are done are kept in cache/benchmarks/:
    called again, it goes on."""
    kept = CACHE / f"{data}.json"
    done = json.loads(kept.read_text()) if kept.exists() else {}
    lines, transforms = [], load_section(PRESET, "evaluate", EvaluateConfig).test_time_augmentation
    for variant in variants:
        world = prepare(data, variant.views, variant.square)
        for seed in seeds:
            if f"{variant.name}, {seed}" not in done:
                done[f"{variant.name}, {seed}"] = run(world, variant.changes, seed)
                kept.write_text(json.dumps(done))
        groups = world.crops.annotations["frame_id"].to_numpy()[world.rows[1]]
        results = [result for key, result in done.items() if key.rsplit(", ", 1)[0] == variant.name]
        lines.append(line(variant.name, results, groups, transforms))
    return [
        f"{len(world.rows[0])} ROIs of {len(world.taxonomy.concepts)} concepts to train on, {len(world.rows[1])} held "
        "out: folds 0 to 2 of ten that never share an image. Training never sees them, though their arg-max MHD "
        "chooses the epoch. MHD by risk over the tree, calibrated on other images and averaged over the transforms "
        f"that other images choose (`{transforms}`): the mean over the seeds with a 95 % interval over images, and "
        "the least and greatest of the seeds. Then the same in one orientation, without calibration, and by arg-max.",
        "",
        "| | MHD | seeds | one orientation | uncalibrated | arg-max | accuracy | seconds, most (threads) |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        *lines,
    ]
