from datetime import date

import pytest

from fathomline.dataset.coco import Coco
from fathomline.report.data_set import describe, parse_day


def coco(*images: dict, **info: str) -> Coco:
    return Coco([{"id": number, **image} for number, image in enumerate(images)], [], [], info)


def test_the_name_is_the_description():
    assert describe(coco({}, description="Dive 7")).name == "Dive 7"
    assert describe(coco({})).name == "unnamed data set"


def test_frames_are_counted_with_and_without_rois():
    assert describe(coco({}, {}, {})).frames == 3


def test_the_dates_are_the_first_and_the_last_day_of_the_frames():
    images = [
        {"date_captured": "2021-08-12T10:00:00Z"},
        {"timestamp": "2019:05:04 23:59:59"},
        {"date_captured": "2020"},
    ]
    described = describe(coco(*images[:2], year="2022"))
    assert (described.date_label, described.dates) == ("frames taken", "4 May 2019 to 12 August 2021")
    assert describe(coco(images[0], images[0])).dates == "12 August 2021"
    assert describe(coco(*images)).dates == "4 May 2019 to 12 August 2021 (known for 2 of 3 frames)"


def test_a_second_field_is_used_where_the_first_has_no_date():
    assert describe(coco({"date_captured": 0, "timestamp": "2019-05-04"})).dates == "4 May 2019"


@pytest.mark.parametrize(
    ("info", "dates"),
    [
        ({"date_created": "2023/01/02", "year": "2022"}, "2 January 2023"),
        ({"date_created": "2023"}, "2023"),
        ({"date_created": "last summer", "year": "2022"}, "2022"),
        ({"year": "0"}, ""),
        ({}, ""),
    ],
)
def test_without_dates_of_frames_the_date_of_the_data_set_is_shown(info, dates):
    described = describe(coco({"date_captured": "1970-01-01"}, **info))
    assert described.dates == dates
    assert described.date_label == ("data set created" if dates else "")


@pytest.mark.parametrize(
    "value",
    [
        "2019-05-04",
        "2019-05-04 13:14:15",
        "2019-05-04T13:14:15.123+02:00",
        "2019/5/4",
        "2019:05:04 13:14:15",
        "20190504",
        "20190504T131415Z",
        20190504,
        1556971200,
        1556971200.5,
        1556971200000,
        "1556971200",
    ],
)
def test_common_forms_of_dates_are_read(value):
    assert parse_day(value) == date(2019, 5, 4)


@pytest.mark.parametrize(
    "value",
    [
        0, "0", "", "  ", None, True, 12.5, "12.5", float("nan"), float("inf"), 1e300, [], {},
        "1970-01-01", "1970-01-01T00:00:00Z", "1969-12-31 16:00:00", "1980-01-01", "0000-00-00", "0001-01-01",
        "2019-13-45", "2019-05/04", "04/05/2019", "yesterday", "9999-12-31", "00012345",
    ],
)  # fmt: skip
def test_zeros_and_other_values_are_no_dates(value):
    assert parse_day(value) is None
