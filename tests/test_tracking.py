import pytest

from fathomline.tracking import TrackingConfig, tracked_run

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
    content = recorded.read_bytes()
    for text in (b"reef-fold-0", b"taxonomy_hash", b"validation_mhd", b"train_loss", b"best_epoch"):
        assert text in content
    assert "login" not in "".join(capfd.readouterr())


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
