"""The bundle: one folder with everything that a prediction needs. No torch: it is written in a moment."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from annotated_types import MinLen
from jinja2 import Environment, PackageLoader, StrictUndefined

import fathomline
from fathomline.config import section
from fathomline.decide.rule import DecisionRule
from fathomline.errors import InputError, listing, shown
from fathomline.files import read_json, sha256_of, write_sealed_json, written_whole
from fathomline.model.model_json import REMEDY as TRAIN_AGAIN
from fathomline.model.model_json import Architecture, ModelDescription, check_fit
from fathomline.records import read_sealed_record
from fathomline.rois.preprocessing import Preprocessing
from fathomline.taxonomy.reference import entry_lineage, lineage_entry
from fathomline.taxonomy.tree import Taxonomy

FORMAT = 1
"""Version of bundle.json. A program reads its own version and those before it."""

REMEDY = "get the bundle again, or run `dvc repro --force bundle` where it was made"


MEASURED = ("mhd", "mhd_constant", "accuracy", "ece", "rois", "frames")
"""Figures of metrics.json that a model card always has."""


@section
class BundleConfig:
    name: Annotated[str, MinLen(1)] = "fathomline-reef"
    """Name of the model in its card."""

    license: str = "apache-2.0"
    """License of the weights, as model hubs write it, such as `cc-by-4.0`."""

    attribution: str | None = "Drawn by the reef of fathomline"
    """Credit in the model card for the pictures and labels that the model was trained on."""

    weights: Literal["float32", "float16", "bfloat16"] = "float32"
    """Precision of the stored weights. A 16-bit one is used only if every answer for the test ROIs stays the same."""

    def __post_init__(self) -> None:
        for name in ("name", "license", "attribution"):
            if not (getattr(self, name) or "").isprintable():
                raise ValueError(f"`{name}` is {getattr(self, name)!r}; expected one line of characters that print")


@section
class BundleContent:
    """The content of bundle.json."""

    format: Literal[1]
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
    """What was measured on held-out ROIs, as in metrics.json."""
    split: dict[str, Any]
    """The split that the figures are of."""
    weights: Annotated[dict[str, str], MinLen(1)]
    """SHA-256 by file."""
    weights_dtype: Literal["float32", "float16", "bfloat16"]

    def __post_init__(self) -> None:
        check_fit(self.preprocessing, self.architecture)


@dataclass(frozen=True)
class FoldModel:
    """One fold's model on disk."""

    fold: int
    description: ModelDescription
    weights: Path

    @property
    def file(self) -> str:
        """Its name in a bundle."""
        return f"fold-{self.fold}.safetensors"


@dataclass(frozen=True)
class StoredWeights:
    """The weights in a bundle."""

    sha256: dict[str, str]
    """By file."""
    dtype: Literal["float32", "float16", "bfloat16"]


@dataclass(frozen=True)
class Measured:
    """How good the models are."""

    figures: Mapping[str, object]
    """As in metrics.json."""
    split: Mapping[str, object]
    """What they were measured on."""


def read_figures(path: Path, taxonomy: Taxonomy) -> dict[str, float | int | str]:
    """Read metrics.json; InputError when it is not what evaluate writes, or was measured with another taxonomy."""
    remedy = "run `dvc repro --force evaluate`, which writes it"
    figures = read_json(path)
    if not isinstance(figures, dict):
        raise InputError(f"{path}: expected a JSON object, found {shown(figures)}; {remedy}")
    if figures.get("taxonomy_hash") != taxonomy.hash:
        raise InputError(
            f"{path}: `taxonomy_hash` is {shown(figures.get('taxonomy_hash'))}, but the present taxonomy is "
            f"{taxonomy.hash[:12]}; {remedy}"
        )
    numbers = {name: value for name, value in figures.items() if type(value) in (int, float)}
    wrong = sorted((figures.keys() | MEASURED) - numbers.keys() - {"taxonomy_hash"})
    if "mhd_low" in numbers and "mhd_high" not in numbers:
        wrong.append("mhd_high")
    if wrong:
        raise InputError(f"{path}: {listing(wrong)} missing or not a number; {remedy}")
    return figures


def write_bundle(
    folder: Path,
    models: list[FoldModel],
    weights: StoredWeights,
    taxonomy: Taxonomy,
    decision: DecisionRule,
    measured: Measured,
    config: BundleConfig,
) -> None:
    """Write bundle.json and README.md beside the weights, which are in `folder` already, and remove other weights.

    Raises InputError when the folds' models are not of one kind.
    """
    first = models[0].description
    for model in models[1:]:
        other = model.description
        if (other.classes, other.architecture, other.preprocessing) != (
            first.classes,
            first.architecture,
            first.preprocessing,
        ):
            raise InputError(
                f"{model.weights.parent}: its classes, architecture or preprocessing differ from those of "
                f"{models[0].weights.parent}; run `dvc repro --force train`"
            )
    content = {
        "format": FORMAT,
        "fathomline": fathomline.__version__,
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


def copy_weights(models: list[FoldModel], folder: Path) -> StoredWeights:
    """Copy the weights of each fold's model as they are; InputError when they are missing or damaged."""
    for model in models:
        if sha256_of(model.weights) != model.description.weights_sha256:
            raise InputError(
                f"{model.weights}: damaged, or from another training: its SHA-256 is not the recorded one; {TRAIN_AGAIN}"
            )
        with written_whole(folder / model.file) as temporary:
            shutil.copyfile(model.weights, temporary)
    return StoredWeights({model.file: model.description.weights_sha256 for model in models}, "float32")


def read_bundle(folder: Path) -> tuple[BundleContent, Taxonomy]:
    """Read bundle.json.

    Raises InputError when it is missing, damaged, or of a newer format than this program reads.
    """
    path = folder / "bundle.json"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected the folder of a bundle, found a file")
    content = read_json(path)
    version = content.get("format") if isinstance(content, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise InputError(
            f"{path}: has format version {version}, and fathomline {fathomline.__version__} reads versions up to "
            f"{FORMAT}; install a newer fathomline"
        )
    bundle = read_sealed_record(path, BundleContent, REMEDY)
    taxonomy = Taxonomy(entry_lineage(concept, entry, str(path)) for concept, entry in bundle.lineages.items())
    if taxonomy.hash != bundle.taxonomy_hash:
        raise InputError(f"{path}: `lineages` do not give `taxonomy_hash`; {REMEDY}")
    if not len(set(bundle.classes)) == len(bundle.classes) == bundle.architecture.classes:
        raise InputError(
            f"{path}: `classes` are not the {bundle.architecture.classes} that `architecture` has; {REMEDY}"
        )
    strange = [name for name in bundle.classes if name not in taxonomy.concepts]
    if strange or not taxonomy.holds(bundle.decision.fallback):
        raise InputError(f"{path}: `lineages` lack {listing(strange or [bundle.decision.fallback])}; {REMEDY}")
    return bundle, taxonomy


def model_card(content: Mapping[str, Any], taxonomy: Taxonomy) -> str:
    """A model card in Markdown, with the front matter that model hubs read."""
    figures = content["figures"]
    results = [
        {"type": "mean_hierarchical_distance", "name": "Mean hierarchical distance", "value": figures["mhd"]},
        {"type": "accuracy", "name": "Accuracy", "value": figures["accuracy"]},
    ]
    front_matter = {
        "license": content["license"],
        "library_name": "fathomline",
        "pipeline_tag": "image-classification",
        "tags": ["marine-biology", "hierarchical-classification", "fine-grained-classification", "worms"],
        "metrics": ["mean_hierarchical_distance", "accuracy"],
        "model-index": [
            {
                "name": content["name"],
                "results": [
                    {
                        "task": {
                            "type": "image-classification",
                            "name": "Hierarchical classification of marine animals",
                        },
                        "dataset": {"type": "held-out", "name": f"{figures['rois']} held-out ROIs"},
                        "metrics": results,
                    }
                ],
            }
        ],
    }
    environment = Environment(
        loader=PackageLoader("fathomline.bundle", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["cell"] = _cell
    template = environment.get_template("model_card.md")
    return template.render(
        front_matter=yaml.safe_dump(front_matter, sort_keys=False, allow_unicode=True),
        lineages=[taxonomy.lineage(concept) for concept in content["classes"]],
        origins=sorted({lineage.origin for lineage in taxonomy.lineages}),
        **{key: value for key, value in content.items() if key != "lineages"},
    )


def _cell(value: object) -> str:
    """A name as text in a Markdown table: names are data, not markup."""
    escaped = "".join(f"\\{letter}" if letter in "\\`*_{}[]<>()#+!|&" else letter for letter in str(value))
    return " ".join(escaped.split())
