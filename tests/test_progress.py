import io
import sys

import pytest

from fathomline.progress import LINE_INTERVAL, Steps, error, mute, progress, summary, warning


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def stderr_to(monkeypatch):
    monkeypatch.setattr("fathomline.progress._muted", False)

    def redirect(stream: io.StringIO) -> io.StringIO:
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return redirect


class Clock:
    """A clock that stands still until it is told how many seconds have passed."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("fathomline.progress.monotonic", clock)
    return clock


def test_progress_summary_and_warning_go_to_stderr_on_a_terminal(stderr_to, capsys):
    terminal = stderr_to(Terminal())
    assert list(progress([3, 4], label="download", unit="frame")) == [3, 4]
    assert "download" in terminal.getvalue()
    warning("little space")
    assert terminal.getvalue().endswith("warning: little space\n")
    summary("done")
    assert capsys.readouterr().out == "done\n"


def test_a_muted_process_works_without_output(stderr_to, capsys):
    terminal = stderr_to(Terminal())
    mute()
    assert list(progress([3, 4], label="download", unit="frame")) == [3, 4]
    warning("little space")
    summary("done")
    assert terminal.getvalue() == ""
    assert capsys.readouterr().out == ""


def test_no_progress_bar_is_written_to_a_file(stderr_to):
    log = stderr_to(io.StringIO())
    assert list(progress([3, 4], label="download", unit="frame")) == [3, 4]
    assert log.getvalue() == ""


def test_long_work_in_a_log_has_a_line_at_most_every_30_seconds(stderr_to, clock):
    log, when = stderr_to(io.StringIO()), []
    for _ in progress(range(1000), label="download", unit="image", total=1000):
        before = log.getvalue()
        clock.sleep(0.25)
        if log.getvalue() != before:
            when.append(clock.now)
    lines = log.getvalue().splitlines()
    assert LINE_INTERVAL == 30
    assert len(lines) == 8
    assert lines[0] == "download: 120 of 1,000 images, 4.0 images/s, 4 min left"
    assert lines[1] == "download: 240 of 1,000 images, 4.0 images/s, 3 min left"
    assert lines[-1] == "download: 960 of 1,000 images, 4.0 images/s, 10 s left"
    assert "\r" not in log.getvalue()


def test_work_that_ends_within_30_seconds_has_no_line_in_a_log(stderr_to, clock):
    log = stderr_to(io.StringIO())
    for _ in progress(range(119), label="download", unit="image"):
        clock.sleep(0.25)
    assert log.getvalue() == ""


def test_slow_items_have_a_line_each_with_the_time_that_one_takes(stderr_to, clock):
    log = stderr_to(io.StringIO())
    for _ in progress(range(3), label="features", unit="512 ROIs"):
        clock.sleep(4000)
    assert log.getvalue().splitlines() == [
        "features: 1 of 3 × 512 ROIs, 4,000 s per 512 ROIs, 2 h 13 min left",
        "features: 2 of 3 × 512 ROIs, 4,000 s per 512 ROIs, 1 h 7 min left",
        "features: 3 of 3 × 512 ROIs, 4,000 s per 512 ROIs",
    ]


def test_rate_and_time_left_count_only_the_items_since_the_start(stderr_to, clock):
    log = stderr_to(io.StringIO())
    with progress(label="predict", unit="ROI", total=1_000_000, initial=900_000) as bar:
        clock.sleep(20)
        bar.update(5_000)
        assert log.getvalue() == ""
        clock.sleep(20)
        bar.update(5_000)
    assert log.getvalue() == "predict: 910,000 of 1,000,000 ROIs, 250 ROIs/s, 6 min left\n"


def test_work_of_unknown_length_has_a_line_without_the_time_left(stderr_to, clock):
    log = stderr_to(io.StringIO())
    for _ in progress(iter(range(2)), label="read", unit="file"):
        clock.sleep(16)
    assert log.getvalue() == "read: 2 files, 16 s per file\n"


@pytest.mark.parametrize(
    ("seconds", "left"),
    [
        (0.2, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (3560, "59 min"),
        (3580, "1 h 0 min"),
        (7800, "2 h 10 min"),
        (86_400 * 3 + 3600 * 4, "3 d 4 h"),
    ],
)
def test_the_time_left_is_rounded(stderr_to, clock, seconds, left):
    log = stderr_to(io.StringIO())
    with Steps(label="train", unit="epoch", total=2) as steps:
        clock.sleep(seconds)
        steps.finished("loss 1")
    assert log.getvalue() == f"epoch 1 of 2: loss 1, {left} left\n"


def test_each_step_has_a_line_in_a_log_also_after_resuming(stderr_to, clock):
    log = stderr_to(io.StringIO())
    with Steps(label="train", unit="epoch", total=24, initial=20) as steps:
        for loss in (1.5, 1.25, 1.0, 0.75):
            clock.sleep(100)
            steps.finished(f"loss {loss:.3f}")
    assert log.getvalue().splitlines() == [
        "epoch 21 of 24: loss 1.500, 5 min left",
        "epoch 22 of 24: loss 1.250, 3 min left",
        "epoch 23 of 24: loss 1.000, 2 min left",
        "epoch 24 of 24: loss 0.750",
    ]


def test_steps_are_a_bar_in_a_terminal_without_their_figures(stderr_to):
    terminal = stderr_to(Terminal())
    with Steps(label="train", unit="epoch", total=2) as steps:
        assert "train:   0%" in terminal.getvalue()
        steps.finished("loss 1.234")
    assert "loss" not in terminal.getvalue()
    assert terminal.getvalue().endswith("\r"), "the bar is removed at the end"


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_neither_a_muted_process_nor_a_silent_one_shows_steps(stderr_to, clock, stream):
    shown = stderr_to(stream())
    with Steps(label="train", unit="epoch", total=2, silent=True) as steps:
        steps.finished("loss 1")
    mute()
    with Steps(label="train", unit="epoch", total=2) as steps:
        steps.finished("loss 1")
    for _ in progress(range(3), label="download", unit="image"):
        clock.sleep(100)
    assert shown.getvalue() == ""


HOSTILE = "\x1b]0;owned\x07 \x9b2J \r \u202e \u2028 caf\u00e9\nsecond line"
ESCAPED = r"\x1b]0;owned\x07 \x9b2J \r \u202e \u2028 café" + "\nsecond line\n"


@pytest.mark.parametrize(("report", "prefix"), [(summary, ""), (warning, "warning: "), (error, "error: ")])
def test_control_characters_in_messages_are_escaped(stderr_to, capsys, report, prefix):
    report(HOSTILE)
    out, err = capsys.readouterr()
    assert out + err == prefix + ESCAPED


def test_a_name_that_the_encoding_of_the_output_lacks_is_escaped(stderr_to, monkeypatch):
    log = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", log)
    summary("2 × Méduse")
    assert log.buffer.getvalue() == b"2 \\xd7 M\\xe9duse\n"


def test_a_muted_process_still_reports_why_it_stops(stderr_to, capsys):
    mute()
    error("train.lr is missing")
    assert capsys.readouterr().err == "error: train.lr is missing\n"


def test_there_is_no_bar_without_a_standard_error(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    assert list(progress([3, 4], label="download", unit="frame")) == [3, 4]
