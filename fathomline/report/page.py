"""The report: one self-contained HTML file that makes no network request."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from fathomline.files import written_whole
from fathomline.report.figures import ROOT, WHOLE_TREE, figures, node_id, visible
from fathomline.report.gallery import confident_mistakes, worst_mistakes
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy


@dataclass(frozen=True)
class Results:
    """What the report shows."""

    metrics: Mapping[str, object]
    """As in metrics.json."""
    tables: Mapping[str, pd.DataFrame]
    """By the names of their CSVs, as `write_tables` writes them: those that the charts need, and `validation`."""
    taxonomy: Taxonomy
    decoder: str
    """The decoder of the headline figure."""
    view: str
    """The view of the held-out ROIs behind the figures, `plain` or `degraded`."""
    params: str
    """The parameters of the run, as YAML."""
    title: str


def write_report(path: Path, results: Results, crops: Path) -> None:
    """Write the page to `path`: about 5 MB, including the library that draws the charts.

    Args: crops, the folder that the paths of `validation` are relative to. If an ROI's file cannot be read, its card
        says so, and a warning is printed.
    """
    text = _render(results, crops)
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _render(results: Results, crops: Path) -> str:
    tables, taxonomy = results.tables, results.taxonomy
    rows = tables["validation"]
    charts = figures(results.metrics, tables, taxonomy)
    worst = worst_mistakes(rows, taxonomy, crops)
    clades = _clades(tables["clades"], taxonomy)
    template = _environment().get_template("report.html")
    return template.render(
        results=results,
        metrics=results.metrics,
        charts=set(charts),
        ranks=[str(rank) for rank in RANKS],
        whole_tree=WHOLE_TREE,
        walk=_walk(clades, taxonomy),
        concepts=_records(tables["concepts"]),
        decoders=_records(tables["decoders"]),
        worst=worst,
        confident=confident_mistakes(rows, taxonomy, crops),
        shown_clades={node_id(node) for mistake in worst for node in mistake.truth_nodes},
        mistakes=int((rows["distance"] > 0).sum()),
        unsupported=tables["concepts"].query("support == 0")["concept"].tolist(),
        plotly=get_plotlyjs(),
        data=_script_json(
            {
                "charts": {name: json.loads(chart.to_json()) for name, chart in charts.items()},
                "clades": clades,
                "root": ROOT,
            }
        ),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fathomline.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_seen,
    )
    environment.filters |= {"figure": _figure, "share": _share}
    return environment


def _seen(value: object) -> object:
    """Applied to every expression of the template: any of them may hold a name with invisible characters."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _records(table: pd.DataFrame) -> list[dict[str, object]]:
    """Rows as dictionaries; None for what is missing or infinite, since JSON has neither NaN nor infinity."""
    cells = table.astype(object)
    return cells.where(table.notna() & ~cells.isin([math.inf, -math.inf]), None).to_dict("records")


def _clades(table: pd.DataFrame, taxonomy: Taxonomy) -> list[dict[str, object]]:
    """Rows for the page, with the `id` of each and of its `parent` in place of names, which are only to be read."""
    rows = []
    for row in _records(table):
        node = taxonomy.node(row["taxon"])
        shown = {name: _seen(value) for name, value in row.items()}
        rows.append({**shown, "id": node_id(node), "parent": node_id(taxonomy.parents[node])})
    return rows


def _walk(clades: list[dict[str, object]], taxonomy: Taxonomy) -> list[dict[str, object]]:
    """Clades with an ROI, each followed by those below it, with `depth` from 0."""
    supported = [clade for clade in clades if (clade["support"] or 0) > 0]
    supported.sort(key=lambda clade: int(clade["id"]))  # nodes are numbered in tree order
    return [{**clade, "depth": int(taxonomy.depths[int(clade["id"])]) - 1} for clade in supported]


def _is_missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def _figure(value: float | None, places: int = 3) -> str:
    return "no data" if _is_missing(value) else f"{value:.{places}f}"


def _share(value: float | None) -> float:
    return 0.0 if _is_missing(value) else value


def _script_json(value: object) -> str:
    """JSON that cannot end its script element, whatever names it holds."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
