"""Send the results of an evaluation to the tracker."""

from pathlib import Path

from fathomline.report.gallery import worst_rows
from fathomline.report.page import Results
from fathomline.tracking import Tracker

LOGGED = ["annotation_id", "truth", "prediction", "distance", "confidence", "concept_1", "probability_1"]
"""Columns of `validation` that accompany each of the worst mistakes."""


def track_evaluation(tracker: Tracker, results: Results, crops: Path, report: Path) -> None:
    """Send the metrics, the confusions by phylum and by class, the worst mistakes with their ROIs, histograms of
    distance and confidence, and the report.

    Args:
        crops: the folder that the paths in `validation` are relative to.
        report: the HTML file that `write_report` wrote.
    """
    tables = results.tables
    rows, worst = tables["validation"], worst_rows(tables["validation"])
    tracker.summarize(results.metrics)
    for rank in ("phylum", "class"):
        tracker.log_confusion(f"confusion_{rank}", tables[f"confusion_{rank}"])
    logged = worst[[column for column in LOGGED if column in worst]]
    tracker.log_table("worst_mistakes", logged, pictures=[crops / path for path in worst["path"]])
    lists = {name: rows[name].tolist() for name in ("distance", "confidence")}
    tracker.log({}, step=None, histograms=lists)
    tracker.keep("report", [report], {"taxonomy_hash": results.taxonomy.hash, "mhd": results.metrics["mhd"]})
