import time
from email.utils import formatdate
from threading import Event, Timer

import pytest

from fathomline.download.transfer import Fetcher
from fathomline.download.urls import UrlPolicy
from fathomline.errors import Unusable
from tests.frames import breaking_first, failing_first, png, redirecting, respond, stalling

BODY = png(width=200, height=200)
"""Larger than one read."""


class RecordedWaits(Event):
    """Records how long each wait should take, and does not wait."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        return self.is_set()


def fetcher(retries: int = 3, timeout: float = 0.5, connections: int = 4, loopback: bool = True) -> Fetcher:
    policy = UrlPolicy(allow_private=False, allow_loopback=loopback)
    fetching = Fetcher(policy, timeout=timeout, retries=retries, connections=connections)
    fetching.stopped = RecordedWaits()
    return fetching


def fetch(server, route, max_bytes: int = 10**6, **options) -> bytes:
    server.routes["/frame"] = route
    return fetcher(**options).fetch(server.url("/frame"), max_bytes)[0]


def waits(server, route) -> list[float]:
    """Seconds of each wait until the body arrives."""
    server.routes["/frame"] = route
    fetching = fetcher()
    assert fetching.fetch(server.url("/frame"), 10**6)[0] == BODY
    return fetching.stopped.seconds


def reason(server, route, **options) -> str:
    with pytest.raises(Unusable) as caught:
        fetch(server, route, **options)
    assert str(server.url("")).rsplit(":", 1)[1] not in str(caught.value)  # ports differ from run to run
    return str(caught.value)


def reasons(fetching: Fetcher, url: str, count: int) -> list[str]:
    """Why each of `count` fetches fails."""
    found = []
    for _ in range(count):
        with pytest.raises(Unusable) as caught:
            fetching.fetch(url, 10**6)
        found.append(str(caught.value))
    return found


def test_a_body_arrives_unchanged(server):
    assert fetch(server, BODY) == BODY


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
def test_a_transient_status_is_retried(server, status):
    assert fetch(server, failing_first(1, status, BODY)) == BODY
    assert server.requests["/frame"] == 2


def test_delays_between_retries_grow(server):
    assert waits(server, failing_first(3, 503, BODY)) == [0, 0.5, 1]
    assert server.requests["/frame"] == 4


def test_a_fetch_fails_once_no_retry_is_left(server):
    assert reason(server, failing_first(99, 503, BODY), retries=1) == "status 503; gave up after 2 attempt(s)"
    assert server.requests["/frame"] == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 204])
def test_a_final_status_is_not_retried(server, status):
    assert reason(server, failing_first(99, status, BODY)) == f"status {status}"
    assert server.requests["/frame"] == 1


@pytest.mark.parametrize(("retry_after", "seconds"), [("7", 7), ("9999", 120)])
def test_a_retry_after_in_seconds_is_honoured_up_to_two_minutes(server, retry_after, seconds):
    assert waits(server, failing_first(1, 429, BODY, Retry_After=retry_after)) == [seconds]


def test_a_retry_after_with_a_date_is_honoured(server):
    retry_after = formatdate(time.time() + 60, usegmt=True)
    (wait,) = waits(server, failing_first(1, 429, BODY, Retry_After=retry_after))
    assert 50 < wait <= 60


@pytest.mark.parametrize("retry_after", ["soon", "Fri, 31 Dec 99999 23:59:59 GMT"])
def test_an_invalid_retry_after_is_ignored(server, retry_after):
    assert waits(server, failing_first(1, 429, BODY, Retry_After=retry_after)) == [0]


def test_a_body_that_breaks_off_is_fetched_again(server):
    ranges = []
    assert fetch(server, breaking_first(2, BODY, seen=ranges)) == BODY
    assert ranges[0] is None
    assert len(ranges) == 3


def test_a_body_that_breaks_off_is_continued_if_the_server_supports_it(server):
    ranges = []
    assert fetch(server, breaking_first(2, BODY, ranges=True, seen=ranges)) == BODY
    assert ranges[0] is None
    assert all(start.startswith("bytes=") for start in ranges[1:])


def test_a_different_range_than_requested_is_not_used(server):
    def route(handler, before):
        if before == 0:
            return breaking_first(1, BODY)(handler, 0)
        if handler.headers.get("Range"):
            return respond(handler, 206, BODY[5:], {"Content-Range": f"bytes 5-{len(BODY) - 1}/{len(BODY)}"})
        return respond(handler, 200, BODY)

    assert fetch(server, route) == BODY


def test_a_body_that_cannot_be_continued_is_fetched_again(server):
    def route(handler, before):
        if before == 0:
            return breaking_first(1, BODY)(handler, 0)
        return respond(handler, 416 if handler.headers.get("Range") else 200, BODY)

    assert fetch(server, route) == BODY


def test_a_body_shorter_than_its_content_length_is_retried(server):
    def route(handler, before):
        respond(handler, 200, BODY, length=len(BODY) + (7 if before == 0 else 0))
        handler.close_connection = before == 0

    assert fetch(server, route) == BODY
    assert server.requests["/frame"] == 2


def test_a_stalled_body_times_out(server):
    started = time.monotonic()
    expected = "the server sent nothing for 0.2 s; gave up after 2 attempt(s)"
    assert reason(server, stalling(BODY), retries=1, timeout=0.2) == expected
    assert time.monotonic() - started < 1


def test_a_body_that_is_too_large_is_not_read_to_the_end(server):
    def endless(handler, before):
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        for _ in range(10_000):
            handler.wfile.write(bytes(1000))

    for route in (BODY, endless):
        assert reason(server, route, max_bytes=1000) == "larger than 0.001 MB; see `download.max_megabytes`"


def test_a_content_length_with_thousands_of_digits_is_too_large(server):
    def route(handler, before):
        handler.send_response(200)
        handler.send_header("Content-Length", "9" * 5000)
        handler.end_headers()

    assert reason(server, route).startswith("larger than")


def test_redirects_are_followed_and_the_final_url_is_returned(server):
    server.routes |= {"/a": redirecting("/b?c=d"), "/b?c=d": redirecting(server.url("/c"), 308), "/c": BODY}
    assert fetcher().fetch(server.url("/a"), 10**6) == (BODY, server.url("/c"))


def test_a_redirect_loop_is_not_followed_forever(server):
    assert reason(server, redirecting("/frame")) == "more than 5 redirects"
    assert server.requests["/frame"] == 6


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "http://10.0.0.1/x", "http://169.254.169.254/", "http://u:p@x/"]
)
def test_redirects_are_checked_against_the_policy(server, target):
    assert reason(server, redirecting(target)).startswith("refused: ")


@pytest.mark.parametrize(
    "location", ["/caf\xe9.png", "http://[::1", "http://a\u2100b/".encode().decode("latin-1"), "http://[x]/"]
)
def test_a_redirect_to_a_malformed_url_gives_a_reason(server, location):
    found = reason(server, redirecting(location), retries=0)
    assert "URL" in found or "not found" in found or found == "status 404"


def test_the_body_of_a_redirect_is_not_read(server):
    sent = []

    def route(handler, before):
        handler.send_response(302)
        handler.send_header("Location", "/there")
        handler.send_header("Connection", "close")
        handler.end_headers()
        for _ in range(2000):
            handler.wfile.write(bytes(100_000))
            sent.append(100_000)

    server.routes["/there"] = BODY
    assert fetch(server, route) == BODY
    assert sum(sent) < 20e6, "the server offers 200 MB"


@pytest.mark.parametrize("url", ["http://[::1/x.png", "http://a\u2100b/x.png", "http://\0/", "nothing"])
def test_a_malformed_url_is_refused(url):
    with pytest.raises(Unusable, match=r"not a usable URL|refused|not found"):
        fetcher(retries=0).fetch(url, 10)


def test_this_machine_is_refused_unless_permitted(server):
    assert "allow_private_hosts: true" in reason(server, BODY, loopback=False)
    assert not server.requests


def test_the_address_is_checked_again_when_connecting(server, monkeypatch):
    monkeypatch.setattr(UrlPolicy, "_check_host", lambda *_: False)  # as if the name had resolved to a public address
    assert "on this machine" in reason(server, BODY, loopback=False)
    assert not server.requests


def test_this_machine_is_never_reached_through_a_proxy(server, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert fetch(server, BODY) == BODY


def test_a_host_that_stops_responding_is_not_tried_forever(server):
    url = server.url("/frame")
    server.close()
    found = reasons(fetcher(retries=0, connections=1), url, 5)
    assert found[:3] == ["no response: Connection refused; gave up after 1 attempt(s)"] * 3
    assert all(text.startswith("not tried: ") for text in found[3:])


def test_a_host_that_sends_broken_bodies_is_still_tried(server):
    server.routes |= {"/good": BODY, "/bad": breaking_first(99, BODY)}
    fetching = fetcher(retries=0, connections=1)
    assert all(text.startswith("the body broke off") for text in reasons(fetching, server.url("/bad"), 4))
    assert fetching.fetch(server.url("/good"), 10**6)[0] == BODY


def test_a_host_that_redirects_to_an_unresponsive_host_is_still_tried(server):
    server.routes |= {"/good": BODY, "/away": redirecting("http://127.0.0.1:9/x")}
    fetching = fetcher(retries=0, connections=1)
    found = reasons(fetching, server.url("/away"), 4)
    assert found[0].startswith("no response")
    assert found[-1] == "not tried: 127.0.0.1:9 has stopped responding"
    assert fetching.fetch(server.url("/good"), 10**6)[0] == BODY


def test_stopping_interrupts_a_wait(server):
    fetching = fetcher()
    fetching.stopped = Event()
    server.routes["/frame"] = failing_first(99, 503, BODY, Retry_After="60")
    Timer(0.1, fetching.stopped.set).start()
    started = time.monotonic()
    with pytest.raises(Unusable, match="stopped"):
        fetching.fetch(server.url("/frame"), 10**6)
    assert time.monotonic() - started < 30
