"""Archives are read back with python-dwca-reader; eml.xml is checked by metapype, the rules of EML's own validator."""

import hashlib
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from dwca.read import DwCAReader
from PIL import Image

from fathomline.answers.darwin_core.metadata import read_metadata
from fathomline.answers.darwin_core.terms import TERMS, iri
from fathomline.answers.formats import writer
from fathomline.errors import InputError
from tests.answers.world import BUNDLE, CONTEXT, boxed, row, table

OBIS_REQUIRES = (
    *("occurrenceID", "eventDate", "decimalLatitude", "decimalLongitude", "scientificName", "scientificNameID"),
    *("occurrenceStatus", "basisOfRecord"),
)
"""The terms that the OBIS manual lists as required for an occurrence core."""

COMPLETE = "path,eventDate,decimalLatitude,decimalLongitude\na.png,2024-05-31T14:07:00Z,36.7,-122.03\n"


def archive(folder: Path, *tables: pd.DataFrame, metadata: str | None = None) -> Path:
    path = folder / ".answers.part"
    given = None
    if metadata is not None:
        (folder / "metadata.csv").write_text(metadata, encoding="utf-8")
        given = read_metadata(folder / "metadata.csv")
    writer("dwc", replace(CONTEXT, metadata=given))(iter(tables), path)
    return path


def records(path: Path) -> list[dict[str, str]]:
    """The occurrences, by the term's last part."""
    with DwCAReader(str(path)) as reader:
        return [{term.rsplit("/", 1)[1]: value for term, value in found.data.items()} for found in reader]


def refused(folder: Path, content: str) -> str:
    path = folder / "metadata.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_metadata(path)
    return str(error.value).removeprefix(f"{path}: ")


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


def test_rows_that_repeat_a_picture_and_box_are_one_occurrence(tmp_path, warnings):
    path = archive(tmp_path, table(boxed(0)), table(boxed(0, row=1), boxed(1)), metadata=COMPLETE)
    assert len({found["occurrenceID"] for found in records(path)}) == len(records(path)) == 2
    assert warnings == ["1 row(s) repeat the picture and box of an earlier row and were written once"]


def test_names_without_aphia_id_and_records_without_place_are_told_once(tmp_path, warnings):
    rows = [
        boxed(0, concept_name="Aurelia labiata"),
        boxed(1, concept_name="Aurelia"),
        boxed(2, concept_name="Aurelia"),
    ]
    assert records(archive(tmp_path, table(*rows), table(boxed(3))))[0]["scientificNameID"] == ""
    assert warnings == [
        "3 occurrence(s) have no AphiaID, so that OBIS cannot match their names: Aurelia, Aurelia labiata",
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


# Metadata


def test_metadata_matches_by_path_then_by_base_name(tmp_path, warnings):
    metadata = "Path,EVENTDATE,locality\nx/a.png,2020,exact\nb.png,2021,by name\nc.png,2022,unused\n"
    rows = [boxed(0, path="./x/a.png"), boxed(1, path="y/b.png"), boxed(2, path="z/d.png")]
    path = archive(tmp_path, table(*rows), metadata=metadata)
    assert [found["locality"] for found in records(path)] == ["exact", "by name", ""]
    assert warnings[-1] == f"{tmp_path / 'metadata.csv'}: 1 row(s) match no answered picture: c.png"


def test_two_pictures_never_share_a_record_by_their_base_name(tmp_path, warnings):
    with pytest.raises(InputError, match=r"path 'a\.png' could mean 'x/a\.png' or 'y/a\.png'; give one row for each"):
        archive(tmp_path, table(boxed(0, path="x/a.png"), boxed(1, path="y/a.png")), metadata=COMPLETE)


def test_a_base_name_that_two_records_have_matches_neither(tmp_path, warnings):
    metadata = "path,locality\nx/a.png,one\ny/a.png,two\n"
    found = records(archive(tmp_path, table(boxed(0, path="z/a.png"), boxed(1, path="y/a.png")), metadata=metadata))
    assert [record["locality"] for record in found] == ["", "two"]


def test_an_unknown_column_is_refused_with_the_nearest_term(tmp_path):
    message = refused(tmp_path, "path,decimalLatitud,colour\na.png,1,red\n")
    assert message.startswith("the column(s) 'decimalLatitud' (nearest: decimalLatitude), 'colour'")
    assert "are not among the Darwin Core terms" in message


def test_columns_that_follow_from_the_answers_are_refused(tmp_path):
    message = refused(tmp_path, "path,scientificname\na.png,Aurelia\n")
    assert message == "the column(s) scientificName follow from the answers; remove them"


@pytest.mark.parametrize(
    ("header", "expected"),
    [("eventDate", "lacks the column path"), ("path,eventDate,EventDate", "repeats the column(s) eventDate")],
)
def test_path_is_required_and_each_column_appears_once(header, expected, tmp_path):
    assert expected in refused(tmp_path, f"{header}\n{','.join('1' for _ in header.split(','))}\n")


IMPOSSIBLE = [
    ("decimalLatitude,decimalLongitude", "91,0", "decimalLatitude is '91', expected a number from -90 to 90"),
    ("decimalLatitude,decimalLongitude", "nan,0", "decimalLatitude is 'nan', expected a number from -90 to 90"),
    ("decimalLatitude,decimalLongitude", "36°N,0", "decimalLatitude is '36°N'"),
    ("decimalLatitude,decimalLongitude", "1,180.5", "decimalLongitude is '180.5', expected a number from -180 to 180"),
    ("decimalLatitude", "1", "decimalLatitude is '1', expected decimalLongitude beside it"),
    ("minimumDepthInMeters", "10 m", "minimumDepthInMeters is '10 m', expected a number from 0 to 11,000"),
    ("maximumDepthInMeters", "-5", "maximumDepthInMeters is '-5'"),
    ("minimumDepthInMeters,maximumDepthInMeters", "9,3", "minimumDepthInMeters is '9', expected at most the maximum"),
    ("coordinateUncertaintyInMeters", "0", "coordinateUncertaintyInMeters is '0', expected a number from 0.001"),
    ("eventDate", "2026-13-40", "eventDate is '2026-13-40', expected a date as ISO 8601"),
    ("eventDate", "2023-02-29", "eventDate is '2023-02-29'"),
    ("eventDate", "31.5.2024", "eventDate is '31.5.2024'"),
    ("eventDate", "2024-05-31T25:00", "eventDate is '2024-05-31T25:00'"),
    ("eventDate", "9999-01-01", "eventDate is '9999-01-01', expected a date that is not in the future"),
    ("eventDate", "2024-05-31/2024-05-01", "expected an interval that ends after it begins"),
]


@pytest.mark.parametrize(("terms", "values", "expected"), IMPOSSIBLE)
def test_impossible_values_are_named_with_row_path_and_value(terms, values, expected, tmp_path):
    message = refused(tmp_path, f"path,{terms}\nb.png,{','.join('' for _ in values.split(','))}\na.png,{values}\n")
    assert message.startswith("1 value(s) to correct (the header is row 1): row 3 ('a.png'): ")
    assert expected in message


POSSIBLE = (
    *("2024", "2024-05", "2024-05-31", "2024-05-31T14", "2024-05-31T14:07", "2024-05-31T14:07:09.5Z"),
    *("2024-05-31T14:07+02:00", "2024-05-31T14:07:00-0730", "2007-11-13/15", "1900/1909"),
    "2007-03-01T13:00:00Z/2008-05-11T15:30:00Z",
)


@pytest.mark.parametrize("date", POSSIBLE)
def test_dates_and_intervals_of_iso_8601_are_accepted(date, tmp_path):
    (tmp_path / "m.csv").write_text(f"path,eventDate\na.png,{date}\n")
    assert read_metadata(tmp_path / "m.csv").records == {"a.png": {"eventDate": date}}


def test_all_impossible_values_are_counted_and_ten_are_named(tmp_path):
    message = refused(tmp_path, "path,minimumDepthInMeters\n" + "".join(f"{number}.png,deep\n" for number in range(14)))
    assert message.startswith("14 value(s) to correct")
    assert message.count("expected a number") == 10
    assert message.endswith("and 4 more")


def test_a_path_that_is_repeated_or_empty_is_named_and_blank_lines_are_not(tmp_path):
    message = refused(tmp_path, "path,locality\n\na.png,x\n./a.png,y\n,z\n\n")
    assert message.startswith(
        "3 value(s) to correct (the header is row 1): row 3 ('a.png'): path appears more than once"
    )
    assert "row 5 (''): path is empty" in message


# EXIF


def photo(folder: Path, taken: str = "2024:05:31 14:07:00", **gps: object) -> dict:
    """A row for a picture with EXIF: 36° 42' 30" N, 122° 1' 48" W, 350.5 m below sea level."""
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({36867: taken, 36881: "-07:00"})
    position = {1: "N", 2: (36.0, 42.0, 30.0), 3: "W", 4: (122.0, 1.0, 48.0), 5: b"\x01", 6: 350.5, 18: "WGS-84"}
    exif.get_ifd(0x8825).update(position | {int(tag.removeprefix("tag")): value for tag, value in gps.items()})
    Image.new("RGB", (20, 16)).save(folder / "a.jpg", exif=exif)
    return boxed(0, path="a.jpg", location=str(folder / "a.jpg"))


def test_date_place_and_depth_come_from_the_exif(tmp_path, warnings):
    (found,) = records(archive(tmp_path, table(photo(tmp_path))))
    assert found["eventDate"] == "2024-05-31T14:07:00-07:00"
    assert (found["decimalLatitude"], found["decimalLongitude"]) == ("36.708333", "-122.030000")
    assert found["geodeticDatum"] == "WGS84"
    assert (found["minimumDepthInMeters"], found["maximumDepthInMeters"]) == ("350.50", "350.50")
    assert warnings == []


def test_metadata_counts_more_than_exif_and_never_mixes_with_it_in_one_place(tmp_path, warnings):
    metadata = "path,decimalLatitude,decimalLongitude,maximumDepthInMeters\na.jpg,1,2,9\n"
    (found,) = records(archive(tmp_path, table(photo(tmp_path)), metadata=metadata))
    assert (found["decimalLatitude"], found["decimalLongitude"], found["maximumDepthInMeters"]) == ("1", "2", "9")
    assert not {"geodeticDatum", "minimumDepthInMeters"} & found.keys()
    assert found["eventDate"].startswith("2024")


@pytest.mark.parametrize(
    ("taken", "gps", "left_out"),
    [
        ("2024:13:40 00:00:00", {}, {"eventDate"}),
        ("9999:01:01 00:00:00", {}, {"eventDate"}),
        ("last summer", {}, {"eventDate"}),
        ("2024:05:31 14:07:00", {"tag2": (91.0, 0.0, 0.0)}, {"decimalLatitude", "decimalLongitude", "geodeticDatum"}),
        ("2024:05:31 14:07:00", {"tag6": 20_000.0}, {"minimumDepthInMeters", "maximumDepthInMeters"}),
    ],
)
def test_impossible_exif_is_left_out_and_told_once(taken, gps, left_out, tmp_path, warnings):
    (found,) = records(archive(tmp_path, table(photo(tmp_path, taken, **gps))))
    others = {"eventDate", "decimalLatitude", "geodeticDatum", "minimumDepthInMeters"} - left_out
    assert not left_out & found.keys()
    assert others <= found.keys()
    told = [line for line in warnings if "EXIF" in line]
    assert len(told) == 1
    assert told[0].startswith("the EXIF of 1 picture(s) has impossible values, which were left out, such as a.jpg: ")


@pytest.mark.parametrize("taken", ["0000:00:00 00:00:00", "    :  :     :  :  "])
def test_a_camera_without_a_clock_or_a_fix_says_nothing(taken, tmp_path, warnings):
    zero = (0.0, 0.0, 0.0)
    (found,) = records(archive(tmp_path, table(photo(tmp_path, taken, tag2=zero, tag4=zero, tag5=b"\x00"))))
    assert not {"eventDate", "decimalLatitude", "minimumDepthInMeters"} & found.keys()
    assert not [line for line in warnings if "EXIF" in line]


def test_pictures_with_damaged_exif_are_answered_without_it(tmp_path, warnings):
    broken = photo(tmp_path)
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[:24] + b"\xff" * 40 + content[64:])
    assert len(records(archive(tmp_path, table(broken)))) == 1


# eml.xml


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


def test_eml_states_no_license_that_nobody_gave(tmp_path, warnings):
    dataset = eml(archive(tmp_path, table(boxed(0)))).find("dataset")
    assert dataset.findtext("intellectualRights/para").startswith("Not stated")
    assert dataset.findtext("title").startswith("Marine animals identified by the model jelly & co")


def test_different_answers_have_different_ids_of_the_dataset(tmp_path, warnings):
    first, second = (eml(archive(tmp_path, table(boxed(number)))).get("packageId") for number in (0, 1))
    assert first != second


def test_the_zip_has_no_timestamps(tmp_path, warnings):
    path = archive(tmp_path, table(boxed(0)))
    assert {entry.date_time for entry in zipfile.ZipFile(path).infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert (
        hashlib.sha256(path.read_bytes()).digest()
        == hashlib.sha256(archive(tmp_path, table(boxed(0))).read_bytes()).digest()
    )
