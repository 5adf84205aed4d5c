"""The model as the page describes it."""

from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from fathomline.predictor.predictor import Predictor
from fathomline.serve.downloads import DOWNLOADS
from fathomline.serve.limits import Limits
from fathomline.version import __version__


class Taxon(BaseModel):
    """A taxon that answers can be restricted to."""

    name: str
    rank: str
    parent: int | None = Field(description="Index of the taxon above; null for a kingdom.")
    concepts: int = Field(description="How many of the model's concepts are at or below it.")


class ModelDescription(BaseModel):
    """The model and the limits of the server."""

    name: str
    fathomline: str = Field(description="Version of the server.")
    engine: str
    classes: list[str] = Field(description="Concepts that the model was trained on.")
    tree: list[Taxon] = Field(description="Each after the one above it.")
    license: str
    attribution: str | None
    figures: dict[str, Any] = Field(description="Results on held-out ROIs.")
    limits: dict[str, float]
    formats: dict[str, str] = Field(description="Titles of the files at /answers/<name>.")


def description_of(predictor: Predictor, limits: Limits) -> ModelDescription:
    """Describe the model."""
    bundle = predictor.bundle
    return ModelDescription(
        name=bundle.name,
        fathomline=__version__,
        engine=predictor.engine.name,
        classes=list(predictor.classes),
        tree=_tree(predictor),
        license=bundle.license,
        attribution=bundle.attribution,
        figures=dict(bundle.figures),
        limits={"picture_bytes": limits.picture_bytes, "pixels": limits.pixels, "boxes": limits.boxes},
        formats={name: download.title for name, download in DOWNLOADS.items()},
    )


def _tree(predictor: Predictor) -> list[Taxon]:
    """The taxa with a class at or below them."""
    taxonomy = predictor.taxonomy
    counts = taxonomy.membership(predictor.classes).sum(axis=1)
    kept = np.flatnonzero(counts)
    places = {int(node): place for place, node in enumerate(kept)}
    return [
        Taxon(
            name=taxonomy.nodes[node].name,
            rank=taxonomy.rank_names[node],
            parent=places.get(int(taxonomy.parents[node])),
            concepts=int(counts[node]),
        )
        for node in kept
    ]
