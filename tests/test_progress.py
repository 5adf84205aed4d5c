import io
import sys

import pytest

from fathomline.progress import error, fall_silent, progress, summary, warning


class Terminal(io.StringIO):
    """Where somebody watches."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def shown_on(monkeypatch):
    monkeypatch.setattr("fathomline.progress._silent", False)

    def errors_on(stream: io.StringIO) -> io.StringIO:
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return errors_on


def test_work_a_summary_and_a_warning_are_shown(shown_on, capsys):
    terminal = shown_on(Terminal())
    assert list(progress([3, 4], label="download", unit="frame")) == [3, 4]
    assert "download" in terminal.getvalue()
    warning("little space")
    assert terminal.getvalue().endswith("warning: little space\n")
    summary("done")
    assert capsys.readouterr().out == "done\n"


def test_one_who_fell_silent_works_on_and_says_nothing(shown_on, capsys):
    terminal = shown_on(Terminal())
    fall_silent()
    assert list(progress([3, 4], label="download", unit="frame")) == [3, 4]
    warning("little space")
    summary("done")
    assert terminal.getvalue() == ""
    assert capsys.readouterr().out == ""


def test_nobody_watches_a_bar_in_a_file(shown_on):
    log = shown_on(io.StringIO())
    assert list(progress([3, 4], label="download", unit="frame")) == [3, 4]
    assert log.getvalue() == ""


HOSTILE = "\x1b]0;owned\x07 \x9b2J \r \u202e \u2028 caf\u00e9\nsecond line"
HARMLESS = r"\x1b]0;owned\x07 \x9b2J \r \u202e \u2028 café" + "\nsecond line\n"


@pytest.mark.parametrize(("say", "begins"), [(summary, ""), (warning, "warning: "), (error, "error: ")])
def test_names_from_files_cannot_command_the_terminal(shown_on, capsys, say, begins):
    say(HOSTILE)
    out, err = capsys.readouterr()
    assert out + err == begins + HARMLESS


def test_why_a_process_stops_is_said_even_by_one_who_fell_silent(shown_on, capsys):
    fall_silent()
    error("train.lr is missing")
    assert capsys.readouterr().err == "error: train.lr is missing\n"
