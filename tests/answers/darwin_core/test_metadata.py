from pathlib import Path

import pytest

from fathomline.answers.darwin_core.metadata import read_metadata
from fathomline.errors import InputError
from tests.answers.darwin_core.archives import COMPLETE, archive, records
from tests.answers.world import boxed, table


def refused(folder: Path, content: str) -> str:
    path = folder / "metadata.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_metadata(path)
    return str(error.value).removeprefix(f"{path}: ")


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
    assert message == "the column(s) scientificName are written from the answers; remove them"


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
    ("decimalLatitude", "1", "decimalLatitude is '1', expected decimalLongitude as well"),
    ("minimumDepthInMeters", "10 m", "minimumDepthInMeters is '10 m', expected a number from 0 to 11,000"),
    ("maximumDepthInMeters", "-5", "maximumDepthInMeters is '-5'"),
    ("minimumDepthInMeters,maximumDepthInMeters", "9,3", "minimumDepthInMeters is '9', expected at most the maximum"),
    ("coordinateUncertaintyInMeters", "0", "coordinateUncertaintyInMeters is '0', expected a number from 0.001"),
    ("eventDate", "2026-13-40", "eventDate is '2026-13-40', expected an ISO 8601 date"),
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
