"""A trained classifier on disk: safetensors for the weights, JSON for the rest. Nothing is unpickled."""

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from fathomline.errors import InputError
from fathomline.files import read_json, write_json, written_whole
from fathomline.learn.backbone import build
from fathomline.learn.classifier import Architecture, Classifier
from fathomline.taxonomy.tree import Taxonomy


@dataclass(frozen=True)
class Model:
    """A classifier and what its outputs mean."""

    classifier: Classifier
    architecture: Architecture
    classes: tuple[str, ...]
    """Concepts in the order of the logits."""
    taxonomy_hash: str


def save_model(model: Model, taxonomy: Taxonomy, folder: Path) -> None:
    """Write model.safetensors and model.json to `folder`."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.classifier.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    with written_whole(folder / "model.safetensors") as temporary:
        save_file(weights, temporary)
    description = {
        "architecture": model.architecture.as_json(),
        "classes": list(model.classes),
        "taxonomy_hash": model.taxonomy_hash,
        "taxonomy": {lineage.concept: [node.name for node in lineage.path] for lineage in taxonomy.lineages},
    }
    write_json(description, folder / "model.json")


def load_model(folder: Path, taxonomy: Taxonomy) -> Model:
    """Read what `save_model` wrote, on the CPU.

    Raises InputError when a file is missing or damaged, or when the model was trained with another taxonomy.
    """
    description = read_json(folder / "model.json")
    if description["taxonomy_hash"] != taxonomy.hash:
        raise InputError(
            f"{folder}/model.json: trained with taxonomy {description['taxonomy_hash'][:12]}, but the present one is "
            f"{taxonomy.hash[:12]}; run `dvc repro` to train with the present one"
        )
    fields = description["architecture"]
    architecture = Architecture(**{**fields, "mean": tuple(fields["mean"]), "std": tuple(fields["std"])})
    classifier = build(architecture)
    try:
        classifier.load_state_dict(load_file(folder / "model.safetensors"))
    except (FileNotFoundError, SafetensorError, RuntimeError) as error:
        cause = str(error).splitlines()[0]
        raise InputError(f"{folder}/model.safetensors: {cause}; run `dvc repro --force train` to train anew") from error
    return Model(classifier, architecture, tuple(description["classes"]), description["taxonomy_hash"])
