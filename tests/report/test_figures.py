import html
import json
import math

import numpy as np
import pandas as pd
import pytest

from fathomline.report.figures import LONGEST_LABEL, confusion, figures, plain, tree, visible
from fathomline.report.tables import confusion_at_ranks
from tests.report.conftest import HOSTILE_PATHS, spanned


@pytest.mark.parametrize("name", [name for name in HOSTILE_PATHS if name.isprintable() and len(name) < LONGEST_LABEL])
def test_a_plain_name_reads_as_written_and_holds_nothing_that_plotly_interprets(name):
    assert not set("<>{}%$") & set(plain(name))
    assert html.unescape(plain(name)) == name


def test_characters_that_cannot_be_seen_are_told_by_their_code_points():
    assert visible("tab\tnew\nline") == "tab[U+0009]new[U+000A]line"
    assert visible("\u202egnp.exe\u2028\u200b") == "[U+202E]gnp.exe[U+2028][U+200B]"
    assert visible("\ud800") == "[U+D800]"
    assert visible("Ñandú 海 \u2007") == "Ñandú 海 \u2007"


def test_a_long_name_keeps_both_its_ends():
    shown = plain("Sebastes " + "x" * 500 + " (no species)")
    assert len(shown) == LONGEST_LABEL
    assert shown.startswith("Sebastes xx")
    assert shown.endswith("xx (no species)")


def rows(*pairs: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["truth", "prediction"])


def test_a_taxon_named_like_the_mark_of_another_has_a_row_of_its_own():
    table = confusion_at_ranks(rows(("R", "R (no class)"), ("R (no class)", "R"), ("R", "R")), spanned(HOSTILE_PATHS))
    chart = confusion(table, "class")
    assert list(chart.layout.yaxis.ticktext) == ["R (no class, 2)", "R (no class)"]
    assert np.array(chart.data[0].customdata).tolist() == [[1, 1], [1, None]]


def test_names_that_are_drawn_alike_have_places_of_their_own():
    long = [name for name in HOSTILE_PATHS if name.startswith("Long")]
    assert plain(long[0]) == plain(long[1])
    table = confusion_at_ranks(rows((long[0], long[1]), (long[1], long[1])), spanned(HOSTILE_PATHS))
    chart = confusion(table, "phylum")
    assert np.array(chart.data[0].customdata).tolist() == [[None, 1], [None, 1]]
    assert list(chart.layout.xaxis.tickvals) == [0, 1]


def test_a_kingdom_named_like_the_whole_tree_is_a_bar_of_its_own(hostile):
    clades = hostile.results.tables["clades"]
    (icicle,) = tree(clades, hostile.results.taxonomy).data
    assert len(set(icicle.ids)) == len(icicle.ids) == len(clades) + 1
    assert set(icicle.parents) <= {"", *icicle.ids}
    at = {label: place for place, label in enumerate(icicle.labels) if place}
    assert icicle.values[at["all kingdoms"]] == clades.set_index("taxon").loc["all kingdoms", "support"]
    assert icicle.values[0] == 60
    assert icicle.parents[at["all kingdoms"]] == icicle.ids[0]
    assert icicle.parents[at["all kingdoms below"]] == icicle.ids[at["all kingdoms"]]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_figures_that_are_not_finite_leave_the_charts_whole(world, value):
    tables = {name: table.copy() for name, table in world.results.tables.items()}
    for name in ("clades", "reliability", "thresholds", "ranks", "history"):
        decimals = tables[name].select_dtypes("floating").columns
        tables[name].loc[:, decimals] = value
    metrics = {name: value if isinstance(figure, float) else figure for name, figure in world.results.metrics.items()}
    charts = figures(metrics, tables, world.results.taxonomy)
    icicle = json.loads(charts["tree"].to_json())["data"][0]
    assert set(icicle["marker"]["colors"]) == {None}
    assert icicle["marker"]["cmax"] == 1
    for chart in charts.values():
        json.loads(chart.to_json(), parse_constant=lambda constant: pytest.fail(constant))
