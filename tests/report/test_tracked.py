import pandas as pd
import pytest

from fathomline.report.page import write_report
from fathomline.report.tracked import track_evaluation
from fathomline.tracking import Tracker
from tests.test_tracking import RecordingRun


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


def test_the_worst_mistakes_are_logged_with_their_rois(run, world):
    table = run.points[None]["worst_mistakes"]
    rows = pd.DataFrame(table.data, columns=table.columns)
    assert rows["distance"].is_monotonic_decreasing
    assert rows.columns[0] == "picture"
    for row in rows.itertuples():
        grey = row.picture.image.convert("L").getpixel((5, 5))
        assert grey == row.annotation_id - 100


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
