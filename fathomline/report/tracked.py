"""What an evaluation leaves with the tracker."""

from pathlib import Path

from fathomline.report.gallery import worst_rows
from fathomline.report.page import Results
from fathomline.tracking import Tracker

SHOWN = ["annotation_id", "truth", "prediction", "distance", "confidence", "concept_1", "probability_1"]


def track_evaluation(tracker: Tracker, results: Results, crops: Path, report: Path) -> None:
    """Leave the figures, the confusions by phylum and by class, the worst mistakes with their ROIs, the spread of
    distances and confidences, and the page itself.

    Args: crops, the folder that the paths of `validation` start from; report, the page.
    """
    tables = results.tables
    rows, worst = tables["validation"], worst_rows(tables["validation"])
    tracker.summarize(results.metrics)
    for rank in ("phylum", "class"):
        tracker.confuse(f"confusion_{rank}", tables[f"confusion_{rank}"])
    shown = worst[[column for column in SHOWN if column in worst]]
    tracker.show("worst_mistakes", shown, pictures=[crops / path for path in worst["path"]])
    spread = {name: rows[name].tolist() for name in ("distance", "confidence")}
    tracker.log({}, step=None, histograms=spread)
    tracker.keep("report", [report], {"taxonomy_hash": results.taxonomy.hash, "mhd": results.metrics["mhd"]})
