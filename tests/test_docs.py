"""The guides match the code."""

import re

import numpy as np
import pytest
import yaml

import fathomline
from fathomline.config import load_section
from fathomline.decide.decode import Decoder
from fathomline.decide.evaluate import EvaluateConfig
from fathomline.lineages.fgvc2025 import lineages
from fathomline.taxonomy.tree import Taxonomy
from tests.test_presets import ROOT

GUIDES = sorted((ROOT / "docs").glob("*.md"))
ROOMS = sorted(path.parent.name for path in (ROOT / "fathomline").glob("*/__init__.py"))
EXAMPLE = {"Pandalus amplus": 0.40, "Pandalus platyceros": 0.35, "Chionoecetes tanneri": 0.25}
THRESHOLDS = load_section(ROOT / "presets/fathomnet-2025.yaml", "evaluate", EvaluateConfig).thresholds


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_every_file_that_a_guide_links_to_exists(guide):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", guide.read_text())
    assert [link for link in links if not (guide.parent / link).exists()] == []


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    taxonomy = Taxonomy(lineages())
    return Decoder(taxonomy, taxonomy.concepts, "tree", THRESHOLDS)


def test_the_distances_in_the_example_are_those_of_the_tree(decoder):
    table = re.findall(r"^\| (Pandalus amplus) \| ([A-Z][\w ]+) \| \d \| \d \| (\d) \|$", text(), flags=re.MULTILINE)
    assert len(table) == 4
    for left, right, distance in table:
        assert decoder.taxonomy.distance(left, right) == int(distance)


def test_the_decoders_give_the_answers_of_the_example(decoder):
    probabilities = np.array([[EXAMPLE.get(name, 0.0) for name in decoder.taxonomy.concepts]])
    risks = dict(zip(decoder.names(decoder.candidate_nodes), decoder.risks(probabilities)[0], strict=True))
    table = re.findall(r"^\| \**([A-Z][a-z ]+?)\** \| 0.40 .* \| \**(\d\.\d\d)\** \|$", text(), flags=re.MULTILINE)
    assert len(table) == 5
    for name, risk in table:
        assert risks[name] == pytest.approx(float(risk))
    answers = {name: decoder.names(decoder.decode(name, probabilities))[0] for name in ("argmax", "threshold", "risk")}
    assert answers == {"argmax": "Pandalus amplus", "threshold": "Pandalus", "risk": "Pandalus"}
    labels = Decoder(decoder.taxonomy, decoder.classes, "labels", THRESHOLDS)
    assert labels.names(labels.risk(probabilities)) == ["Pandalus amplus"]


def text() -> str:
    return (ROOT / "docs/metric.md").read_text()


def test_every_file_and_folder_that_contributing_names_exists():
    named = set(re.findall(r"`((?:[\w.]+/)+[\w.]*)`", (ROOT / "CONTRIBUTING.md").read_text()))
    assert {f"fathomline/{room}/" for room in ROOMS} <= named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_citation_has_the_version_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == fathomline.__version__
