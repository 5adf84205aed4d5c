"""The report's charts, each drawn from one of the report's tables."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from fathomline.report.taxon_figures import confusion, tree, with_none
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
"""From the palette of Okabe and Ito (2008) for every kind of colour vision."""

CAPTIONS = {
    "tree": "Clades by number of ROIs and MHD",
    **{f"confusion_{rank}": f"Truth against prediction by {rank}" for rank in RANKS},
    "mistakes": "Mistakes by the lowest rank that answer and truth share",
    "reliability": "Predicted probability against share correct",
    "thresholds": "MHD against one threshold for all ranks",
    "ranks": "Accuracy at each rank",
    "history": "Distance by epoch",
    "losses": "Cross-entropy by epoch",
}
"""The caption of each chart by its name, in the report and in the tracker."""


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
        x=with_none(table["accuracy"]).tolist(),
        y=table["rank"].tolist(),
        customdata=table["known"].tolist(),
        orientation="h",
        marker={"color": BLUE},
        texttemplate="%{x:.3f}",
        hovertemplate="%{y}: %{x:.3f} of %{customdata} ROIs<extra></extra>",
    )
    return _from_top(bars, "accuracy").update_layout(xaxis={"range": [0, 1.02]})


def mistakes(table: pd.DataFrame) -> go.Figure:
    """Mistakes by the lowest rank that answer and truth share, from the table `mistakes`."""
    bars = go.Bar(
        x=table["mistakes"].tolist(),
        y=table["meets_at"].tolist(),
        customdata=table["share"].tolist(),
        orientation="h",
        marker={"color": ORANGE},
        texttemplate="%{x}",
        hovertemplate="%{y}: %{x} mistakes, %{customdata:.1%}<extra></extra>",
    )
    return _from_top(bars, "mistakes")


def _from_top(bars: go.Bar, title: str) -> go.Figure:
    """Horizontal bars, the first one at the top, so that ranks are read as in the tables."""
    return go.Figure(bars).update_layout(
        xaxis={"title": {"text": title}}, yaxis={"autorange": "reversed", "showgrid": False, "ticks": ""}
    )


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
                y=with_none(table[column]).tolist(),
                mode="lines+markers",
                marker={"size": 5},
                line={"color": colour, "dash": dash},
                name=name,
            )
    return figure.update_layout(
        xaxis={"title": {"text": "epoch"}}, yaxis={"title": {"text": unit}, "rangemode": "tozero"}
    )
