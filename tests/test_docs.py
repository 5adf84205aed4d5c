"""The guides match the code."""

import re

import numpy as np
import pytest

from fathomline.config import load_section
from fathomline.decide.decode import Decoder
from fathomline.decide.evaluate import EvaluateConfig
from fathomline.lineages.fgvc2025 import lineages
from fathomline.taxonomy.tree import Taxonomy
from tests.test_presets import ROOT

GUIDES = sorted((ROOT / "docs").glob("*.md"))
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
