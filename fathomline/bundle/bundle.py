"""The bundle: one folder with everything that a prediction needs. No torch, so that writing it takes little time."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import MinLen

from fathomline.bundle.model_card import model_card
from fathomline.config import section
from fathomline.decide.rule import DecisionRule
from fathomline.errors import InputError, listing, shown
from fathomline.files import read_json, sha256_of, write_sealed_json, written_whole
from fathomline.model.model_json import REMEDY as TRAIN_AGAIN
from fathomline.model.model_json import Architecture, ModelDescription, check_fit, read_model_json
from fathomline.records import parse_sealed_record
from fathomline.rois.preprocessing import Preprocessing
from fathomline.taxonomy.reference import entry_lineage, lineage_entry
from fathomline.taxonomy.tree import Taxonomy
from fathomline.version import __version__

FORMAT = 2
"""Version of bundle.json. fathomline reads its own version and earlier ones.

2: `lineages` may have `ancestor_ids`, the AphiaIDs of ancestors. Readers of version 1 refuse unknown keys."""

REMEDY = "get the bundle again, or run `dvc repro --force bundle` where it was made"

ONNX_FILE = "model.onnx"
"""Name of the ONNX file in a bundle, which not every bundle has."""

REQUIRED_FIGURES = ("mhd", "mhd_constant", "accuracy", "ece", "rois", "frames")
"""Figures of metrics.json that every model card shows."""

WeightsType = Literal["float32", "float16", "bfloat16"]


@section
class BundleConfig:
    name: Annotated[str, MinLen(1)] = "fathomline-reef"
    """Name of the model in its card."""

    license: str = "apache-2.0"
    """License of the weights, as model hubs write it, such as `cc-by-4.0`."""

    attribution: str | None = "Drawn by the reef of fathomline"
    """Credit in the model card for the pictures and labels that the model was trained on."""

    weights: WeightsType = "float32"
    """Precision of the stored weights. A 16-bit one is used only if every answer for the test ROIs stays the same, so
    not without a test subset."""

    onnx: bool = True
    """Whether to add model.onnx, which predicts without PyTorch. It holds all models as float32, at most 2 GiB."""

    def __post_init__(self) -> None:
        for name in ("name", "license", "attribution"):
            if not (getattr(self, name) or "").isprintable():
                raise ValueError(f"`{name}` is {getattr(self, name)!r}; expected one line of printable characters")


@section
class BundleContent:
    """The content of bundle.json."""

    format: Literal[1, 2]
    fathomline: str
    """Version of the package that wrote it."""
    name: str
    license: str
    attribution: str | None
    classes: tuple[str, ...]
    """Concepts in the order of the logits."""
    lineages: dict[str, dict[str, Any]]
    """By concept, as in taxonomy_reference.json."""
    taxonomy_hash: str
    architecture: Architecture
    preprocessing: Preprocessing
    precision: Literal["bf16", "fp32"]
    decision: DecisionRule
    figures: dict[str, float | int | str]
    """Results on held-out ROIs, as in metrics.json."""
    split: dict[str, Any]
    """The split that the figures were measured on."""
    weights: Annotated[dict[str, str], MinLen(1)]
    """SHA-256 of each file of weights, by file name."""
    weights_dtype: WeightsType

    def __post_init__(self) -> None:
        check_fit(self.preprocessing, self.architecture)


@dataclass(frozen=True)
class FoldModel:
    """The model of one fold on disk."""

    fold: int
    description: ModelDescription
    weights: Path

    @property
    def file(self) -> str:
        """Name of its weights in a bundle."""
        return f"fold-{self.fold}.safetensors"


@dataclass(frozen=True)
class StoredWeights:
    """The weights that were written to a bundle."""

    sha256: dict[str, str]
    """By file name."""
    dtype: WeightsType


@dataclass(frozen=True)
class Measured:
    """Results of the models on held-out ROIs."""

    figures: Mapping[str, object]
    """As in metrics.json."""
    split: Mapping[str, object]
    """The split that they were measured on."""


def read_figures(path: Path, taxonomy: Taxonomy) -> dict[str, float | int | str]:
    """Read metrics.json. Raises InputError unless evaluate wrote it, with the same taxonomy."""
    remedy = "run `dvc repro --force evaluate`, which writes it"
    figures = read_json(path)
    if not isinstance(figures, dict):
        raise InputError(f"{path}: expected a JSON object, found {shown(figures)}; {remedy}")
    if figures.get("taxonomy_hash") != taxonomy.hash:
        raise InputError(
            f"{path}: `taxonomy_hash` is {shown(figures.get('taxonomy_hash'))}, but the current taxonomy is "
            f"{taxonomy.hash[:12]}; {remedy}"
        )
    numbers = {name: value for name, value in figures.items() if type(value) in (int, float)}
    wrong = sorted((figures.keys() | REQUIRED_FIGURES) - numbers.keys() - {"taxonomy_hash"})
    if "mhd_low" in numbers and "mhd_high" not in numbers:
        wrong.append("mhd_high")
    if wrong:
        raise InputError(f"{path}: {listing(wrong)} missing or not a number; {remedy}")
    return figures


def read_fold_models(models: Path, folds: Sequence[int], taxonomy: Taxonomy) -> list[FoldModel]:
    """Read the descriptions of the models fold-0, fold-1 … in the folder `models`.

    Raises InputError when a model.json is missing, damaged, or of another taxonomy.
    """
    folders = {fold: models / f"fold-{fold}" for fold in folds}
    return [
        FoldModel(fold, read_model_json(folder / "model.json", taxonomy), folder / "model.safetensors")
        for fold, folder in folders.items()
    ]


def write_bundle(
    folder: Path,
    models: list[FoldModel],
    weights: StoredWeights,
    taxonomy: Taxonomy,
    decision: DecisionRule,
    measured: Measured,
    config: BundleConfig,
) -> None:
    """Write bundle.json and README.md to `folder`, which has the weights already, and remove files of other runs.

    Raises InputError when the models differ in classes, architecture or preprocessing.
    """
    _require_same_kind(models)
    first = models[0].description
    content = {
        "format": FORMAT,
        "fathomline": __version__,
        "name": config.name,
        "license": config.license,
        "attribution": config.attribution,
        "classes": list(first.classes),
        "lineages": {lineage.concept: lineage_entry(lineage) for lineage in taxonomy.lineages},
        "taxonomy_hash": taxonomy.hash,
        "architecture": asdict(first.architecture),
        "preprocessing": asdict(first.preprocessing),
        "precision": first.precision,
        "decision": asdict(decision),
        "figures": dict(measured.figures),
        "split": dict(measured.split),
        "weights": weights.sha256,
        "weights_dtype": weights.dtype,
    }
    write_sealed_json(content, folder / "bundle.json")
    with written_whole(folder / "README.md") as temporary:
        temporary.write_text(model_card(content, taxonomy), encoding="utf-8")
    for path in folder.glob("fold-*.safetensors"):
        if path.name not in weights.sha256:
            path.unlink()
    (folder / ONNX_FILE).unlink(missing_ok=True)


def _require_same_kind(models: list[FoldModel]) -> None:
    def kind(model: FoldModel) -> tuple[object, ...]:
        return model.description.classes, model.description.architecture, model.description.preprocessing

    for model in models[1:]:
        if kind(model) != kind(models[0]):
            raise InputError(
                f"{model.weights.parent}: its classes, architecture or preprocessing differ from those of "
                f"{models[0].weights.parent}; run `dvc repro --force train`"
            )


def copy_weights(models: list[FoldModel], folder: Path) -> StoredWeights:
    """Copy the weights of each fold's model unchanged. Raises InputError when they are missing or damaged."""
    for model in models:
        if sha256_of(model.weights) != model.description.weights_sha256:
            raise InputError(
                f"{model.weights}: damaged, or from another training run: its SHA-256 is not the recorded one; "
                f"{TRAIN_AGAIN}"
            )
        with written_whole(folder / model.file) as temporary:
            shutil.copyfile(model.weights, temporary)
    return StoredWeights({model.file: model.description.weights_sha256 for model in models}, "float32")


def read_bundle(folder: Path) -> tuple[BundleContent, Taxonomy]:
    """Read bundle.json from `folder`, and build the taxonomy that it describes.

    Raises InputError when it is missing, damaged, inconsistent, or has a newer format.
    """
    path = folder / "bundle.json"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected the folder of a bundle, found a file")
    return parse_bundle(read_json(path), path, REMEDY)


def parse_bundle(content: object, path: Path, remedy: str) -> tuple[BundleContent, Taxonomy]:
    """Parse the JSON `content` of bundle.json; `path` names its file. Raises InputError as `read_bundle` does."""
    version = content.get("format") if isinstance(content, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise InputError(
            f"{path}: has format version {version}, but fathomline {__version__} reads versions up to "
            f"{FORMAT}; install a newer fathomline"
        )
    bundle = parse_sealed_record(content, BundleContent, path, remedy)
    taxonomy = Taxonomy(entry_lineage(concept, entry, str(path)) for concept, entry in bundle.lineages.items())
    if taxonomy.hash != bundle.taxonomy_hash:
        raise InputError(f"{path}: `lineages` do not match `taxonomy_hash`; {remedy}")
    if not len(set(bundle.classes)) == len(bundle.classes) == bundle.architecture.classes:
        raise InputError(
            f"{path}: `classes` must have {bundle.architecture.classes} distinct names, as in `architecture`; {remedy}"
        )
    unknown = [name for name in bundle.classes if name not in taxonomy.concepts]
    if unknown or not taxonomy.holds(bundle.decision.fallback):
        raise InputError(f"{path}: `lineages` lack {listing(unknown or [bundle.decision.fallback])}; {remedy}")
    return bundle, taxonomy
