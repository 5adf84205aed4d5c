"""Damaged, swapped and malicious files instead of those that stages write: each is refused in one line."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fathomline.dataset.coco import read_dataset
from fathomline.decide.rule import DecisionRule, read_rule
from fathomline.errors import InputError
from fathomline.files import write_csv, write_json
from fathomline.model.backbone import build
from fathomline.model.checkpoint import Model, load_model, save_model
from fathomline.model.model_json import Architecture, held_out_digest
from fathomline.report.tables import read_history
from fathomline.rois.annotations import COLUMNS, read_annotations
from fathomline.rois.crops import read_crops
from fathomline.rois.crops_json import write_crops_json
from fathomline.split import SplitConfig, assign_folds, read_split
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.reference import read_reference, write_reference
from fathomline.taxonomy.tree import Taxonomy
from tests.crafted.any_file import NO_CSV, NO_JSON, STRICT_JSON
from tests.crafted.crops import ANNOTATIONS, CROPS_JSON, PIXELS, SEALED_TABLE, SPLIT
from tests.crafted.models import CALIBRATION, HISTORY, MODEL, WEIGHTS
from tests.crafted.taxonomy import DATASET, TAXONOMY
from tests.crops import preprocessing_of

ROIS, VIEWS, SIZE = 12, 2, 16


@dataclass(frozen=True)
class Case:
    """One file in the folder of intact files, how it is damaged and read, and the expected message."""

    file: str
    name: str
    damage: Callable[[Path], None]
    read: Callable[[Path], object]
    """Takes the folder."""
    says: str
    """A pattern that the message must match."""

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"


@pytest.fixture(scope="module")
def intact(tmp_path_factory) -> Path:
    """The files for six frames of two ROIs each, two views, two concepts, three folds and three epochs."""
    folder = tmp_path_factory.mktemp("intact")
    ids, images = np.arange(ROIS) + 100, np.arange(ROIS) // 2
    table = pd.DataFrame({"annotation_id": ids, "image_id": images, "frame_id": images})
    table["path"] = [f"rois/{image}_{identity}.png" for image, identity in zip(images, ids, strict=True)]
    table["label"] = ["Redfish", "Bluefish"] * (ROIS // 2)
    table[["x", "y", "w", "h", "frame_w", "frame_h"]] = [1.5, 2.0, 8.0, 9.25, 40, 30]
    table = table.astype({"frame_w": int, "frame_h": int})[COLUMNS]
    write_csv(table, folder / "crops/annotations.csv")
    shape = (ROIS, VIEWS, SIZE, SIZE, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    np.save(folder / "crops/pixels.npy", pixels)
    write_crops_json(folder / "crops", preprocessing_of(pixels, 1.0, "frame"), ROIS)
    write_csv(assign_folds(table, SplitConfig(folds=3)), folder / "split.csv")
    above = ["Animalia", "Chordata", "Teleostei", "Perciformes", "Sebastidae", "Sebastes"]
    names = ("Redfish", "Bluefish")
    lineages = [Lineage(name, name, "species", dict(zip(RANKS, [*above, name], strict=True))) for name in names]
    write_reference(Taxonomy(lineages), folder / "taxonomy_reference.json")
    losses = {"train_loss": [3.0, 2.0, 1.0], "lora_gradient_norm": None}
    history = pd.DataFrame({"epoch": [1, 2, 3], "validation_mhd": [5.0, 4.0, 3.5], **losses})
    write_csv(history, folder / "fold-0/history.csv")
    architecture = Architecture("test_resnet", {}, 16, VIEWS, "concat", False, 2, (0.5,) * 3, (0.5,) * 3)
    preprocessing = preprocessing_of(pixels, 1.0, "frame")
    classes, held_out = ("Bluefish", "Redfish"), held_out_digest(ids[:4])
    taxonomy_hash = Taxonomy(lineages).hash
    model = Model(build(architecture), architecture, preprocessing, "fp32", classes, taxonomy_hash, held_out)
    save_model(model, folder / "fold-0")
    thresholds = dict.fromkeys(map(str, RANKS), 0.5)
    rule = DecisionRule("risk", "tree", 1.5, thresholds, "Redfish", ["identity", "rotate_180"])
    write_json(asdict(rule), folder / "calibration.json")
    categories = [{"id": 1, "name": "Redfish"}, {"id": 2, "name": "Bluefish"}]
    box = {"id": 100, "image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4]}
    write_json({"images": [{"id": 0}], "annotations": [box], "categories": categories}, folder / "dataset.json")
    return folder


@pytest.fixture
def world(intact, tmp_path) -> Path:
    return shutil.copytree(intact, tmp_path / "world")


def annotations_of(folder: Path) -> object:
    return read_annotations(folder / "crops/annotations.csv", labelled=True)


def crops_of(folder: Path) -> object:
    return read_crops(folder / "crops", labelled=True)


def split_of(folder: Path) -> object:
    return read_split(folder / "split.csv", read_annotations(folder / "crops/annotations.csv"))


def taxonomy_of(folder: Path) -> object:
    return read_reference(folder / "taxonomy_reference.json")


def history_of(folder: Path) -> object:
    return read_history(folder / "fold-0/history.csv")


def dataset_of(folder: Path) -> object:
    return read_dataset(folder / "dataset.json")


def model_of(folder: Path) -> object:
    return load_model(folder / "fold-0", read_reference(folder / "taxonomy_reference.json"))


def rule_of(folder: Path) -> object:
    return read_rule(folder / "calibration.json")


def cases() -> Iterator[Case]:
    for file, read, kinds in [
        ("crops/annotations.csv", annotations_of, NO_CSV | ANNOTATIONS),
        ("crops/annotations.csv", crops_of, SEALED_TABLE),
        ("crops/crops.json", crops_of, STRICT_JSON | CROPS_JSON),
        ("crops/pixels.npy", crops_of, PIXELS),
        ("split.csv", split_of, NO_CSV | SPLIT),
        ("taxonomy_reference.json", taxonomy_of, STRICT_JSON | TAXONOMY),
        ("fold-0/history.csv", history_of, NO_CSV | HISTORY),
        ("dataset.json", dataset_of, NO_JSON | DATASET),
        ("fold-0/model.json", model_of, STRICT_JSON | MODEL),
        ("fold-0/model.safetensors", model_of, WEIGHTS),
        ("calibration.json", rule_of, STRICT_JSON | CALIBRATION),
    ]:
        for name, (damage, says) in kinds.items():
            yield Case(file, name, damage, read, says)


@pytest.mark.parametrize(
    "read", [annotations_of, crops_of, split_of, taxonomy_of, history_of, dataset_of, model_of, rule_of]
)
def test_intact_files_are_read(intact, read):
    assert read(intact) is not None


@pytest.mark.parametrize("case", list(cases()), ids=str)
def test_a_crafted_file_is_refused_in_one_line_with_a_remedy(world, case):
    case.damage(world / case.file)
    with pytest.raises(InputError, match=case.says) as raised:
        case.read(world)
    message = str(raised.value)
    assert message.startswith(str(world / case.file).rpartition("/")[0]), "the message must begin with the file"
    assert message.isprintable(), "the message must be one line without control characters"
    assert "; " in message, "the message must end with a remedy"


@pytest.mark.parametrize("read", [annotations_of, split_of])
def test_a_byte_order_mark_in_a_csv_is_accepted(world, read):
    """Spreadsheets write one."""
    for file in ("crops/annotations.csv", "split.csv"):
        (world / file).write_bytes(b"\xef\xbb\xbf" + (world / file).read_bytes())
    assert read(world)["annotation_id"].tolist() == list(range(100, 100 + ROIS))
