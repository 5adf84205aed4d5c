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
from scipy.special import log_softmax, logsumexp

from fathomline.config import load_section
from fathomline.decide.compare import compare_decoders
from fathomline.decide.cross_fit import CrossFitting
from fathomline.decide.decode import Decoder
from fathomline.decide.evaluate import EvaluateConfig
from fathomline.decide.metrics import bootstrap_interval, row_distances
from fathomline.images.crop import CropConfig, crop
from fathomline.images.download import DownloadConfig, download
from fathomline.images.split import SplitConfig, assign_folds
from fathomline.learn.config import TrainConfig
from fathomline.learn.dataset import Crops, read_crops
from fathomline.learn.train import train
from fathomline.model.inference import predict_logits
from fathomline.model.orientations import ORIENTATION_SETS
from fathomline.taxonomy.lineage_table import read_lineage_table
from fathomline.taxonomy.tree import Taxonomy

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


def prepare(name: str, views: Sequence[float | str]) -> World:
    """Crop ../shared/<name> as the preset does, and hold out three of ten folds."""
    raw, out = CACHE / f"raw-{name}", CACHE / f"crops-{name}-{len(views)}"
    source = SHARED / name
    if not source.exists():
        sys.exit(f"{source} is not on this machine; this benchmark needs its images")
    if not raw.exists():
        settings = load_section(PRESET, "download", DownloadConfig)
        download(str(source / "train.json"), str(source / "images"), raw, settings, labelled=True)
    if not (out / "annotations.csv").exists():
        crop(raw, out, replace(load_section(PRESET, "crop", CropConfig), views=list(views)), None)
    crops = read_crops(out)
    folds = assign_folds(crops.annotations, SplitConfig(folds=10, group=None, seed=0)).set_index("annotation_id")
    held_out = folds.loc[crops.annotations["annotation_id"], "fold"].isin(HELD_OUT).to_numpy()
    concepts = set(crops.annotations["label"])
    lineages = read_lineage_table(source / "lineages.csv")
    taxonomy = Taxonomy(lineage for name, lineage in sorted(lineages.items()) if name in concepts)
    return World(crops, taxonomy, (np.flatnonzero(~held_out), np.flatnonzero(held_out)))


def run(world: World, changes: dict, seed: int) -> dict:
    """Train once; every way to decide on the held-out ROIs, and each ROI's distance by the preset's."""
    config = replace(load_section(PRESET, "train", TrainConfig), **{**AT_HAND, **changes}, seed=seed)
    classes = list(world.taxonomy.concepts)
    start = time.perf_counter()
    trained = train(world.crops, world.rows, world.taxonomy, classes, config)
    seconds = time.perf_counter() - start
    held_out = world.rows[1]
    labels = world.crops.labels(classes)[held_out]
    groups = world.crops.annotations["group"].to_numpy()[held_out]
    thresholds = load_section(PRESET, "evaluate", EvaluateConfig).thresholds
    decoder = Decoder(world.taxonomy, classes, "tree", thresholds)
    classifier = trained.model.classifier.to(memory_format=torch.channels_last)
    result = {
        "seconds": seconds,
        "threads": torch.get_num_threads(),
        "best_epoch": trained.best.epoch,
        "epochs": config.epochs,
    }
    for ways in ("none", "flips", "turns"):
        each = predict_logits(
            classifier, world.crops.pixels, held_out, config.image_size, orientations=ORIENTATION_SETS[ways]
        )
        logits = logsumexp(log_softmax(each, axis=-1), axis=0) - np.log(len(each))
        judged = CrossFitting(logits, labels, groups)
        table = compare_decoders(judged, decoder)
        result[ways] = table[["calibrated", "decoder", "candidates", "thresholds", "mhd", "accuracy"]].to_dict(
            "records"
        )
        answers = judged.decode("risk", decoder, calibrate=True, fit=False)
        result[f"{ways}_distances"] = row_distances(world.taxonomy, decoder.class_nodes[labels], answers).tolist()
    return result


def figure(result: dict, ways: str, decoder: str, candidates: str, calibrated: bool, name: str = "mhd") -> float:
    table = pd.DataFrame(result[ways])
    chosen = table[
        (table["decoder"] == decoder) & (table["candidates"] == candidates) & (table["calibrated"] == calibrated)
    ]
    return float(chosen.iloc[0][name])


def line(name: str, results: list[dict], groups: np.ndarray, ways: str) -> str:
    """Means over seeds; the interval resamples groups, with each ROI's distance averaged over the seeds."""
    distances = np.mean([result[f"{ways}_distances"] for result in results], axis=0)
    low, high = bootstrap_interval(distances, groups)
    of_seeds = [np.mean(result[f"{ways}_distances"]) for result in results]
    columns = [
        np.mean([figure(result, ways, "argmax", "labels", False) for result in results]),
        np.mean([figure(result, ways, "risk", "tree", False) for result in results]),
    ]
    plain = np.mean([np.mean(result["none_distances"]) for result in results])
    accuracy = np.mean([figure(result, ways, "argmax", "labels", False, "accuracy") for result in results])
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


def run_all(data: str, variants: Sequence[Variant], seeds: Sequence[int]) -> list[str]:
    """Train each variant with each seed, and describe what came out. Runs that are done are kept in cache/benchmarks/:
    called again, it goes on."""
    kept = CACHE / f"{data}.json"
    done = json.loads(kept.read_text()) if kept.exists() else {}
    lines, ways = [], load_section(PRESET, "evaluate", EvaluateConfig).test_time_augmentation
    for variant in variants:
        world = prepare(data, variant.views)
        for seed in seeds:
            if f"{variant.name}, {seed}" not in done:
                done[f"{variant.name}, {seed}"] = run(world, variant.changes, seed)
                kept.write_text(json.dumps(done))
        groups = world.crops.annotations["group"].to_numpy()[world.rows[1]]
        results = [result for key, result in done.items() if key.rsplit(", ", 1)[0] == variant.name]
        lines.append(line(variant.name, results, groups, ways))
    return [
        f"{len(world.rows[0])} ROIs of {len(world.taxonomy.concepts)} concepts to train on, {len(world.rows[1])} held "
        "out: folds 0 to 2 of ten that never share an image. Training never sees them, though their arg-max MHD "
        "chooses the epoch. MHD by risk over the tree, calibrated on other images, averaged over "
        f"`{ways}`: the mean over the seeds with a 95 % interval over images, and the least and greatest of the seeds; "
        "then the same without averaging over the ways, without calibration, and by arg-max.",
        "",
        "| | MHD | seeds | one way | uncalibrated | arg-max | accuracy | seconds, most (threads) |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        *lines,
    ]
