import time

import pandas as pd
import pytest
from PIL import Image

from fathomline.tracking import Tracker, TrackingConfig, tracked_run

OFFLINE = TrackingConfig()
DISABLED = TrackingConfig(mode="disabled")


class RecordingRun:
    """A W&B run that records what it receives."""

    id = "abc"

    def __init__(self) -> None:
        self.summary: dict[str, object] = {}
        self.points: dict[int | None, dict] = {}
        self.artifacts: list = []

    def log(self, values: dict, step: int | None = None) -> None:
        self.points.setdefault(step, {}).update(values)

    def log_artifact(self, artifact: object) -> None:
        self.artifacts.append(artifact)

    def define_metric(self, *_: object, **__: object) -> None:
        pass

    def finish(self, exit_code: int) -> None:
        pass


@pytest.fixture
def silent_wandb(monkeypatch, tmp_path):
    """W&B without the user's settings, as on a new machine."""
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_DIR", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return pytest.importorskip("wandb")


@pytest.mark.filterwarnings("default")
def test_an_offline_run_contains_its_name_params_curves_and_summary(silent_wandb, tmp_path, capfd):
    params = {"train": {"lr": 0.1}, "taxonomy_hash": "abc"}
    with tracked_run(OFFLINE, tmp_path, name="reef-fold-0", group="reef", params=params) as tracker:
        for step, mhd in enumerate([3.0, 1.5, 2.0], start=1):
            tracker.log({"validation_mhd": mhd, "train_loss": mhd / 2}, step=step)
        tracker.summarize({"best_epoch": 2})
    (recorded,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    texts = (b"reef-fold-0", b"taxonomy_hash", b"validation_mhd", b"train_loss", b"best_epoch")
    deadline = time.monotonic() + 10  # a separate W&B process writes the file, possibly a moment later
    while (missing := [text for text in texts if text not in recorded.read_bytes()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert missing == []
    assert "login" not in "".join(capfd.readouterr())


@pytest.mark.filterwarnings("default")
def test_resumed_training_uses_the_same_run(silent_wandb, tmp_path):
    for step in (1, 2):
        with tracked_run(OFFLINE, tmp_path, name=None, group=None, params={}, identity="0123456789ab") as tracker:
            tracker.log({"validation_mhd": float(step)}, step=step)
    with tracked_run(OFFLINE, tmp_path, name=None, group=None, params={}, identity="ba9876543210"):
        pass
    folders = [folder.name for folder in (tmp_path / "wandb").glob("offline-run-*")]
    identities = sorted(
        name.split("-")[3] for name in folders
    )  # offline-run-<time>-<identity>, with -1 if two share a second
    assert identities == ["0123456789ab", "0123456789ab", "ba9876543210"]


@pytest.mark.parametrize(
    ("mode", "identity", "resume"),
    [("online", "0123456789ab", "allow"), ("online", None, None), ("offline", "0123456789ab", None)],
)
def test_only_an_online_run_with_an_identity_is_resumed(monkeypatch, silent_wandb, tmp_path, mode, identity, resume):
    received = []
    monkeypatch.setattr(silent_wandb, "init", lambda **options: received.append(options) or RecordingRun())
    with tracked_run(TrackingConfig(mode), tmp_path, name=None, group=None, params={}, identity=identity):
        pass
    assert [(options["id"], options["resume"]) for options in received] == [(identity, resume)]


def test_none_and_empty_lists_are_not_logged(silent_wandb):
    run = RecordingRun()
    Tracker(run).log(
        {"validation_mhd": 0.0, "validation_mhd_degraded": None}, step=1, histograms={"lora_gradients": ()}
    )
    assert run.points == {1: {"validation_mhd": 0.0}}


def test_lists_are_logged_as_histograms(silent_wandb):
    run = RecordingRun()
    Tracker(run).log({"validation_mhd": 1.5}, step=3, histograms={"lora_gradients": (0.0, 1.0, 1.0, 4.0)})
    histogram = run.points[3].pop("lora_gradients")
    assert isinstance(histogram, silent_wandb.Histogram)
    assert sum(histogram.histogram) == 4
    assert (histogram.bins[0], histogram.bins[-1]) == (0.0, 4.0)
    assert run.points == {3: {"validation_mhd": 1.5}}


@pytest.mark.parametrize("content", [None, b""], ids=["missing", "empty"])
def test_an_unreadable_picture_leaves_only_its_own_cell_empty(silent_wandb, tmp_path, content):
    pictures = [tmp_path / "unreadable.png", tmp_path / "intact.png"]
    if content is not None:
        pictures[0].write_bytes(content)
    Image.new("RGB", (4, 4)).save(pictures[1])
    run, table = RecordingRun(), pd.DataFrame({"annotation_id": [100, 101]})
    Tracker(run).log_pictures("worst", table, pictures)
    first, second = run.points[None]["worst"].data
    assert (first[0], first[1]) == (None, 100)
    assert second[0] is not None


def test_disabled_tracking_writes_nothing(tmp_path):
    with tracked_run(DISABLED, tmp_path, name=None, group=None, params={}) as tracker:
        tracker.log({"validation_mhd": 1.0}, step=1)
        tracker.summarize({"best_epoch": 1})
    assert list(tmp_path.iterdir()) == []


def test_training_continues_when_wandb_cannot_start(monkeypatch, silent_wandb, tmp_path, capsys):
    def broken(**_: object):
        raise OSError("no space left")

    monkeypatch.setattr(silent_wandb, "init", broken)
    with tracked_run(OFFLINE, tmp_path, name=None, group=None, params={}) as tracker:
        tracker.log({"validation_mhd": 1.0}, step=1)
    assert "W&B could not start, so this run is not tracked: no space left" in capsys.readouterr().err


class BreakingRun:
    """A W&B run whose disk is full at the first point."""

    points = 0

    def log(self, values: dict, step: int) -> None:
        self.points += 1
        raise OSError("disk full")

    def define_metric(self, *_: object, **__: object) -> None:
        pass


def test_a_wandb_failure_is_reported_once_and_training_continues(monkeypatch, silent_wandb, tmp_path, capsys):
    run = BreakingRun()
    monkeypatch.setattr(silent_wandb, "init", lambda **_: run)
    with tracked_run(OFFLINE, tmp_path, name=None, group=None, params={}) as tracker:
        tracker.log({"validation_mhd": 1.0}, step=1)
        tracker.log({"validation_mhd": 1.0}, step=2)
    assert run.points == 1
    assert capsys.readouterr().err.count("W&B log failed, so tracking stops here: disk full") == 1


def test_an_error_in_training_is_raised(tmp_path):
    with pytest.raises(KeyError, match="mine"), tracked_run(DISABLED, tmp_path, name=None, group=None, params={}):
        raise KeyError("mine")
