"""How findings are grouped and printed."""

from fathomline.check.finding import Finding, grouped_lines, stops
from fathomline.errors import InputError


def test_findings_are_printed_below_their_headings_each_once_and_no_heading_is_empty():
    findings = [
        Finding("expected", "disk: 1 GB"),
        Finding("stop", "a.json: broken"),
        Finding("stop", "a.json: broken"),
        Finding("stop", "2 frames are missing:\n1 × gone\n1 × too large"),
    ]
    assert grouped_lines(findings) == [
        "will stop",
        "  - a.json: broken",
        "  - 2 frames are missing:",
        "    1 × gone",
        "    1 × too large",
        "",
        "expected",
        "  - disk: 1 GB",
    ]


def test_notes_of_the_download_are_among_the_surprises():
    lines = grouped_lines([Finding("note", "2 categories are ignored"), Finding("surprise", "few ROIs")])
    assert lines == ["may surprise", "  - 2 categories are ignored", "  - few ROIs"]


def test_each_line_of_an_error_is_a_problem_and_an_indented_one_belongs_to_the_one_before():
    def refuse() -> None:
        raise InputError("a: wrong\nb: 2 names:\n  'x'\n  'y'\nc: wrong")

    found = [finding.text for finding in stops(refuse)]
    assert found == ["a: wrong", "b: 2 names:\n  'x'\n  'y'", "c: wrong"]


def test_a_check_that_passes_finds_nothing():
    assert list(stops(lambda: "fine")) == []
