"""metapype checks eml.xml by the rules of the Environmental Data Initiative."""

import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.answers.darwin_core.archives import archive
from tests.answers.world import boxed, table


def eml(path: Path) -> ElementTree.Element:
    return ElementTree.fromstring(zipfile.ZipFile(path).read("eml.xml"))


without_warnings_of_metapype = pytest.mark.filterwarnings("ignore:(read|open)_text is deprecated:DeprecationWarning")


def faults_of_eml(path: Path) -> list[object]:
    from metapype.eml import validate  # warns on import
    from metapype.model import metapype_io

    found: list[object] = []
    validate.tree(metapype_io.from_xml(zipfile.ZipFile(path).read("eml.xml").decode()), found)
    return found


REQUIRED_BY_GBIF = ["title", "creator", "metadataProvider", "language", "abstract", "intellectualRights", "contact"]
"""Elements of a dataset that GBIF's profile 1.1 requires, in its order; `pubDate` comes before `language`."""


@without_warnings_of_metapype
@pytest.mark.parametrize("metadata", [None, "path,modified\na.png,2025-01-31\n"])
def test_eml_has_what_the_standard_and_gbif_require(metadata, tmp_path, warnings):
    path = archive(tmp_path, table(boxed(0)), metadata=metadata)
    assert faults_of_eml(path) == []
    elements = [element.tag for element in eml(path).find("dataset")]
    assert [tag for tag in elements if tag != "pubDate"] == REQUIRED_BY_GBIF
    assert ("pubDate" in elements) == (metadata is not None)
    assert eml(path).get("packageId").startswith("urn:uuid:")


def test_eml_takes_what_describes_the_dataset_from_the_metadata(tmp_path, warnings):
    header = "path,datasetName,rightsHolder,license,modified\n"
    license_url = "http://creativecommons.org/licenses/by/4.0/legalcode"
    rows = "".join(f"{name}.png,Dives & <more>,MBARI,{license_url},2025-01-{name}\n" for name in (30, 31))
    path = archive(tmp_path, table(boxed(0)), metadata=header + rows)
    dataset = eml(path).find("dataset")  # metapype does not know `ulink`, which GBIF asks for
    assert dataset.findtext("title") == "Dives & <more>"
    assert dataset.findtext("creator/organizationName") == "MBARI"
    assert dataset.findtext("pubDate") == "2025-01-31"
    assert dataset.find("intellectualRights/para/ulink").get("url") == license_url
    assert "Pictures by <M. Otto>" in dataset.findtext("abstract/para")


@pytest.mark.parametrize(("modified", "expected"), [("2025-01-31T10:00Z", "2025-01-31"), ("2025-01", "2025")])
def test_the_date_of_publication_is_a_day_or_a_year(modified, expected, tmp_path, warnings):
    path = archive(tmp_path, table(boxed(0)), metadata=f"path,modified\na.png,{modified}\n")
    assert eml(path).findtext("dataset/pubDate") == expected


def test_eml_states_no_license_that_nobody_gave(tmp_path, warnings):
    dataset = eml(archive(tmp_path, table(boxed(0)))).find("dataset")
    assert dataset.findtext("intellectualRights/para").startswith("Not stated")
    assert dataset.findtext("title").startswith("Marine animals identified by the model jelly & co")


def test_different_answers_have_different_ids_of_the_dataset(tmp_path, warnings):
    first, second = (eml(archive(tmp_path, table(boxed(number)))).get("packageId") for number in (0, 1))
    assert first != second
