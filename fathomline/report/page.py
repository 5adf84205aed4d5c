"""The report: one self-contained HTML file that makes no network requests."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from fathomline.files import written_whole
from fathomline.report.data_set import DataSet
from fathomline.report.embedded_frames import BUDGET, embed_frames
from fathomline.report.figures import CAPTIONS, figures
from fathomline.report.gallery import Mistake, confident_mistakes, worst_mistakes
from fathomline.report.labels import ROOT, WHOLE_TREE, node_id, visible
from fathomline.report.raw_subset import RawSubset
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy


@dataclass(frozen=True)
class Results:
    """Everything that the report shows except pictures."""

    metrics: Mapping[str, object]
    """As in metrics.json."""
    tables: Mapping[str, pd.DataFrame]
    """By name, as `tables.all_tables` returns them."""
    taxonomy: Taxonomy
    decoder: str
    """The decoder of the main figure."""
    view: str
    """The view of the held-out ROIs that the figures are for, `plain` or `degraded`."""
    params: str
    """The parameters of the run, as YAML."""
    data_set: DataSet
    """The heading of the page."""
    rois: int
    """Number of ROIs of the training subset, held out or not."""
    model: str
    """The model in a few words, for the line below the heading."""


def write_report(path: Path, results: Results, crops: Path, raw: RawSubset) -> None:
    """Write the page to `path`: 5 MB for the code that draws the charts, and at most `BUDGET` for frames.

    If the file of an ROI or of a frame cannot be read, its card says so and a warning is printed.

    Args:
        crops: the folder that the paths in the table `validation` are relative to.
        raw: the subset that the ROIs were cut from.
    """
    text = _render(results, crops, raw)
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _render(results: Results, crops: Path, raw: RawSubset) -> str:
    tables, taxonomy = results.tables, results.taxonomy
    rows = tables["validation"]
    charts = figures(results.metrics, tables, taxonomy)
    worst = worst_mistakes(rows, taxonomy, crops, raw)
    confident = confident_mistakes(rows, taxonomy, crops, raw)
    frames = embed_frames(_by_place(worst, confident), raw)
    clades = _clades(tables["clades"], taxonomy)
    template = _environment().get_template("report.html")
    return template.render(
        results=results,
        metrics=results.metrics,
        charts=set(charts),
        captions=CAPTIONS,
        ranks=[str(rank) for rank in RANKS],
        whole_tree=WHOLE_TREE,
        clade_options=_clade_options(clades, taxonomy),
        concepts=_records(tables["concepts"]),
        decoders=_records(tables["decoders"]),
        worst=worst,
        confident=confident,
        frames=frames,
        frame_budget=BUDGET / 1e6,
        shown_clades={node_id(node) for mistake in worst for node in mistake.truth_nodes},
        mistakes=int((rows["distance"] > 0).sum()),
        unsupported=tables["concepts"].query("support == 0")["concept"].tolist(),
        plotly=get_plotlyjs(),
        data=_script_json(
            {
                "charts": {name: json.loads(chart.to_json()) for name, chart in charts.items()},
                "captions": CAPTIONS,
                "clades": clades,
                "root": ROOT,
            }
        ),
        frame_data=_script_json(
            {image_id: [frame.picture, *frame.size] for image_id, frame in frames.embedded.items()}
        ),
    )


def _by_place(*galleries: Sequence[Mistake]) -> list[int]:
    """Image ids of the mistakes in all galleries: of the first cards first, because they are shown at once."""
    in_turn = chain.from_iterable(zip_longest(*galleries))
    return [mistake.image_id for mistake in in_turn if mistake is not None]


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fathomline.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_with_visible_characters,
    )
    environment.filters |= {"figure": _figure, "share": _share, "percent": _percent, "count": _count}
    return environment


def _with_visible_characters(value: object) -> object:
    """Applied to every expression in the template, since any of them may contain invisible characters."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """One dictionary per row; None for NaN and infinity, which JSON lacks."""
    cells = table.astype(object)
    cells = cells.where(table.notna() & ~cells.isin([math.inf, -math.inf]), None)
    return [{str(name): value for name, value in row.items()} for row in cells.to_dict("records")]


def _clades(table: pd.DataFrame, taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """Rows of the table `clades`, each with its `id` and that of its `parent`: the page uses names only as labels."""
    rows = []
    for row in _records(table):
        node = taxonomy.node(row["taxon"])
        shown = {name: _with_visible_characters(value) for name, value in row.items()}
        rows.append({**shown, "id": node_id(node), "parent": node_id(taxonomy.parents[node])})
    return rows


def _clade_options(clades: list[dict[str, Any]], taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """Clades with at least one ROI, parents before their children, each with its `depth` in the tree from 0."""
    supported = [clade for clade in clades if clade["support"] > 0]
    supported.sort(key=lambda clade: int(clade["id"]))  # nodes are numbered in tree order
    return [{**clade, "depth": int(taxonomy.depths[int(clade["id"])]) - 1} for clade in supported]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _figure(value: float | None, places: int = 3) -> str:
    finite = _finite(value)
    return "no data" if finite is None else f"{finite:.{places}f}"


def _share(value: float | None) -> float:
    return _finite(value) or 0.0


def _count(number: int) -> str:
    return f"{number:,}"


def _percent(share: float) -> str:
    """A share as a percentage that CSS reads, such as 12.5%."""
    return f"{round(100 * share, 3):g}%"


def _script_json(value: object) -> str:
    """JSON that cannot close its script element, whatever names it contains."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
