from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fathomline.decide.evaluate import EvaluateConfig, Evaluation, evaluate
from fathomline.report.page import Results
from fathomline.report.tables import all_tables
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy

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
EVALUATE = EvaluateConfig("risk", True, dict.fromkeys(map(str, RANKS), 0.6), False, "none")


@pytest.fixture
def taxonomy() -> Taxonomy:
    """Two kingdoms; a genus and two of its species; a name that would be markup; and a phylum that no ROI is of."""
    return Taxonomy(
        Lineage(name, name, str(RANKS[len(path) - 1]), dict(zip(RANKS, path, strict=False)))
        for name, path in PATHS.items()
    )


@pytest.fixture
def history(tmp_path) -> Path:
    path = tmp_path / "history.csv"
    path.write_text(
        "epoch,validation_mhd,validation_mhd_degraded,validation_expected_distance,train_expected_distance,"
        "train_cross_entropy,validation_cross_entropy\n1,3.0,,4.0,5.0,2.0,1.9\n2,1.5,,2.0,2.5,1.0,1.1\n"
    )
    return path


@pytest.fixture
def crops(tmp_path) -> Path:
    """60 ROIs, each of a grey of its own."""
    folder = tmp_path / "crops"
    (folder / "rois").mkdir(parents=True)
    for number in range(60):
        Image.new("RGB", (200, 100), (number, number, number)).save(folder / f"rois/{number}.png")
    return folder


@dataclass(frozen=True)
class World:
    evaluation: Evaluation
    results: Results


@pytest.fixture
def world(taxonomy, history, crops) -> World:
    """A model that is often wrong on 60 ROIs of 20 frames."""
    generator = np.random.default_rng(3)
    numbers = np.arange(60)
    labels = generator.choice(6, p=[0.1, 0.4, 0.2, 0.1, 0.1, 0.1], size=60)
    annotations = pd.DataFrame({"path": [f"rois/{number}.png" for number in numbers], "annotation_id": 100 + numbers})
    annotations["image_id"] = annotations["group"] = numbers // 3
    annotations["label"] = np.array(CLASSES, dtype=object)[labels]
    annotations["fold"] = 0
    logits = generator.normal(size=(60, 7)) + 1.5 * np.eye(7)[labels]
    evaluation = evaluate(logits, annotations, CLASSES, taxonomy, EVALUATE, "tree", {"plain": logits})
    tables = all_tables(evaluation, taxonomy, [history])
    return World(
        evaluation, Results(evaluation.metrics, tables, taxonomy, "risk", "plain", "train:\n  lr: 0.1\n", "A model")
    )
