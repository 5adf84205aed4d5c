"""Tables of answers, and the bundle that they are from, made by hand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fathomline.answers.formats import FormatName, WriterContext, writer
from fathomline.bundle.bundle import BundleContent
from fathomline.decide.rule import DecisionRule
from fathomline.model.model_json import Architecture
from fathomline.rois.preprocessing import Preprocessing
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.reference import lineage_entry
from fathomline.taxonomy.tree import Taxonomy

_MEDUSA = ["Animalia", "Cnidaria", "Scyphozoa", "Semaeostomeae", "Ulmaridae", "Aurelia"]
_SHRIMP = ["Animalia", "Arthropoda", "Malacostraca", "Decapoda"]


def _lineage(concept: str, accepted: str, rank: str, aphia_id: int | None, path: list[str]) -> Lineage:
    return Lineage(concept, accepted, rank, dict(zip(RANKS, path, strict=False)), aphia_id, "worms")


TAXONOMY = Taxonomy(
    [
        _lineage("Moon jelly", "Aurelia aurita", "species", 135306, [*_MEDUSA, "Aurelia aurita"]),
        _lineage("Aurelia labiata", "Aurelia labiata", "species", None, [*_MEDUSA, "Aurelia labiata"]),
        _lineage("Caridea", "Caridea", "infraorder", 106674, _SHRIMP),
    ]
)

BUNDLE = BundleContent(
    format=1,
    fathomline="0.1.0",
    name="jelly & co",
    license="cc-by-4.0",
    attribution="Pictures by <M. Otto>",
    classes=("Aurelia labiata", "Caridea", "Moon jelly"),
    lineages={lineage.concept: lineage_entry(lineage) for lineage in TAXONOMY.lineages},
    taxonomy_hash=TAXONOMY.hash,
    architecture=Architecture("test_convnext", {}, 32, 1, "concat", False, 3, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    preprocessing=Preprocessing((1.0,), 32, True, "edge"),
    precision="fp32",
    decision=DecisionRule("risk", "tree", 1.0, dict.fromkeys(map(str, RANKS), 0.5), "Caridea", ["identity"]),
    figures={"mhd": 1.0},
    split={},
    weights={"fold-0.safetensors": "0" * 64},
    weights_dtype="float32",
)

CONTEXT = WriterContext(BUNDLE, TAXONOMY)


def row(**changes: Any) -> dict[str, Any]:
    """One row; `concept_name`, the taxon answered, decides its lineage."""
    found = {
        **{"row": 0, "location": "/data/a.png", "path": "a.png", "image_id": None, "annotation_id": None},
        **dict.fromkeys("xywh", np.nan),
        **{"frame_w": 20, "frame_h": 16, "track": None},
        **{"concept_name": "Moon jelly", "confidence": 0.75},
        **changes,
    }
    node = TAXONOMY.node(found["concept_name"])
    lineage = next((known for known in TAXONOMY.lineages if known.concept == found["concept_name"]), None)
    found["accepted_name"] = TAXONOMY.nodes[node].name
    found["rank"] = lineage.rank if lineage else str(TAXONOMY.nodes[node].rank)
    found["aphia_id"] = lineage.aphia_id if lineage else None
    for rank, ancestor in zip(RANKS, TAXONOMY.ranked_ancestors[node].tolist(), strict=True):
        found[str(rank)] = TAXONOMY.nodes[ancestor].name if ancestor >= 0 else ""
        found[f"{rank}_probability"] = found["confidence"] if ancestor >= 0 else np.nan
    return found


_COLUMNS = (
    *("row", "location", "path", "image_id", "annotation_id", "x", "y", "w", "h", "frame_w", "frame_h", "track"),
    *("concept_name", "accepted_name", "rank", "aphia_id", "confidence"),
    *(column for rank in RANKS for column in (str(rank), f"{rank}_probability")),
)


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    """A table as `AnswerTables.answered` has it."""
    extra = [column for column in (rows[0] if rows else {}) if column not in _COLUMNS]
    columns: dict[str, Any] = {}
    for column in [*_COLUMNS, *extra]:
        cells = [found[column] for found in rows]
        if column in ("row", "frame_w", "frame_h"):
            columns[column] = np.array(cells, dtype=np.int64)
        elif column.endswith("aphia_id"):
            columns[column] = pd.array(cells, dtype="Int64")
        elif column in "xywh" or "probability" in column or column.endswith("confidence"):
            columns[column] = np.array(cells, dtype=np.float64)
        else:
            columns[column] = np.array([*cells, None], dtype=object)[:-1]
    return pd.DataFrame(columns)


def boxed(number: int, **changes: Any) -> dict[str, Any]:
    """A row with a box of its own."""
    return row(**{"row": number, "x": 1.0 + number, "y": 2.0, "w": 5.0, "h": 6.5, **changes})


def many(rows: int, per_table: int = 1000) -> Iterator[pd.DataFrame]:
    """Tables with `rows` rows together, each made when it is asked for, two ROIs per picture."""
    first = table(*(boxed(number) for number in range(per_table)))
    for start in range(0, rows, per_table):
        numbers = np.arange(start, start + per_table)
        paths = np.array([f"frames/{number // 2:06d}.png" for number in numbers], dtype=object)
        yield first.assign(row=numbers, path=paths, location=paths, x=numbers * 1.0)


def written(name: FormatName, folder: Path, *tables: pd.DataFrame) -> bytes:
    """What the writer of a format makes of `tables`."""
    path = folder / ".answers.part"
    writer(name, CONTEXT)(iter(tables), path)
    return path.read_bytes()


@pytest.fixture
def warnings(monkeypatch) -> list[str]:
    """The warnings printed from now on."""
    printed: list[str] = []
    monkeypatch.setattr("fathomline.answers.darwin_core.occurrences.warning", printed.append)
    return printed
