"""The report's charts, each drawn from one of the report's tables.

Charts identify a taxon by the index of its node. Its name is only a label, and must pass through `chart_label`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from fathomline.report.labels import ROOT, WHOLE_TREE, chart_label, node_id
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy

SCALE = "Cividis"
"""A colour map for every kind of colour vision (Nuñez, Anderton and Renslow, PLoS ONE 2018)."""

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
"""From the palette of Okabe and Ito (2008) for every kind of colour vision."""

MOST_NAMES_WITH_COUNTS = 15
"""A confusion chart with more columns has no room to print counts."""


def figures(
    metrics: Mapping[str, object], tables: Mapping[str, pd.DataFrame], taxonomy: Taxonomy
) -> dict[str, go.Figure]:
    """All charts by name; `mistakes` is omitted if there are none.

    Args:
        metrics: as in metrics.json.
        tables: as `tables.all_tables` returns them.
    """
    charts = {
        "tree": tree(tables["clades"], taxonomy),
        "reliability": reliability(tables["reliability"]),
        "thresholds": thresholds(tables["thresholds"], metrics),
        "ranks": ranks(tables["ranks"]),
        "history": history(tables["history"]),
        "losses": losses(tables["history"]),
        **{f"confusion_{rank}": confusion(tables["confusion"], str(rank)) for rank in RANKS},
    }
    if tables["mistakes"]["mistakes"].any():
        charts["mistakes"] = mistakes(tables["mistakes"])
    for chart in charts.values():
        chart.layout.template = {}  # the page sets light or dark colours for text and grid
    return charts


def tree(clades: pd.DataFrame, taxonomy: Taxonomy) -> go.Figure:
    """An icicle of the clades with ROIs. The width of a clade is its number of ROIs, its colour their MHD."""
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
            tiling={"orientation": "v"},
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
    return figure.update_layout(height=460, margin={"t": 26, "l": 0, "r": 0, "b": 0})


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
    shares = counts.div(counts.sum(axis=1), axis=0)
    figure = go.Figure(
        go.Heatmap(
            x=list(range(len(columns))),
            y=list(range(len(counts))),
            z=_with_none(shares.round(4)).to_numpy(),
            customdata=_with_none(counts).to_numpy(),
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
        height=160 + max(180, 17 * len(counts)),
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


def _with_none(values: pd.DataFrame | pd.Series) -> pd.DataFrame | pd.Series:
    """`values` with None in place of NaN, which JSON lacks."""
    return values.astype(object).where(values.notna(), None)


def reliability(table: pd.DataFrame) -> go.Figure:
    """Share correct against predicted probability, one point per row of the table `reliability`."""
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dot", "color": "#888888"}, name="perfect calibration"
    )
    figure.add_scatter(
        x=table["confidence"].tolist(),
        y=table["right"].tolist(),
        customdata=table["rois"].tolist(),
        mode="lines+markers",
        marker={"size": (5 + 20 * np.sqrt(table["rois"] / table["rois"].sum())).tolist(), "color": BLUE},
        line={"color": BLUE},
        name="model",
        hovertemplate="predicted %{x:.3f}, correct %{y:.3f}<br>%{customdata} ROIs<extra></extra>",
    )
    return figure.update_layout(
        xaxis={"title": {"text": "predicted probability"}, "range": [0, 1.02]},
        yaxis={"title": {"text": "share correct"}, "range": [0, 1.02]},
    )


def thresholds(table: pd.DataFrame, metrics: Mapping[str, object]) -> go.Figure:
    """MHD against one threshold for all ranks (the table `thresholds`), with the MHD of each decoder as a line."""
    figure = go.Figure()
    x = table["threshold"].tolist()
    figure.add_scatter(x=x, y=table["mhd"].tolist(), mode="lines", line={"color": BLUE}, name="one threshold")
    for name, colour, dash in (("risk", GREEN, "dash"), ("threshold", ORANGE, "dot"), ("argmax", "#888888", "dashdot")):
        y = [metrics[f"mhd_{name}"]] * 2
        figure.add_scatter(x=[0, 1], y=y, mode="lines", line={"color": colour, "dash": dash}, name=f"{name} decoder")
    return figure.update_layout(
        xaxis={"title": {"text": "threshold at every rank"}}, yaxis={"title": {"text": "MHD"}, "rangemode": "tozero"}
    )


def ranks(table: pd.DataFrame) -> go.Figure:
    """Accuracy at each rank, from the table `ranks`."""
    bars = go.Bar(
        x=table["rank"].tolist(),
        y=_with_none(table["accuracy"]).tolist(),
        customdata=table["known"].tolist(),
        marker={"color": BLUE},
        hovertemplate="%{x}: %{y:.3f} of %{customdata} ROIs<extra></extra>",
    )
    return go.Figure(bars).update_layout(yaxis={"title": {"text": "accuracy"}, "range": [0, 1.02]})


def mistakes(table: pd.DataFrame) -> go.Figure:
    """Mistakes by the lowest rank that answer and truth share, from the table `mistakes`."""
    bars = go.Bar(
        x=table["meets_at"].tolist(),
        y=table["mistakes"].tolist(),
        customdata=table["share"].tolist(),
        marker={"color": ORANGE},
        hovertemplate="%{x}: %{y} mistakes, %{customdata:.1%}<extra></extra>",
    )
    return go.Figure(bars).update_layout(yaxis={"title": {"text": "mistakes"}})


def history(table: pd.DataFrame) -> go.Figure:
    """Distances by epoch, from the table `history`."""
    curves = {
        "validation_mhd": ("MHD (arg-max), held out", BLUE, "solid"),
        "validation_mhd_degraded": ("MHD (arg-max), held out, degraded view", GREEN, "dash"),
        "validation_expected_distance": ("expected distance, held out", BLUE, "dot"),
        "train_expected_distance": ("expected distance, training", ORANGE, "dot"),
    }
    return _over_epochs(table, curves, "steps on the tree")


def losses(table: pd.DataFrame) -> go.Figure:
    """Cross-entropy by epoch, from the table `history`."""
    curves = {
        "train_cross_entropy": ("training", ORANGE, "solid"),
        "validation_cross_entropy": ("held out", BLUE, "solid"),
    }
    return _over_epochs(table, curves, "cross-entropy (nats)")


def _over_epochs(table: pd.DataFrame, curves: Mapping[str, tuple[str, str, str]], unit: str) -> go.Figure:
    """Args: curves, the legend, colour and dash of each column; empty columns are omitted."""
    figure = go.Figure()
    for column, (name, colour, dash) in curves.items():
        if column in table and table[column].notna().any():
            figure.add_scatter(
                x=table["epoch"].tolist(),
                y=_with_none(table[column]).tolist(),
                mode="lines+markers",
                marker={"size": 5},
                line={"color": colour, "dash": dash},
                name=name,
            )
    return figure.update_layout(
        xaxis={"title": {"text": "epoch"}}, yaxis={"title": {"text": unit}, "rangemode": "tozero"}
    )
