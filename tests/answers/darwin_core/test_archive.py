import hashlib
import re
import zipfile
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from fathomline.answers.darwin_core.terms import TERMS, iri
from fathomline.answers.formats import writer
from tests.answers.darwin_core.archives import COMPLETE, archive, records
from tests.answers.world import BUNDLE, CONTEXT, boxed, row, table

OBIS_REQUIRES = (
    *("occurrenceID", "eventDate", "decimalLatitude", "decimalLongitude", "scientificName", "scientificNameID"),
    *("occurrenceStatus", "basisOfRecord"),
)
"""The terms that the OBIS manual lists as required for an occurrence core."""


def test_an_answer_becomes_an_occurrence(tmp_path, warnings):
    (found,) = records(archive(tmp_path, table(boxed(0, track="t1")), metadata=COMPLETE))
    assert found == {
        "occurrenceID": found["occurrenceID"],
        "basisOfRecord": "MachineObservation",
        "occurrenceStatus": "present",
        "associatedMedia": "a.png",
        "occurrenceRemarks": "box 1, 2, 5, 6.5 (x, y, width, height) in a picture of 20 x 16 pixels",
        "organismID": "t1",
        "eventDate": "2024-05-31T14:07:00Z",
        "decimalLatitude": "36.7",
        "decimalLongitude": "-122.03",
        "verbatimIdentification": "Moon jelly",
        "identificationVerificationStatus": "PredictedByMachine",
        "identificationRemarks": found["identificationRemarks"],
        "scientificNameID": "urn:lsid:marinespecies.org:taxname:135306",
        "scientificName": "Aurelia aurita",
        "kingdom": "Animalia",
        "phylum": "Cnidaria",
        "class": "Scyphozoa",
        "order": "Semaeostomeae",
        "family": "Ulmaridae",
        "genus": "Aurelia",
        "specificEpithet": "aurita",
        "taxonRank": "species",
    }
    assert re.fullmatch(
        r"probability 0\.7500; model jelly & co [0-9a-f]{12}, fathomline [\d.]+", found["identificationRemarks"]
    )
    assert set(OBIS_REQUIRES) <= found.keys() <= set(TERMS)
    assert warnings == []


def test_the_archive_describes_its_columns(tmp_path, warnings):
    path = archive(tmp_path, table(boxed(0)), metadata="path,LICENSE,Type\na.png,CC0,StillImage\n")
    with zipfile.ZipFile(path) as content:
        assert content.namelist() == ["occurrence.txt", "meta.xml", "eml.xml"]
        meta = ElementTree.fromstring(content.read("meta.xml"))
        header, line = content.read("occurrence.txt").decode().splitlines()
    space = "{http://rs.tdwg.org/dwc/text/}"
    (core,) = meta
    assert (meta.get("metadata"), core.get("rowType")) == ("eml.xml", "http://rs.tdwg.org/dwc/terms/Occurrence")
    assert [field.get("term") for field in core.findall(f"{space}field")] == [iri(term) for term in header.split("\t")]
    assert {"http://purl.org/dc/terms/license", "http://purl.org/dc/elements/1.1/type"} <= {
        field.get("term") for field in core.findall(f"{space}field")
    }
    assert len(line.split("\t")) == len(header.split("\t"))


def test_terms_that_no_occurrence_has_are_left_out(tmp_path, warnings):
    (found,) = records(archive(tmp_path, table(row(concept_name="Cnidaria"))))
    assert not {"eventDate", "organismID", "family", "specificEpithet", "scientificNameID"} & found.keys()
    first, second = records(archive(tmp_path, table(row(concept_name="Cnidaria"), boxed(1))))
    assert (first["family"], second["family"]) == ("", "Ulmaridae")


def test_an_archive_without_answers_is_readable(tmp_path, warnings):
    path = archive(tmp_path, table(), table())
    assert records(path) == []
    assert zipfile.ZipFile(path).read("occurrence.txt").startswith(b"occurrenceID\t")


def test_the_id_of_an_occurrence_stays_when_another_model_renames_it(tmp_path, warnings):
    def ids(*rows: dict, model: str = BUNDLE.name) -> list[str]:
        context = replace(CONTEXT, bundle=replace(BUNDLE, name=model))
        writer("dwc", context)(iter([table(*rows)]), tmp_path / "b")
        return [found["occurrenceID"] for found in records(tmp_path / "b")]

    (before,) = ids(boxed(0, annotation_id=3))
    assert before.startswith("urn:uuid:")
    assert ids(boxed(5, x=1.0, annotation_id=3, concept_name="Caridea", path="./a.png"), model="newer") == [before]
    others = ids(boxed(1, annotation_id=3), boxed(0, annotation_id=4), boxed(0, path="b.png"), row())
    assert len({before, *others}) == 5


def test_equal_paths_of_two_institutions_are_two_occurrences(tmp_path, warnings):
    ids = {
        records(archive(tmp_path, table(boxed(0)), metadata=f"path,institutionCode\na.png,{code}\n"))[0]["occurrenceID"]
        for code in ("MBARI", "JAMSTEC")
    }
    assert len(ids) == 2


def test_rows_that_repeat_a_picture_and_box_are_one_occurrence(tmp_path, warnings):
    path = archive(tmp_path, table(boxed(0)), table(boxed(0, row=1), boxed(1)), metadata=COMPLETE)
    assert len({found["occurrenceID"] for found in records(path)}) == len(records(path)) == 2
    assert warnings == ["1 row(s) repeat the picture and box of an earlier row and were left out"]


def test_names_without_aphia_id_and_records_without_place_are_told_once(tmp_path, warnings):
    rows = [
        boxed(0, concept_name="Aurelia labiata"),
        boxed(1, concept_name="Aurelia"),
        boxed(2, concept_name="Aurelia"),
    ]
    assert records(archive(tmp_path, table(*rows), table(boxed(3))))[0]["scientificNameID"] == ""
    assert warnings == [
        "3 occurrence(s) have no AphiaID, so OBIS cannot match their names: Aurelia, Aurelia labiata",
        "4 of 4 occurrence(s) lack a term that OBIS requires (eventDate, decimalLatitude, decimalLongitude); give them "
        "with --metadata",
    ]


@pytest.mark.parametrize("path", ["a\tb.png", "a\nb.png", 'say "cheese".png', "=1+1.png", "é ü.png"])
def test_no_character_of_a_path_breaks_a_row(path, tmp_path, warnings):
    found = records(archive(tmp_path, table(boxed(0, path=path), boxed(1))))
    assert len(found) == 2
    assert found[0]["associatedMedia"] == path.replace("\t", r"\t").replace("\n", r"\n")
    assert {record["basisOfRecord"] for record in found} == {"MachineObservation"}


def test_a_picture_from_the_web_is_named_by_its_url(tmp_path, warnings):
    rows = [boxed(0, location="https://a.org/1.png"), boxed(1, path="c.png")]
    found = records(archive(tmp_path, table(*rows), metadata="path,associatedMedia\nc.png,https://b.org/c.png\n"))
    assert [record["associatedMedia"] for record in found] == ["https://a.org/1.png", "https://b.org/c.png"]


@pytest.mark.parametrize("name", ["Aurelia sp.", "Aurelia cf. aurita", "Aurelia aurita 2", "Aurelia (Aurelia) aurita"])
def test_epithets_are_given_only_for_plain_binomials(name, tmp_path, warnings):
    (found,) = records(archive(tmp_path, table(row()).assign(species=name, accepted_name=name)))
    assert found["genus"] == "Aurelia"
    assert "specificEpithet" not in found


def test_a_subspecies_has_both_epithets(tmp_path, warnings):
    changed = table(row()).assign(accepted_name="Aurelia aurita minor", rank="subspecies")
    (found,) = records(archive(tmp_path, changed))
    assert (found["specificEpithet"], found["infraspecificEpithet"]) == ("aurita", "minor")


def test_all_terms_have_an_iri_and_appear_once():
    assert len(set(TERMS)) == len(TERMS) == 198
    assert iri("modified") == "http://purl.org/dc/terms/modified"
    assert iri("eventDate") == "http://rs.tdwg.org/dwc/terms/eventDate"


def test_the_zip_has_no_timestamps(tmp_path, warnings):
    path = archive(tmp_path, table(boxed(0)))
    assert {entry.date_time for entry in zipfile.ZipFile(path).infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert (
        hashlib.sha256(path.read_bytes()).digest()
        == hashlib.sha256(archive(tmp_path, table(boxed(0))).read_bytes()).digest()
    )
