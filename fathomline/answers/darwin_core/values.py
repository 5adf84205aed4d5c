"""Which values of Darwin Core terms are possible."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)

_RANGES: dict[str, tuple[float, float]] = {
    "decimalLatitude": (-90, 90),
    "decimalLongitude": (-180, 180),
    "minimumDepthInMeters": (0, 11_000),
    "maximumDepthInMeters": (0, 11_000),
    "coordinateUncertaintyInMeters": (0.001, 20_037_509),
}
"""Terms that are numbers, and their least and greatest values. The deepest trench has 10,935 m; the last is half of
the equator."""

_PAIRS = (("decimalLatitude", "decimalLongitude"), ("decimalLongitude", "decimalLatitude"))
"""The first needs the second."""

_DATE_TERMS = ("eventDate", "modified")

_DATE = re.compile(r"(?P<year>\d{4})(-(?P<month>\d\d)(-(?P<day>\d\d))?)?", re.ASCII)
_TIME = re.compile(r"(?P<time>\d\d(:\d\d(:\d\d([.,]\d+)?)?)?)(?P<zone>Z|[+-]\d\d(:?\d\d)?)?", re.ASCII)


def faults(terms: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the values of a record: by term, what was expected. Empty text counts as no value."""
    given = {term: value for term, value in terms.items() if value}
    found: dict[str, str] = {}
    for term, (low, high) in _RANGES.items():
        if term in given and number_between(given[term], low, high) is None:
            found[term] = f"a number from {low:,} to {high:,}"
    for term in _DATE_TERMS:
        if term in given and (expected := _date_fault(given[term])):
            found[term] = expected
    for term, other in _PAIRS:
        if term in given and other not in given:
            found.setdefault(term, f"{other} as well")
    depths = ("minimumDepthInMeters", "maximumDepthInMeters")
    if all(term in given and term not in found for term in depths):
        least, greatest = (float(given[term]) for term in depths)
        if least > greatest:
            found[depths[0]] = f"at most the maximum depth, {given[depths[1]]}"
    return found


def number_between(text: str, low: float, high: float) -> float | None:
    """The number that `text` is, or None unless it is one from `low` to `high`."""
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if low <= value <= high else None


def _date_fault(text: str) -> str | None:
    """What was expected instead of a date, date and time, or interval of either, as Darwin Core writes them."""
    expected = "an ISO 8601 date, such as 2024-05-31 or 2024-05-31T14:07:00Z"
    parts = text.split("/")
    if len(parts) > 2:
        return expected
    first = _day(parts[0])
    last = first if len(parts) == 1 else _interval_end(*parts)
    if first is None or last is None:
        return expected
    if first > last:
        return "an interval that ends after it begins"
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)  # in some time zone it is tomorrow already
    return "a date that is not in the future" if last > tomorrow else None


def _interval_end(start: str, end: str) -> date | None:
    """Like `_day`, for the end of an interval. It may leave out what it shares with the start: 2007-11-13/15."""
    return _day(start[: max(len(start) - len(end), 0)] + end) or _day(end)


def _day(text: str) -> date | None:
    """The first day of the year, month, day or time in `text`; None if there is no such date or time."""
    written, _, time = text.partition("T")
    found = _DATE.fullmatch(written)
    if found is None or ("T" in text and (found["day"] is None or not _is_time(time))):
        return None
    try:
        return date(int(found["year"]), int(found["month"] or 1), int(found["day"] or 1))
    except ValueError:
        return None


def _is_time(text: str) -> bool:
    found = _TIME.fullmatch(text)
    if found is None:
        return False
    hours, minutes, seconds = ([float(part) for part in found["time"].replace(",", ".").split(":")] + [0.0, 0.0])[:3]
    zone = (found["zone"] or "Z").replace("Z", "+00:00").replace(":", "")
    in_zone = int(zone[1:3]) <= 14 and int(zone[3:] or 0) < 60
    return hours < 24 and minutes < 60 and seconds < 60 and in_zone
