"""The report's charts, each drawn from the table that a CSV holds.

Names are data: charts identify a taxon by the index of its node, and show its name through `plain` only.
"""

import unicodedata
from collections.abc import Mapping, Sequence

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
"""The most names for which a confusion chart has room to print its counts."""

LONGEST_LABEL = 48
"""Characters of a name that a chart shows; tables show the whole name."""

WHOLE_TREE = "all kingdoms"
ROOT = "root"
"""The id of the whole tree in the icicle; ids of nodes are numbers."""

UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories of characters that draw nothing, break the line or reverse the text around them."""


def visible(text: str) -> str:
    """`text` on one line, with the code point in place of each character that cannot be seen."""
    if text.isprintable():
        return text
    return "".join(f"[U+{ord(each):04X}]" if unicodedata.category(each) in UNSEEN else each for each in text)


def plain(name: str) -> str:
    """`name` as text that plotly draws as written: no tag, entity, template or formula in it is interpreted."""
    shown = visible(name)
    if len(shown) > LONGEST_LABEL:
        # Cut in the middle: the end may say that a taxon stops above the rank.
        shown = f"{shown[: LONGEST_LABEL - 20]}…{shown[-19:]}"
    # Plotly decodes numeric entities last, after it has looked for everything else.
    return "".join(f"&#{ord(each)};" if each in "&<>{}%$" else each for each in shown)


def node_id(node: int) -> str:
    """How the page and its charts identify a taxon; empty above the kingdoms."""
    return str(node) if node >= 0 else ""


def figures(
    metrics: Mapping[str, object], tables: Mapping[str, pd.DataFrame], taxonomy: Taxonomy
) -> dict[str, go.Figure]:
    """Every chart by name; a chart with nothing to show is left out.

    Args: tables, by the names of their CSVs, as `write_tables` writes them.
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
        chart.layout.template = {}  # the page sets the colours of text and grid, light or dark
    return charts


def tree(clades: pd.DataFrame, taxonomy: Taxonomy) -> go.Figure:
    """An icicle: a clade's width is its support, its colour its MHD. Clades without ROIs have no width."""
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
            labels=[plain(name) for name in names],
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
    """Truth down, prediction across, in tree order; colour is the share of the truth's ROIs."""
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
            z=shares.round(4).astype(object).where(counts.notna(), None).to_numpy(),
            customdata=counts.astype(object).where(counts.notna(), None).to_numpy(),
            zmin=0,
            zmax=1,
            colorscale=SCALE,
            xgap=1,
            ygap=1,
            colorbar={"title": {"text": "share"}, "thickness": 12, "tickformat": ".0%"},
            hovertemplate="truth: %{y}<br>prediction: %{x}<br>%{customdata} ROIs, %{z:.1%}<extra></extra>",
            hoverongaps=False,
            text=counts.fillna(-1).astype(int).astype(str).replace("-1", "").to_numpy(),
            texttemplate="%{text}" if len(columns) <= READABLE else None,
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
    """An axis with a place for each node: plotly would merge two names that it draws alike."""
    return {
        "tickmode": "array",
        "tickvals": list(range(len(nodes))),
        "ticktext": [plain(labels[node]) for node in nodes],
        "showgrid": False,
        "zeroline": False,
        "automargin": True,
        "tickfont": {"size": 10},
    }


def reliability(table: pd.DataFrame) -> go.Figure:
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
        "validation_mhd_degraded": ("MHD by arg-max, held out, degraded view", GREEN, "dash"),
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
