import re
import time

import pandas as pd
import pytest

from fathomline.report.page import write_report
from fathomline.report.tracked import TABLES, run_config, track_evaluation
from fathomline.tracking import Tracker, TrackingConfig, tracked_run
from tests.offline_run import read_offline_run
from tests.report.parsed_page import Page
from tests.test_tracking import RecordingRun, silent_wandb  # noqa: F401 (a fixture)


@pytest.fixture
def run(world, crops, raw, tmp_path, monkeypatch) -> RecordingRun:
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    write_report(tmp_path / "report.html", world.results, crops, raw)
    run = RecordingRun()
    track_evaluation(Tracker(run), world.results, crops, raw, tmp_path / "report.html")
    return run


def test_the_summary_contains_the_metrics(run, world):
    assert run.summary == dict(world.results.metrics)


def test_confusions_count_every_roi(run, world):
    for rank in ("phylum", "class"):
        table = run.points[None][f"confusion_{rank}"].table
        counts = pd.DataFrame(table.data, columns=table.columns)
        truths = world.results.tables[f"confusion_{rank}"]["truth"].value_counts()
        counted = counts.groupby("Actual")["nPredictions"].sum()
        assert {name: counted[name] for name in truths.index} == truths.to_dict()


@pytest.mark.parametrize(
    ("name", "column"), [("worst_mistakes", "distance"), ("most_confident_mistakes", "confidence")]
)
def test_both_galleries_are_logged_with_their_rois_and_file_names(run, name, column):
    table = run.points[None][name]
    rows = pd.DataFrame(table.data, columns=table.columns)
    assert rows[column].is_monotonic_decreasing
    assert list(rows.columns[:4]) == ["picture", "file_name", "image_id", "annotation_id"]
    for row in rows.itertuples():
        grey = row.picture.image.convert("L").getpixel((5, 5))
        assert grey == row.annotation_id - 100
        assert row.file_name == f"dive-7/frame {row.image_id}.jpg"


def test_the_tables_of_the_report_are_logged_as_they_are(run, world):
    for name in TABLES:
        logged = run.points[None][name]
        expected = world.results.tables[name]
        assert logged.columns == list(expected.columns)
        assert len(logged.data) == len(expected)
    assert [row[0] for row in run.points[None]["concepts"].data] == list(world.results.tables["concepts"]["concept"])


@pytest.mark.filterwarnings("default")
def test_an_offline_run_has_the_names_of_the_report(silent_wandb, world, crops, raw, tmp_path):
    results, report = world.results, tmp_path / "report.html"
    write_report(report, results, crops, raw)
    params = {"train": {"lr": 0.1}} | run_config(results)
    with tracked_run(TrackingConfig(), tmp_path, name=None, group=None, params=params) as tracker:
        track_evaluation(tracker, results, crops, raw, report)
    (file,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    deadline = time.monotonic() + 10  # a separate W&B process writes the file, possibly a moment later
    while not (run := read_offline_run(file)).complete and time.monotonic() < deadline:
        time.sleep(0.05)
    page = Page(report)
    header = page.text.split("All figures")[0]
    assert run.config["data_set"] in header
    assert run.config["model"] in header
    assert run.config["train"] == {"lr": 0.1}
    assert set(results.metrics) <= set(run.summary)
    assert {name: run.summary[name] for name in page.figures} == {name: results.metrics[name] for name in page.figures}
    assert run.config["taxonomy_hash"] in page.text
    titles = {name: chart["panel_config"]["stringSettings"]["title"] for name, chart in run.charts.items()}
    assert titles == {name: page.data["captions"][name] for name in ("confusion_phylum", "confusion_class")}
    assert set(titles) <= set(page.data["charts"])
    shown = {heading.strip().lower().replace(" ", "_") for heading in re.findall("<h2>(.*?)</h2>", page.source)}
    galleries = {name for name in run.logged if name.endswith("_mistakes")}
    assert galleries == {"worst_mistakes", "most_confident_mistakes"} <= shown
    tables = {name.removesuffix("_table") for name in run.logged if not name.startswith("_")}
    assert tables == {*TABLES, *titles, *galleries, "distance", "confidence"}
    assert "report" in run.artifacts.values()


def test_distances_and_confidences_are_logged_as_histograms(run, world):
    for name in ("distance", "confidence"):
        histogram = run.points[None][name]
        assert sum(histogram.histogram) == 60
        assert histogram.bins[-1] == pytest.approx(world.results.tables["validation"][name].max())


def test_the_report_is_stored_with_its_taxonomy_hash(run, world, tmp_path):
    (artifact,) = run.artifacts
    assert (artifact.type, artifact.name) == ("report", "report-abc")
    assert artifact.metadata == {
        "taxonomy_hash": world.results.metrics["taxonomy_hash"],
        "mhd": world.results.metrics["mhd"],
    }
    assert set(artifact.manifest.entries) == {"report.html"}
    assert artifact.manifest.entries["report.html"].size == (tmp_path / "report.html").stat().st_size
