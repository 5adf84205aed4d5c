"""`fathomline serve`."""

import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from fathomline.cli import main
from fathomline.serve.run import is_local

SERVE = """
import sys

from fathomline.serve.app import make_app
from fathomline.serve.limits import Limits
from fathomline.serve.run import serve

assert not {"torch", "timm"} & sys.modules.keys()
from tests.serve.world import ColourEngine, colour_predictor

predictor, limits = colour_predictor(ColourEngine()), Limits()
serve(make_app(predictor, limits), limits, "127.0.0.1", 0, lambda address: print(address, flush=True))
"""


def test_a_server_needs_no_torch_and_runs_until_it_is_interrupted():
    command = [sys.executable, "-c", SERVE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().strip()
        assert "Which animal is it?" in httpx.get(url).text
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr.read() == ""


def test_a_port_that_is_taken_is_one_line(bundle, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", str(bundle), "--port", str(port)]) == 1
    assert capsys.readouterr().err == (
        f"error: serve: cannot listen on 127.0.0.1 port {port}: {os.strerror(98)}; choose another --port or --host\n"
    )


def test_a_server_for_others_warns_that_there_is_no_password(bundle, capsys, monkeypatch):
    monkeypatch.setattr("fathomline.serve.run.serve", lambda *_: None)
    assert main(["serve", str(bundle), "--host", "0.0.0.0"]) == 0
    assert "it has no password" in capsys.readouterr().err
    assert [is_local(host) for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "::", "10.0.0.2")] == [True] * 3 + [
        False
    ] * 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--port", "70000"], "the port is 70000"),
        (["--max-boxes", "0"], "`boxes` (--max-boxes) is 0"),
        (["--max-mib", "-1"], "positive"),
    ],
)
def test_wrong_options_are_one_line(bundle, capsys, options, words):
    assert main(["serve", str(bundle), *options]) == 1
    assert words in capsys.readouterr().err


def test_without_the_extra_the_command_says_what_to_install(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "fathomline.serve.app", raising=False)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert main(["serve", "anything"]) == 1
    assert capsys.readouterr().err == "error: serve: fastapi is not installed; run `pip install 'fathomline[serve]'`\n"
