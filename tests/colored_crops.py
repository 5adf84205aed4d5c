from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from fathomline.model.classifier import Classifier
from fathomline.rois.crops import Crops
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy
from fathomline.train.config import LoraConfig, ScheduleConfig, TrainConfig, ValidationConfig
from fathomline.train.history import Trained
from tests.crops import preprocessing_of, with_views

CLASSES = ("Bluefish", "Greenfish", "Redsponge")
ON_ONE_CORE = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
"""Environment variables of processes that run in parallel on a CPU."""


def weights(trained: Trained) -> dict[str, torch.Tensor]:
    return trained.model.classifier.state_dict()


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch) -> None:
    """Train on the CPU even if there is a GPU: only there does the same seed give the same weights."""
    monkeypatch.setattr("fathomline.train.distributed.best_device", lambda number=0: torch.device("cpu"))


@pytest.fixture
def taxonomy() -> Taxonomy:
    """Two fishes of one genus, 2 steps apart, and a sponge, 12 steps from both."""
    fish = ["Animalia", "Chordata", "Teleostei", "Perciformes", "Sebastidae", "Sebastes"]
    sponge = ["Animalia", "Porifera", "Demospongiae", "Poecilosclerida", "Mycalidae", "Mycale", "Redsponge"]
    paths = {"Bluefish": [*fish, "Bluefish"], "Greenfish": [*fish, "Greenfish"], "Redsponge": sponge}
    return Taxonomy(Lineage(name, name, "species", dict(zip(RANKS, path, strict=True))) for name, path in paths.items())


@pytest.fixture
def crops() -> Crops:
    """120 noisy views of 20 px, three per frame; the class decides the colour of the centre."""
    generator = np.random.default_rng(0)
    labels = np.arange(120) % 3
    pixels = generator.integers(0, 80, size=(120, 1, 20, 20, 3))
    channel = np.array([2, 1, 0])[labels]
    pixels[np.arange(120), :, 5:15, 5:15, channel] += 120
    annotations = pd.DataFrame(
        {"annotation_id": np.arange(120), "image_id": np.arange(120) // 3, "label": np.array(CLASSES)[labels]}
    )
    annotations["frame_id"] = annotations["image_id"]
    annotations[["w", "h"]] = 20.0
    annotations[["frame_w", "frame_h"]] = 40
    return Crops(annotations, pixels.astype(np.uint8), preprocessing_of(pixels))


@pytest.fixture
def config() -> TrainConfig:
    return TrainConfig(
        backbone="test_resnet",
        image_size=16,
        frozen_copies=0,
        epochs=3,
        batch_size=16,
        lr=3e-3,
        schedule=ScheduleConfig(min_lr=1e-5),
        validation=ValidationConfig(degraded_size=None),
        lora=LoraConfig(alpha=8.0),
    )


@pytest.fixture
def thousand(crops) -> Crops:
    """1,000 ROIs, copies of the first 60."""
    rows = np.arange(1000) % 60
    annotations = crops.annotations.iloc[rows].assign(annotation_id=np.arange(1000)).reset_index(drop=True)
    return replace(crops, annotations=annotations, pixels=crops.pixels[rows])


def with_one_other_pixel(crops: Crops, roi: int) -> Crops:
    pixels = crops.pixels.copy()
    pixels[roi, 0, 3, 4, 1] ^= 1
    return replace(crops, pixels=pixels)


def flip_a_bit(path: Path) -> None:
    """Damage the last number in a file of tensors."""
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray]:
    return np.arange(90), np.arange(90, 120)


@pytest.fixture
def frozen(config) -> TrainConfig:
    return replace(config, frozen=True, epochs=2)


@pytest.fixture
def two_views(crops) -> Crops:
    """Two views: the crop and its negative."""
    return with_views(crops, 1.0, 3.0, pixels=np.concatenate([crops.pixels, 255 - crops.pixels], axis=1))


class Breakdown(Exception):
    """Simulates the sudden end of a process."""


@dataclass
class Meter:
    """Counts the ROIs that backbones process, and raises Breakdown beyond `allowed`."""

    rois: int = 0
    allowed: float = float("inf")


@pytest.fixture
def meter(monkeypatch) -> Meter:
    counted = Meter()
    features = Classifier.features

    def counting(classifier, views):
        if counted.rois + len(views) > counted.allowed:
            raise Breakdown
        counted.rois += len(views)
        return features(classifier, views)

    monkeypatch.setattr(Classifier, "features", counting)
    return counted
