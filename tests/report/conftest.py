import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fathomline.dataset.coco import Coco
from fathomline.dataset.manifest import Record
from fathomline.decide.evaluate import EvaluateConfig, Evaluation, evaluate
from fathomline.report.data_set import DataSet
from fathomline.report.page import Results
from fathomline.report.raw_subset import RawSubset
from fathomline.report.tables import all_tables
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy
from tests.browser import browser

FISH = ["Animalia", "Chordata", "Teleostei", "Perciformes", "Sebastidae", "Sebastes"]
PATHS = {
    "Sebastes": FISH,
    "Sebastes diploproa": [*FISH, "Sebastes diploproa"],
    "Sebastes ruberrimus": [*FISH, "Sebastes ruberrimus"],
    "Porifera": ["Animalia", "Porifera"],
    "Gastropoda": ["Animalia", "Mollusca", "Gastropoda"],
    "<b>Kelp</b> & </script>": ["Chromista", "<b>Kelp</b> & </script>"],
    "Never seen": ["Animalia", "Never seen"],
}
CLASSES = list(PATHS)
HOSTILE_BELOW_ANIMALIA = [
    '<a href="https://example.org/">Kelp</a>',
    "<b>bold</b><br>x<sup>2</sup>",
    "&lt;b&gt; &amp; &#60;",
    "</script><script>alert(1)</script>",
    "{{ results.title }}",
    "%{customdata} {x}",
    "<extra>%{y}</extra>",
    "$x^2$",
    "A|B",
    "A",
    "constructor",
    "toString",
    "quo\"te's \\ back",
    "no data",
    "root",
    "0",
    "1",
    "2026-01-01",
    "=1+1",
    f"Long {'name ' * 80}ends",
    f"Long {'name ' * 90}ends",
]
"""Names of phyla."""

HOSTILE_PATHS = {
    **{name: ["Animalia", name] for name in HOSTILE_BELOW_ANIMALIA},
    "R": ["Animalia", "R"],
    "R (no class)": ["Animalia", "R", "R (no class)"],
    "all kingdoms": ["all kingdoms"],
    "all kingdoms below": ["all kingdoms", "all kingdoms below"],
    "hasOwnProperty": ["__proto__", "hasOwnProperty"],
}
FRAME = (80, 60)
"""Width and height of every frame in pixels."""

BOX = {"x": 8.0, "y": 15.0, "w": 40.0, "h": 30.0}
"""The box of every ROI in pixels."""

EVALUATE = EvaluateConfig("risk", True, dict.fromkeys(map(str, RANKS), 0.6), False, "none")


def taxonomy_of(paths: dict[str, list[str]]) -> Taxonomy:
    """The tree of concepts, each with its taxa from the kingdom down."""
    return Taxonomy(
        Lineage(name, name, str(RANKS[len(path) - 1]), dict(zip(RANKS, path, strict=False)))
        for name, path in paths.items()
    )


@dataclass(frozen=True)
class World:
    evaluation: Evaluation
    results: Results


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    """Two kingdoms, one genus with two of its species, a name that contains markup, and a phylum without ROIs."""
    return taxonomy_of(PATHS)


@pytest.fixture(scope="session")
def history(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("training") / "history.csv"
    path.write_text(
        "epoch,validation_mhd,validation_mhd_degraded,validation_expected_distance,train_expected_distance,"
        "train_cross_entropy,validation_cross_entropy\n1,3.0,,4.0,5.0,2.0,1.9\n2,1.5,,2.0,2.5,1.0,1.1\n"
    )
    return path


@pytest.fixture(scope="session")
def crops(tmp_path_factory) -> Path:
    """60 ROIs, each in its own grey. Tests that damage one use `own_crops`."""
    folder = tmp_path_factory.mktemp("crops")
    (folder / "rois").mkdir()
    for number in range(60):
        Image.new("RGB", (200, 100), (number, number, number)).save(folder / f"rois/{number}.png")
    return folder


@pytest.fixture
def own_crops(crops, tmp_path) -> Path:
    return shutil.copytree(crops, tmp_path / "crops")


@pytest.fixture(scope="session")
def raw(tmp_path_factory) -> RawSubset:
    """The 20 frames of the ROIs, each in its own grey. Tests that damage one use `own_raw`."""
    folder = tmp_path_factory.mktemp("raw")
    (folder / "images").mkdir()
    for number in range(20):
        Image.new("RGB", FRAME, (10 * number, 10 * number, 10 * number)).save(folder / f"images/{number}.png")
    return raw_subset(folder, [{"id": number, "width": FRAME[0], "height": FRAME[1]} for number in range(20)])


def raw_subset(folder: Path, images: list[dict], **info: str) -> RawSubset:
    """A downloaded subset of `images`, whose files are PNGs named after their ids."""
    records = [
        Record(image["id"], f"dive/{image['id']}.tif", f"images/{image['id']}.png", 1, "", "ok", "") for image in images
    ]
    return RawSubset(Coco(images, [], [], info), {record.image_id: record for record in records}, folder)


@pytest.fixture
def own_raw(raw, tmp_path) -> RawSubset:
    return replace(raw, folder=shutil.copytree(raw.folder, tmp_path / "raw"))


@pytest.fixture(scope="session")
def world(taxonomy, history) -> World:
    """A model that is often wrong on 60 ROIs of 20 frames."""
    generator = np.random.default_rng(3)
    labels = generator.choice(6, p=[0.1, 0.4, 0.2, 0.1, 0.1, 0.1], size=60)
    return evaluated(taxonomy, CLASSES, labels, generator, history, "Grey squares")


@pytest.fixture(scope="session")
def hostile(history) -> World:
    """Often confused taxa whose names look like markup, templates or keys, each with at least one ROI."""
    generator, classes = np.random.default_rng(3), list(HOSTILE_PATHS)
    labels, name = np.arange(60) % len(classes), "<b>{{ x }}</b>\u202e"
    return evaluated(taxonomy_of(HOSTILE_PATHS), classes, labels, generator, history, name)


def evaluated(
    taxonomy: Taxonomy,
    classes: list[str],
    labels: np.ndarray,
    generator: np.random.Generator,
    history: Path,
    name: str,
) -> World:
    numbers = np.arange(60)
    annotations = pd.DataFrame({"path": [f"rois/{number}.png" for number in numbers], "annotation_id": 100 + numbers})
    annotations["image_id"] = annotations["group"] = numbers // 3
    annotations = annotations.assign(**BOX, frame_w=FRAME[0], frame_h=FRAME[1])
    annotations["image.file_name"] = [f"dive-7/frame {number // 3}.jpg" for number in numbers]
    annotations["label"] = np.array(classes, dtype=object)[labels]
    annotations["fold"] = 0
    logits = generator.normal(size=(60, len(classes))) + 1.5 * np.eye(len(classes))[labels]
    evaluation = evaluate({"plain": {"none": logits}}, "plain", annotations, classes, taxonomy, EVALUATE, "tree")
    tables = all_tables(evaluation, taxonomy, [history])
    data_set = DataSet(name, "frames taken", "4 May 2019 to 12 August 2021", 1320)
    params = "train:\n  lr: 0.1\n"
    results = Results(evaluation.metrics, tables, taxonomy, "risk", "plain", params, data_set, 4000, "a model")
    return World(evaluation, results)
