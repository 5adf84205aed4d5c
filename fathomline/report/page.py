"""One HTML file that holds all that is to be seen of an evaluation, and asks no network for anything."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from fathomline.files import written_whole
from fathomline.report.figures import WHOLE_TREE, figures
from fathomline.report.gallery import confident_mistakes, worst_mistakes
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy


@dataclass(frozen=True)
class Results:
    """What the report shows."""

    metrics: Mapping[str, object]
    """As in metrics.json."""
    tables: Mapping[str, pd.DataFrame]
    """By the names of their CSVs, as `write_tables` writes them; those that the charts need, `validation` too."""
    taxonomy: Taxonomy
    decoder: str
    """The decoder of the headline."""
    view: str
    """The view of the held-out ROIs that the figures are of, `plain` or `degraded`."""
    params: str
    """What the run was told, as YAML."""
    title: str


def write_report(path: Path, results: Results, crops: Path) -> None:
    """Write the page to `path`, some 5 MB with the library that draws the charts.

    Args: crops, the folder that the paths of `validation` start from. An ROI whose file cannot be read is shown as
        such, with a warning.
    """
    environment = Environment(
        loader=PackageLoader("fathomline.report", "page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["figure"] = _figure
    tables, taxonomy = results.tables, results.taxonomy
    rows = tables["validation"]
    charts = figures(results.metrics, tables, taxonomy)
    worst = worst_mistakes(rows, taxonomy, crops)
    text = environment.get_template("report.html").render(
        results=results,
        metrics=results.metrics,
        charts=set(charts),
        ranks=[str(rank) for rank in RANKS],
        whole_tree=WHOLE_TREE,
        walk=_walk(tables["clades"]),
        concepts=_records(tables["concepts"]),
        decoders=_records(tables["decoders"]),
        worst=worst,
        confident=confident_mistakes(rows, taxonomy, crops),
        shown_clades={taxon for mistake in worst for taxon in (*mistake.shared, *mistake.truth_branch)},
        mistakes=int((rows["distance"] > 0).sum()),
        unsupported=tables["concepts"].query("support == 0")["concept"].tolist(),
        plotly=get_plotlyjs(),
        data=_script_json(
            {
                "charts": {name: json.loads(chart.to_json()) for name, chart in charts.items()},
                "clades": _records(tables["clades"]),
                "root": WHOLE_TREE,
            }
        ),
    )
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _records(table: pd.DataFrame) -> list[dict[str, object]]:
    """Rows as dictionaries; None for what is missing, which JSON and templates can tell."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def _walk(clades: pd.DataFrame) -> list[dict[str, object]]:
    """Clades with an ROI, each followed by those below it, with `depth` from 0."""
    below: dict[str, list[dict[str, object]]] = {}
    for row in _records(clades[clades["support"] > 0]):
        below.setdefault(row["parent"] or "", []).append(row)

    def walk(parent: str, depth: int) -> list[dict[str, object]]:
        rows = sorted(below.get(parent, []), key=lambda row: row["taxon"])
        return [each for row in rows for each in ({**row, "depth": depth}, *walk(row["taxon"], depth + 1))]

    return walk("", 0)


def _figure(value: float | None, places: int = 3) -> str:
    return "no data" if value is None else f"{value:.{places}f}"


def _script_json(value: object) -> str:
    """JSON that cannot end the script element it stands in, whatever names it holds."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
