import io
import sys

import pytest

from fathomline.progress import error, mute, progress, summary, warning


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


HOSTILE = "\x1b]0;owned\x07 \x9b2J \r \u202e \u2028 caf\u00e9\nsecond line"
ESCAPED = r"\x1b]0;owned\x07 \x9b2J \r \u202e \u2028 café" + "\nsecond line\n"


@pytest.mark.parametrize(("report", "prefix"), [(summary, ""), (warning, "warning: "), (error, "error: ")])
def test_control_characters_in_messages_are_escaped(stderr_to, capsys, report, prefix):
    report(HOSTILE)
    out, err = capsys.readouterr()
    assert out + err == prefix + ESCAPED


def test_a_muted_process_still_reports_why_it_stops(stderr_to, capsys):
    mute()
    error("train.lr is missing")
    assert capsys.readouterr().err == "error: train.lr is missing\n"


def test_there_is_no_bar_without_a_standard_error(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    assert list(progress([3, 4], label="download", unit="frame")) == [3, 4]
