import pandas as pd
import pytest

from fathomline.report.page import write_report
from fathomline.report.tracked import track_evaluation
from fathomline.tracking import Tracker


class NotingRun:
    """A W&B run that keeps what it is told."""

    id = "abc"

    def __init__(self) -> None:
        self.summary: dict[str, object] = {}
        self.told: dict[str, object] = {}
        self.artifacts: list = []

    def log(self, values: dict, step: int | None = None) -> None:
        self.told |= values

    def log_artifact(self, artifact) -> None:
        self.artifacts.append(artifact)


@pytest.fixture
def run(world, crops, tmp_path, monkeypatch) -> NotingRun:
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    write_report(tmp_path / "report.html", world.results, crops)
    run = NotingRun()
    track_evaluation(Tracker(run), world.results, crops, tmp_path / "report.html")
    return run


def test_the_figures_are_those_of_metrics(run, world):
    assert run.summary == dict(world.results.metrics)


def test_confusions_count_every_roi(run, world):
    for rank in ("phylum", "class"):
        table = run.told[f"confusion_{rank}"].table
        counts = pd.DataFrame(table.data, columns=table.columns)
        truths = world.results.tables[f"confusion_{rank}"]["truth"].value_counts()
        counted = counts.groupby("Actual")["nPredictions"].sum()
        assert {name: counted[name] for name in truths.index} == truths.to_dict()


def test_the_worst_mistakes_come_with_their_rois(run, world):
    table = run.told["worst_mistakes"]
    rows = pd.DataFrame(table.data, columns=table.columns)
    assert rows["distance"].is_monotonic_decreasing
    assert rows.columns[0] == "picture"
    for row in rows.itertuples():
        grey = row.picture.image.convert("L").getpixel((5, 5))
        assert grey == row.annotation_id - 100


def test_distances_and_confidences_are_spread_out(run, world):
    for name in ("distance", "confidence"):
        assert sum(run.told[name].histogram) == 60
        assert run.told[name].bins[-1] == pytest.approx(world.results.tables["validation"][name].max())


def test_the_report_is_kept_with_the_hash_of_its_taxonomy(run, world, tmp_path):
    (artifact,) = run.artifacts
    assert (artifact.type, artifact.name) == ("report", "report-abc")
    assert artifact.metadata == {
        "taxonomy_hash": world.results.metrics["taxonomy_hash"],
        "mhd": world.results.metrics["mhd"],
    }
    assert set(artifact.manifest.entries) == {"report.html"}
    assert artifact.manifest.entries["report.html"].size == (tmp_path / "report.html").stat().st_size


@pytest.mark.parametrize("content", [None, b""], ids=["missing", "empty"])
def test_an_unreadable_roi_leaves_its_cell_empty_and_the_rest_is_told(crops, content):
    lost = crops / "rois/0.png"
    lost.unlink() if content is None else lost.write_bytes(content)
    run, table = NotingRun(), pd.DataFrame({"annotation_id": [100, 101]})
    Tracker(run).show("worst", table, [crops / "rois/0.png", crops / "rois/1.png"])
    (first, second) = run.told["worst"].data
    assert (first[0], first[1]) == (None, 100)
    assert second[0] is not None
