"""Send the results of an evaluation to the tracker, under the names that the report and its files give them."""

from pathlib import Path

import pandas as pd

from fathomline.report.figures import CAPTIONS
from fathomline.report.gallery import confident_rows, worst_rows
from fathomline.report.page import Results
from fathomline.report.raw_subset import RawSubset
from fathomline.rois.annotations import IMAGE_FIELD
from fathomline.tracking import Tracker

TABLES = ("clades", "concepts", "decoders", "ranks", "mistakes", "thresholds", "reliability")
"""Tables that are logged under the names of their CSVs. The others have a row per ROI or per pair of taxa."""

LOGGED = ("image_id", "annotation_id", "truth", "prediction", "distance", "confidence", "concept_1", "probability_1")
"""Columns of `validation` that accompany the picture and the file name of each mistake in a gallery."""


def run_config(results: Results) -> dict[str, object]:
    """What the report's header says besides figures, for the configuration of the tracked run."""
    return {
        "data_set": results.data_set.name,
        "model": results.model,
        "taxonomy_hash": results.taxonomy.hash,
    }


def track_evaluation(tracker: Tracker, results: Results, crops: Path, raw: RawSubset, report: Path) -> None:
    """Send the metrics, the report's tables, the confusions by phylum and by class, both galleries with their ROIs,
    histograms of distance and confidence, and the report.

    Args:
        crops: the folder that the paths in `validation` are relative to.
        raw: the subset that its ROIs were cut from.
        report: the HTML file that `write_report` wrote.
    """
    tables = results.tables
    rows = tables["validation"]
    tracker.summarize(results.metrics)
    tracker.log_tables({name: tables[name] for name in TABLES})
    for rank in ("phylum", "class"):
        name = f"confusion_{rank}"
        tracker.log_confusion(name, CAPTIONS[name], tables[name])
    for name, shown in (
        ("worst_mistakes", worst_rows(rows)),
        ("most_confident_mistakes", confident_rows(rows, results.taxonomy)),
    ):
        tracker.log_pictures(name, _logged(shown, raw), [crops / path for path in shown["path"]])
    lists = {name: rows[name].tolist() for name in ("distance", "confidence")}
    tracker.log({}, step=None, histograms=lists)
    tracker.keep("report", [report], {"taxonomy_hash": results.taxonomy.hash, "mhd": results.metrics["mhd"]})


def _logged(shown: pd.DataFrame, raw: RawSubset) -> pd.DataFrame:
    """The columns of `LOGGED`, after the names of the frames."""
    column = f"{IMAGE_FIELD}file_name"
    given = shown[column] if column in shown else [None] * len(shown)
    names = [raw.frame_name(*each) for each in zip(shown["image_id"], given, strict=True)]
    logged = shown[[name for name in LOGGED if name in shown]]
    return pd.concat([pd.Series(names, shown.index, dtype=object, name="file_name"), logged], axis=1)
