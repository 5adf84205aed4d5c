"""The report's charts, each drawn from the table that a CSV holds."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy

SCALE = "Cividis"
"""Reads alike with every kind of colour vision (Nuñez, Anderton and Renslow, PLoS ONE 2018)."""

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
"""Of the colours that Okabe and Ito chose for every kind of colour vision (2008)."""

READABLE = 15
"""Names up to which a confusion chart has room to print its counts."""

WHOLE_TREE = "all kingdoms"


def figures(
    metrics: Mapping[str, object], tables: Mapping[str, pd.DataFrame], taxonomy: Taxonomy
) -> dict[str, go.Figure]:
    """Every chart by name; one that has nothing to show is left out.

    Args: tables by the names of their CSVs, as `write_tables` writes them.
    """
    charts = {
        "tree": tree(tables["clades"]),
        "reliability": reliability(tables["reliability"]),
        "thresholds": thresholds(tables["thresholds"], metrics),
        "ranks": ranks(tables["ranks"]),
        "history": history(tables["history"]),
        "losses": losses(tables["history"]),
        **{f"confusion_{rank}": confusion(tables["confusion"], str(rank), taxonomy) for rank in RANKS},
    }
    if tables["mistakes"]["mistakes"].any():
        charts["mistakes"] = mistakes(tables["mistakes"])
    for chart in charts.values():
        chart.layout.template = {}  # colours of text and grid are the page's, by day and by night
    return charts


def tree(clades: pd.DataFrame) -> go.Figure:
    """An icicle: a clade's width is its support, its colour its MHD. Clades without an ROI have no width."""
    shown = clades[clades["support"] > 0]
    parents = shown["parent"].fillna("")
    names, values, colours = shown["taxon"].tolist(), shown["support"].tolist(), shown["mhd"].tolist()
    above = parents.tolist()
    if (parents == "").sum() > 1:
        kingdoms = shown[parents == ""]
        names, above = [WHOLE_TREE, *names], ["", *parents.replace("", WHOLE_TREE)]
        values = [int(kingdoms["support"].sum()), *values]
        colours = [float(np.average(kingdoms["mhd"], weights=kingdoms["support"])), *colours]
    figure = go.Figure(
        go.Icicle(
            ids=names,
            labels=names,
            parents=above,
            values=values,
            branchvalues="total",
            maxdepth=8,
            tiling={"orientation": "v"},
            marker={
                "colors": colours,
                "colorscale": SCALE,
                "cmin": 0,
                "cmax": max(*colours, 1.0),
                "colorbar": {"title": {"text": "MHD"}, "thickness": 12},
                "line": {"width": 1},
            },
            hovertemplate="%{label}<br>%{value} ROIs, MHD %{color:.3f}<extra></extra>",
        )
    )
    return figure.update_layout(height=460, margin={"t": 26, "l": 0, "r": 0, "b": 0})


def confusion(table: pd.DataFrame, rank: str, taxonomy: Taxonomy) -> go.Figure:
    """Truth down, prediction across, names in the order of the tree; colour is the share of the truth's ROIs."""
    pairs = table[table["rank"] == rank]
    names = sorted({*pairs["truth"], *pairs["prediction"]}, key=lambda name: _place(name, taxonomy))
    counts = (
        pairs.pivot_table(index="truth", columns="prediction", values="rois", aggfunc="sum")
        .reindex(index=[name for name in names if name in set(pairs["truth"])])
        .reindex(columns=names)
    )
    shares = counts.div(counts.sum(axis=1), axis=0)
    figure = go.Figure(
        go.Heatmap(
            x=counts.columns.tolist(),
            y=counts.index.tolist(),
            z=shares.round(4).astype(object).where(counts.notna(), None).to_numpy(),
            customdata=counts.astype(object).where(counts.notna(), None).to_numpy(),
            zmin=0,
            zmax=1,
            colorscale=SCALE,
            xgap=1,
            ygap=1,
            colorbar={"title": {"text": "share"}, "thickness": 12, "tickformat": ".0%"},
            hovertemplate="%{y}<br>answered %{x}<br>%{customdata} ROIs, %{z:.1%}<extra></extra>",
            hoverongaps=False,
            text=counts.fillna(-1).astype(int).astype(str).replace("-1", "").to_numpy(),
            texttemplate="%{text}" if len(names) <= READABLE else None,
        )
    )
    height = 160 + max(180, 17 * len(counts))
    axes = {"showgrid": False, "dtick": 1, "automargin": True, "tickfont": {"size": 10}}
    return figure.update_layout(
        height=height,
        xaxis={"title": {"text": "prediction", "standoff": 12}, "tickangle": -60, **axes},
        yaxis={"title": {"text": "truth", "standoff": 12}, "autorange": "reversed", **axes},
    )


def _place(name: str, taxonomy: Taxonomy) -> list[str]:
    """Where a name of a confusion table stands in a walk through the tree; see `metrics.confusion` for the names."""
    taxon = name.split(" (no ")[0]
    path = taxonomy.paths[taxonomy.node(taxon)]
    return [taxonomy.nodes[node].name for node in path[path >= 0]]


def reliability(table: pd.DataFrame) -> go.Figure:
    figure = go.Figure()
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dot", "color": "#888888"}, name="calibrated")
    figure.add_scatter(
        x=table["confidence"].tolist(),
        y=table["right"].tolist(),
        customdata=table["rois"].tolist(),
        mode="lines+markers",
        marker={"size": (5 + 20 * np.sqrt(table["rois"] / table["rois"].sum())).tolist(), "color": BLUE},
        line={"color": BLUE},
        name="the model",
        hovertemplate="stated %{x:.3f}, right %{y:.3f}<br>%{customdata} ROIs<extra></extra>",
    )
    return figure.update_layout(
        xaxis={"title": {"text": "stated probability"}, "range": [0, 1.02]},
        yaxis={"title": {"text": "share that is right"}, "range": [0, 1.02]},
    )


def thresholds(table: pd.DataFrame, metrics: Mapping[str, object]) -> go.Figure:
    figure = go.Figure()
    x = table["threshold"].tolist()
    figure.add_scatter(x=x, y=table["mhd"].tolist(), mode="lines", line={"color": BLUE}, name="one threshold")
    for name, colour, dash in (("risk", GREEN, "dash"), ("threshold", ORANGE, "dot"), ("argmax", "#888888", "dashdot")):
        y = [metrics[f"mhd_{name}"]] * 2
        figure.add_scatter(x=[0, 1], y=y, mode="lines", line={"color": colour, "dash": dash}, name=f"by {name}")
    return figure.update_layout(
        xaxis={"title": {"text": "threshold at every rank"}}, yaxis={"title": {"text": "MHD"}, "rangemode": "tozero"}
    )


def ranks(table: pd.DataFrame) -> go.Figure:
    bars = go.Bar(
        x=table["rank"].tolist(),
        y=table["accuracy"].astype(object).where(table["accuracy"].notna(), None).tolist(),
        customdata=table["known"].tolist(),
        marker={"color": BLUE},
        hovertemplate="%{x}: %{y:.3f} of %{customdata} ROIs<extra></extra>",
    )
    return go.Figure(bars).update_layout(yaxis={"title": {"text": "accuracy"}, "range": [0, 1.02]})


def mistakes(table: pd.DataFrame) -> go.Figure:
    bars = go.Bar(
        x=table["meets_at"].tolist(),
        y=table["mistakes"].tolist(),
        customdata=table["share"].tolist(),
        marker={"color": ORANGE},
        hovertemplate="meet at %{x}: %{y}, %{customdata:.1%}<extra></extra>",
    )
    return go.Figure(bars).update_layout(yaxis={"title": {"text": "mistakes"}})


def history(table: pd.DataFrame) -> go.Figure:
    curves = {
        "validation_mhd": ("MHD by arg-max, held out", BLUE, "solid"),
        "validation_mhd_degraded": ("the same, degraded view", GREEN, "dash"),
        "validation_expected_distance": ("expected distance, held out", BLUE, "dot"),
        "train_expected_distance": ("expected distance, training", ORANGE, "dot"),
    }
    return _over_epochs(table, curves, "steps on the tree")


def losses(table: pd.DataFrame) -> go.Figure:
    curves = {
        "train_cross_entropy": ("training", ORANGE, "solid"),
        "validation_cross_entropy": ("held out", BLUE, "solid"),
    }
    return _over_epochs(table, curves, "cross-entropy, nats")


def _over_epochs(table: pd.DataFrame, curves: Mapping[str, tuple[str, str, str]], unit: str) -> go.Figure:
    figure = go.Figure()
    for column, (name, colour, dash) in curves.items():
        if column in table and table[column].notna().any():
            line = {"color": colour, "dash": dash}
            figure.add_scatter(
                x=table["epoch"].tolist(),
                y=table[column].astype(object).where(table[column].notna(), None).tolist(),
                mode="lines+markers",
                marker={"size": 5},
                line=line,
                name=name,
            )
    return figure.update_layout(
        xaxis={"title": {"text": "epoch"}}, yaxis={"title": {"text": unit}, "rangemode": "tozero"}
    )
