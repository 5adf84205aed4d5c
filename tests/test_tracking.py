import time

import pytest

from fathomline.tracking import Tracker, TrackingConfig, tracked_run

OFFLINE = TrackingConfig("offline", "fathomline", None)


@pytest.fixture
def silent_wandb(monkeypatch, tmp_path):
    """W&B without a user's settings, as on a machine that never saw it."""
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_DIR", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return pytest.importorskip("wandb")


@pytest.mark.filterwarnings("default")
def test_a_run_holds_params_curves_and_the_least_mhd(silent_wandb, tmp_path, capfd):
    params = {"train": {"lr": 0.1}, "taxonomy_hash": "abc"}
    with tracked_run(OFFLINE, tmp_path, name="reef-fold-0", group="reef", params=params) as tracker:
        for step, mhd in enumerate([3.0, 1.5, 2.0], start=1):
            tracker.log({"validation_mhd": mhd, "train_loss": mhd / 2}, step=step)
        tracker.summarize({"best_epoch": 2})
    (recorded,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    texts = (b"reef-fold-0", b"taxonomy_hash", b"validation_mhd", b"train_loss", b"best_epoch")
    patience = time.monotonic() + 10  # a process of W&B's own writes the file, and may do so a moment later
    while not all(text in recorded.read_bytes() for text in texts) and time.monotonic() < patience:
        time.sleep(0.05)
    content = recorded.read_bytes()
    for text in texts:
        assert text in content
    assert "login" not in "".join(capfd.readouterr())


@pytest.mark.filterwarnings("default")
def test_a_training_that_goes_on_is_the_same_run(silent_wandb, tmp_path):
    for step in (1, 2):
        with tracked_run(OFFLINE, tmp_path, name=None, group=None, params={}, identity="0123456789ab") as tracker:
            tracker.log({"validation_mhd": float(step)}, step=step)
    with tracked_run(OFFLINE, tmp_path, name=None, group=None, params={}, identity="ba9876543210"):
        pass
    folders = [folder.name for folder in (tmp_path / "wandb").glob("offline-run-*")]
    identities = sorted(name.split("-")[3] for name in folders)  # offline-run-<time>-<identity>, of one second also -1
    assert identities == ["0123456789ab", "0123456789ab", "ba9876543210"]


@pytest.mark.parametrize(
    ("mode", "identity", "resume"),
    [("online", "0123456789ab", "allow"), ("online", None, None), ("offline", "0123456789ab", None)],
)
def test_a_run_that_the_service_has_is_gone_on_with(monkeypatch, silent_wandb, tmp_path, mode, identity, resume):
    asked = []
    monkeypatch.setattr(silent_wandb, "init", lambda **options: asked.append(options) or NotingRun())
    with tracked_run(TrackingConfig(mode, "p", None), tmp_path, name=None, group=None, params={}, identity=identity):
        pass
    assert [(options["id"], options["resume"]) for options in asked] == [(identity, resume)]


class NotingRun:
    """A W&B run that keeps what it is told."""

    def __init__(self) -> None:
        self.points: dict[int, dict] = {}

    def log(self, values: dict, step: int) -> None:
        self.points[step] = values

    def define_metric(self, *_: object, **__: object) -> None:
        pass

    def finish(self, exit_code: int) -> None:
        pass


def test_what_a_training_has_no_figure_for_is_left_out(silent_wandb):
    run = NotingRun()
    tracker = Tracker(run)
    tracker.log({"validation_mhd": 0.0, "validation_mhd_degraded": None}, step=1, histograms={"lora_gradients": ()})
    assert run.points == {1: {"validation_mhd": 0.0}}


def test_lists_of_figures_become_histograms(silent_wandb):
    run = NotingRun()
    Tracker(run).log({"validation_mhd": 1.5}, step=3, histograms={"lora_gradients": (0.0, 1.0, 1.0, 4.0)})
    histogram = run.points[3].pop("lora_gradients")
    assert isinstance(histogram, silent_wandb.Histogram)
    assert sum(histogram.histogram) == 4
    assert (histogram.bins[0], histogram.bins[-1]) == (0.0, 4.0)
    assert run.points == {3: {"validation_mhd": 1.5}}


def test_disabled_tracking_writes_nothing_and_takes_everything(tmp_path):
    with tracked_run(TrackingConfig("disabled", "p", None), tmp_path, name=None, group=None, params={}) as tracker:
        tracker.log({"validation_mhd": 1.0}, step=1)
        tracker.summarize({"best_epoch": 1})
    assert list(tmp_path.iterdir()) == []


def test_a_wandb_that_cannot_start_is_named_and_the_training_goes_on(monkeypatch, silent_wandb, tmp_path, capsys):
    def broken(**_: object):
        raise OSError("no space left")

    monkeypatch.setattr(silent_wandb, "init", broken)
    with tracked_run(OFFLINE, tmp_path, name=None, group=None, params={}) as tracker:
        tracker.log({"validation_mhd": 1.0}, step=1)
        finished = True
    assert finished
    assert "W&B could not start and this run is not tracked: no space left" in capsys.readouterr().err


class BreakingRun:
    """A W&B run whose disk fills up at the first point."""

    points = 0

    def log(self, values: dict, step: int) -> None:
        self.points += 1
        raise OSError("disk full")

    def define_metric(self, *_: object, **__: object) -> None:
        pass


def test_a_wandb_that_breaks_down_is_named_once_and_the_training_goes_on(monkeypatch, silent_wandb, tmp_path, capsys):
    run = BreakingRun()
    monkeypatch.setattr(silent_wandb, "init", lambda **_: run)
    with tracked_run(OFFLINE, tmp_path, name=None, group=None, params={}) as tracker:
        tracker.log({"validation_mhd": 1.0}, step=1)
        tracker.log({"validation_mhd": 1.0}, step=2)
    assert run.points == 1
    assert capsys.readouterr().err.count("W&B log failed and tracking stops here: disk full") == 1


def test_an_error_of_the_training_is_not_swallowed(tmp_path):
    disabled = TrackingConfig("disabled", "p", None)
    with (
        pytest.raises(KeyError, match="mine"),
        tracked_run(disabled, tmp_path, name=None, group=None, params={}),
    ):
        raise KeyError("mine")
