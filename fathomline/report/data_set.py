"""What the report's header says about the data set: its name, its dates and its number of frames."""

import calendar
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from fathomline.dataset.coco import Coco

UNNAMED = "unnamed data set"

CAPTURE_FIELDS = ("date_captured", "timestamp", "datetime", "date_time", "captured_at", "date")
"""Fields of a COCO image that may tell when it was taken, the best first."""

YEARS = range(1890, 2100)
"""Years in which a frame may have been taken; the first photographs under water are from the 1890s."""

RESET_CLOCKS = {date(1900, 1, 1), date(1904, 1, 1), date(1969, 12, 31), date(1970, 1, 1), date(1980, 1, 1)}
"""Dates that stand for zero in programs and cameras. A time zone west of Greenwich moves 1970 into 1969."""

SECONDS = (1e8, 4.1e9)
"""Numbers between these (1973 to 2099) are seconds since 1970; smaller ones are positions in a video or counters."""

MILLISECONDS = 1e11
"""Larger numbers are milliseconds since 1970."""

_DATE = re.compile(r"(\d{4})([-/:.])(\d{1,2})\2(\d{1,2})(?!\d)", re.ASCII)
_COMPACT_DATE = re.compile(r"(\d{4})()(\d\d)(\d\d)(?!\d)", re.ASCII)
_NUMBER = re.compile(r"\d+(\.\d+)?", re.ASCII)


@dataclass(frozen=True)
class DataSet:
    name: str

    date_label: str
    """What `dates` are the dates of; empty if they are unknown."""

    dates: str
    """A day or a range of days in words, or a year; empty if unknown. Never the date of the run."""

    frames: int


def describe(coco: Coco) -> DataSet:
    """Describe the training subset, including its frames without an ROI."""
    name = coco.info.get("description", "").strip() or UNNAMED
    return DataSet(name, *_dates(coco), len(coco.images))


def _dates(coco: Coco) -> tuple[str, str]:
    """The label and the dates: of the frames if any is known, otherwise of the data set."""
    known = sorted(day for image in coco.images if (day := _captured(image)) is not None)
    if known:
        days = day_in_words(known[0])
        if known[0] != known[-1]:
            days += f" to {day_in_words(known[-1])}"
        if len(known) < len(coco.images):
            days += f" (known for {len(known):,} of {len(coco.images):,} frames)"
        return "frames taken", days
    created = parse_day(coco.info.get("date_created", ""))
    if created is not None:
        return "data set created", day_in_words(created)
    for key in ("date_created", "year"):
        year = coco.info.get(key, "").strip()
        if re.fullmatch(r"\d{4}", year, re.ASCII) and int(year) in YEARS:
            return "data set created", year
    return "", ""


def _captured(image: Mapping[str, object]) -> date | None:
    days = (parse_day(image[name]) for name in CAPTURE_FIELDS if name in image)
    return next((day for day in days if day is not None), None)


def parse_day(value: object) -> date | None:
    """The day of a date or time: year, month and day in this order, or a number of seconds or milliseconds since 1970.

    Returns None for anything else, such as 04/05/2019, whose order is unknown, and for days that stand for zero.
    """
    text = str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    found = _DATE.match(text) or _COMPACT_DATE.match(text)
    if found is not None:
        year, month, day = (int(found[place]) for place in (1, 3, 4))
        try:
            return _plausible(date(year, month, day))
        except ValueError:
            pass  # not a date: it may be a number
    return _since_1970(float(text)) if _NUMBER.fullmatch(text) else None


def _since_1970(number: float) -> date | None:
    seconds = number / 1000 if number >= MILLISECONDS else number
    if not math.isfinite(seconds) or not SECONDS[0] <= seconds <= SECONDS[1]:
        return None
    return _plausible(datetime.fromtimestamp(seconds, UTC).date())


def _plausible(day: date) -> date | None:
    return day if day.year in YEARS and day not in RESET_CLOCKS else None


def day_in_words(day: date) -> str:
    """The day as 4 May 2019."""
    return f"{day.day} {calendar.month_name[day.month]} {day.year}"
