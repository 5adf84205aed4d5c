import json
import math

import numpy as np
import pandas as pd
import pytest

from fathomline.report.figures import figures
from fathomline.report.labels import chart_label
from fathomline.report.tables import confusion_at_ranks
from fathomline.report.taxon_figures import confusion
from tests.report.conftest import HOSTILE_PATHS, taxonomy_of


def rows(*pairs: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["truth", "prediction"])


def test_a_taxon_named_like_the_mark_of_another_has_its_own_row():
    pairs = rows(("R", "R (no class)"), ("R (no class)", "R"), ("R", "R"))
    chart = confusion(confusion_at_ranks(pairs, taxonomy_of(HOSTILE_PATHS)), "class")
    assert list(chart.layout.yaxis.ticktext) == ["R (no class, 2)", "R (no class)"]
    assert np.array(chart.data[0].customdata).tolist() == [[1, 1], [1, None]]


def test_names_with_the_same_label_have_their_own_positions():
    long = [name for name in HOSTILE_PATHS if name.startswith("Long")]
    assert chart_label(long[0]) == chart_label(long[1])
    table = confusion_at_ranks(rows((long[0], long[1]), (long[1], long[1])), taxonomy_of(HOSTILE_PATHS))
    chart = confusion(table, "phylum")
    assert np.array(chart.data[0].customdata).tolist() == [[None, 1], [None, 1]]
    assert list(chart.layout.xaxis.tickvals) == [0, 1]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_charts_of_values_that_are_not_finite_are_valid_json(world, value):
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
