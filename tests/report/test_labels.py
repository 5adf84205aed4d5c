import html

import pytest

from fathomline.report.labels import LONGEST_CHART_LABEL, chart_label, visible
from tests.report.conftest import HOSTILE_PATHS

SHORT = [name for name in HOSTILE_PATHS if len(name) < LONGEST_CHART_LABEL]


@pytest.mark.parametrize("name", SHORT)
def test_a_chart_label_reads_as_written_and_contains_nothing_that_plotly_interprets(name):
    assert not set("<>{}%$") & set(chart_label(name))
    assert html.unescape(chart_label(name)) == name


def test_invisible_characters_are_replaced_by_their_code_points():
    assert visible("tab\tnew\nline") == "tab[U+0009]new[U+000A]line"
    assert visible("\u202egnp.exe\u2028\u200b") == "[U+202E]gnp.exe[U+2028][U+200B]"
    assert visible("\ud800") == "[U+D800]"
    assert visible("Ñandú 海 \u2007") == "Ñandú 海 \u2007"


def test_a_long_label_keeps_both_ends_of_the_name():
    label = chart_label("Sebastes " + "x" * 500 + " (no species)")
    assert len(label) == LONGEST_CHART_LABEL
    assert label.startswith("Sebastes xx")
    assert label.endswith("xx (no species)")
