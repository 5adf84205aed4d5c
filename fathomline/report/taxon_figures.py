"""The charts of taxa: the tree of clades, and the confusion of one rank.

A taxon is identified by the index of its node. Its name is only a label, and must pass through `chart_label`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from fathomline.report.labels import LONGEST_CHART_LABEL, ROOT, WHOLE_TREE, chart_label, node_id, visible
from fathomline.taxonomy.tree import Taxonomy

SCALE = "Cividis"
"""A colour map for every kind of colour vision (Nuñez, Anderton and Renslow, PLoS ONE 2018)."""

MOST_NAMES_WITH_COUNTS = 15
"""A confusion chart with more columns has no room to print counts."""

LINE = 17
"""Pixels from one name on the confusion's vertical axis to the next: closer names would overlap."""

AXIS_TITLE = 76
"""Pixels for the title of the horizontal axis and the margins."""

SLANTED = 4.8
"""Pixels of height for each character of a name on the horizontal axis."""

LEGIBLE = 10
"""Pixels; a name that would have to be smaller to fit its bar is not printed."""


def tree(clades: pd.DataFrame, taxonomy: Taxonomy) -> go.Figure:
    """An icicle of the clades with ROIs, from the kingdoms at the left to the species at the right. The height of a
    clade is its number of ROIs, its colour their MHD."""
    shown = clades[clades["support"] > 0]
    nodes = np.array([taxonomy.node(name) for name in shown["taxon"]], dtype=np.int64)
    parents = taxonomy.parents[nodes]
    names, values, colours = shown["taxon"].tolist(), shown["support"].tolist(), shown["mhd"].tolist()
    ids, above = [node_id(node) for node in nodes], [node_id(parent) for parent in parents]
    kingdoms = shown[parents < 0]
    if len(kingdoms) > 1:
        names, ids, above = [WHOLE_TREE, *names], [ROOT, *ids], ["", *(parent or ROOT for parent in above)]
        values = [int(kingdoms["support"].sum()), *values]
        colours = [float(np.average(kingdoms["mhd"], weights=kingdoms["support"])), *colours]
    figure = go.Figure(
        go.Icicle(
            ids=ids,
            labels=[chart_label(name) for name in names],
            parents=above,
            values=values,
            branchvalues="total",
            maxdepth=8,
            tiling={"orientation": "h"},
            marker={
                "colors": colours,
                "colorscale": SCALE,
                "cmin": 0,
                "cmax": max([1.0, *(colour for colour in colours if np.isfinite(colour))]),
                "colorbar": {"title": {"text": "MHD"}, "thickness": 12},
                "line": {"width": 1},
            },
            hovertemplate="%{label}<br>%{value} ROIs, MHD %{color:.3f}<extra></extra>",
        )
    )
    return figure.update_layout(
        margin={"t": 8, "l": 0, "r": 0, "b": 8}, uniformtext={"minsize": LEGIBLE, "mode": "hide"}
    )


def confusion(table: pd.DataFrame, rank: str) -> go.Figure:
    """A heatmap with truths as rows and predictions as columns, in tree order. Colour is the share of the truth's ROIs.

    Args:
        table: the table `confusion`.
    """
    pairs = table[table["rank"] == rank]
    labels = dict(zip(pairs["truth_node"], pairs["truth"], strict=True))
    labels |= dict(zip(pairs["prediction_node"], pairs["prediction"], strict=True))
    columns = sorted(labels)  # nodes are numbered in tree order
    counts = pairs.pivot_table(index="truth_node", columns="prediction_node", values="rois", aggfunc="sum").reindex(
        index=sorted(set(pairs["truth_node"])), columns=columns
    )
    longest = min(LONGEST_CHART_LABEL, max(len(visible(name)) for name in labels.values()))
    shares = counts.div(counts.sum(axis=1), axis=0)
    figure = go.Figure(
        go.Heatmap(
            x=list(range(len(columns))),
            y=list(range(len(counts))),
            z=with_none(shares.round(4)).to_numpy(),
            customdata=with_none(counts).to_numpy(),
            zmin=0,
            zmax=1,
            colorscale=SCALE,
            xgap=1,
            ygap=1,
            colorbar={"title": {"text": "share"}, "thickness": 12, "tickformat": ".0%"},
            hovertemplate="truth: %{y}<br>prediction: %{x}<br>%{customdata} ROIs, %{z:.1%}<extra></extra>",
            hoverongaps=False,
            text=counts.fillna(-1).astype(int).astype(str).replace("-1", "").to_numpy(),
            texttemplate="%{text}" if len(columns) <= MOST_NAMES_WITH_COUNTS else None,
        )
    )
    return figure.update_layout(
        meta={"x": _full_names(labels, columns), "y": _full_names(labels, counts.index)},
        height=AXIS_TITLE + LINE * max(10, len(counts)) + round(SLANTED * longest),
        xaxis={"title": {"text": "prediction", "standoff": 12}, "tickangle": -60, **_names_on_axis(labels, columns)},
        yaxis={
            "title": {"text": "truth", "standoff": 12},
            "autorange": "reversed",
            **_names_on_axis(labels, counts.index),
        },
    )


def _names_on_axis(labels: Mapping[int, str], nodes: Sequence[int]) -> dict[str, object]:
    """An axis with one position per node: by name, plotly would merge two nodes whose labels look the same."""
    return {
        "tickmode": "array",
        "tickvals": list(range(len(nodes))),
        "ticktext": [chart_label(labels[node]) for node in nodes],
        "showgrid": False,
        "zeroline": False,
        "automargin": True,
        "tickfont": {"size": 10},
    }


def _full_names(labels: Mapping[int, str], nodes: Sequence[int]) -> list[str]:
    """The names on an axis without the cut of `chart_label`, for the page's script."""
    return [visible(labels[node]) for node in nodes]


def with_none(values: pd.DataFrame | pd.Series) -> pd.DataFrame | pd.Series:
    """`values` with None in place of NaN, which JSON lacks."""
    return values.astype(object).where(values.notna(), None)
