import time
from email.utils import formatdate

import pytest

from fathomline.download.transfer import Fetcher
from fathomline.download.urls import UrlPolicy
from fathomline.errors import Unusable
from tests.frames import breaking_first, failing_first, png, redirecting, respond, stalling

BODY = png(width=200, height=200)  # more than is read at once


def fetcher(retries: int = 3, timeout: float = 0.5, connections: int = 4, loopback: bool = True) -> Fetcher:
    policy = UrlPolicy(allow_private=False, allow_loopback=loopback)
    return Fetcher(policy, timeout=timeout, retries=retries, connections=connections)


def fetched(server, route, most_bytes: int = 10**6, **options) -> bytes:
    server.routes["/frame"] = route
    return fetcher(**options).fetch(server.url("/frame"), most_bytes)[0]


def reason(server, route, **options) -> str:
    with pytest.raises(Unusable) as caught:
        fetched(server, route, **options)
    assert str(server.url("")).rsplit(":", 1)[1] not in str(caught.value)  # ports differ from run to run
    return str(caught.value)


def test_a_body_arrives_as_it_is(server):
    assert fetched(server, BODY) == BODY


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
def test_a_status_that_passes_is_waited_for(server, status):
    assert fetched(server, failing_first(1, status, BODY)) == BODY
    assert server.requests["/frame"] == 2


def test_a_server_that_is_unavailable_twice_is_asked_a_third_time(server):
    assert fetched(server, failing_first(2, 503, BODY)) == BODY
    assert server.requests["/frame"] == 3


def test_a_server_that_stays_unavailable_is_given_up(server):
    assert reason(server, failing_first(99, 503, BODY), retries=1) == "status 503; gave up after 2 attempt(s)"
    assert server.requests["/frame"] == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 204])
def test_a_final_status_is_never_asked_again(server, status):
    assert reason(server, failing_first(99, status, BODY)) == f"status {status}"
    assert server.requests["/frame"] == 1


@pytest.mark.parametrize("after", ["1", "date"])
def test_the_server_says_how_long_to_wait(server, after):
    after = formatdate(time.time() + 2, usegmt=True) if after == "date" else after
    started = time.monotonic()
    assert fetched(server, failing_first(1, 429, BODY, Retry_After=after)) == BODY
    assert 0.9 < time.monotonic() - started < 3


def test_a_wait_asked_for_in_no_known_form_is_passed_over(server):
    assert fetched(server, failing_first(1, 429, BODY, Retry_After="soon")) == BODY


def test_a_body_reset_in_the_middle_is_fetched_anew(server):
    asked = []
    assert fetched(server, breaking_first(2, BODY, seen=asked)) == BODY
    assert asked[0] is None
    assert len(asked) == 3


def test_a_body_reset_in_the_middle_is_continued_where_the_server_can(server):
    asked = []
    assert fetched(server, breaking_first(2, BODY, ranges=True, seen=asked)) == BODY
    assert asked[0] is None
    assert all(start.startswith("bytes=") for start in asked[1:])


def test_a_server_that_sends_another_range_than_asked_for_is_not_believed(server):
    def route(handler, before):
        if before == 0:
            return breaking_first(1, BODY)(handler, 0)
        if handler.headers.get("Range"):
            return respond(handler, 206, BODY[5:], {"Content-Range": f"bytes 5-{len(BODY) - 1}/{len(BODY)}"})
        return respond(handler, 200, BODY)

    assert fetched(server, route) == BODY


def test_a_body_that_cannot_be_continued_is_fetched_anew(server):
    def route(handler, before):
        if before == 0:
            return breaking_first(1, BODY)(handler, 0)
        return respond(handler, 416 if handler.headers.get("Range") else 200, BODY)

    assert fetched(server, route) == BODY


def test_a_length_longer_than_the_body_is_a_broken_body(server):
    def route(handler, before):
        respond(handler, 200, BODY, length=len(BODY) + (7 if before == 0 else 0))
        handler.close_connection = before == 0

    assert fetched(server, route) == BODY
    assert server.requests["/frame"] == 2


def test_a_stalled_body_is_given_up_after_the_timeout(server):
    started = time.monotonic()
    told = reason(server, stalling(BODY), retries=1, timeout=0.2)
    assert told == "the server sent nothing for 0.2 s; gave up after 2 attempt(s)"
    assert time.monotonic() - started < 1


def test_a_body_that_is_too_large_is_not_read_to_its_end(server):
    def endless(handler, before):
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        for _ in range(10_000):
            handler.wfile.write(bytes(1000))

    for route in (BODY, endless):
        assert reason(server, route, most_bytes=1000) == "larger than 0.001 MB; see `download.max_megabytes`"


def test_redirects_are_followed_and_the_last_url_is_told(server):
    server.routes |= {"/a": redirecting("/b?c=d"), "/b?c=d": redirecting(server.url("/c"), 308), "/c": BODY}
    assert fetcher().fetch(server.url("/a"), 10**6) == (BODY, server.url("/c"))


def test_a_loop_of_redirects_ends(server):
    assert reason(server, redirecting("/frame")) == "more than 5 redirects"
    assert server.requests["/frame"] == 6


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "http://10.0.0.1/x", "http://169.254.169.254/", "http://u:p@x/"]
)
def test_redirects_to_where_no_url_may_lead_are_refused(server, target):
    assert reason(server, redirecting(target)).startswith("refused: ")


def test_this_machine_is_refused_unless_permitted(server):
    assert "allow_private_hosts: true" in reason(server, BODY, loopback=False)
    assert not server.requests


def test_the_address_is_checked_again_when_connecting(server, monkeypatch):
    monkeypatch.setattr(UrlPolicy, "_check_host", lambda *_: False)  # as if the name had resolved to a public address
    assert "on this machine" in reason(server, BODY, loopback=False)
    assert not server.requests


def test_a_proxy_is_never_asked_for_this_machine(server, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert fetched(server, BODY) == BODY


def test_a_dead_server_costs_a_few_images_time_and_not_that_of_all(server):
    url = server.url("/frame")
    server.close()
    fetching = fetcher(retries=0, connections=1)
    reasons = []
    for _ in range(5):
        with pytest.raises(Unusable) as caught:
            fetching.fetch(url, 10)
        reasons.append(str(caught.value))
    assert reasons[:3] == ["no answer: Connection refused; gave up after 1 attempt(s)"] * 3
    assert all(told.startswith("not tried: ") for told in reasons[3:])


@pytest.mark.parametrize(
    "location", ["/caf\xe9.png", "http://[::1", "http://a\u2100b/".encode().decode("latin-1"), "http://[x]/"]
)
def test_a_redirect_to_what_is_no_url_is_refused(server, location):
    told = reason(server, redirecting(location), retries=0)
    assert "URL" in told or "not found" in told or told == "status 404"


@pytest.mark.parametrize("url", ["http://[::1/x.png", "http://a\u2100b/x.png", "http://\0/", "nothing"])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(Unusable, match=r"not a usable URL|refused|not found"):
        fetcher(retries=0).fetch(url, 10)


def test_a_date_that_no_calendar_has_is_passed_over(server):
    route = failing_first(1, 429, BODY, Retry_After="Fri, 31 Dec 99999 23:59:59 GMT")
    assert fetched(server, route) == BODY


def test_a_length_beyond_counting_is_too_large(server):
    def route(handler, before):
        handler.send_response(200)
        handler.send_header("Content-Length", "9" * 5000)
        handler.end_headers()

    assert reason(server, route).startswith("larger than")


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
    assert fetched(server, route) == BODY
    assert sum(sent) < 20e6, "200 MB were on offer"


def test_a_server_that_answers_badly_is_not_taken_for_a_dead_one(server):
    server.routes["/good"] = BODY
    server.routes["/bad"] = breaking_first(99, BODY)
    fetching = fetcher(retries=0, connections=1)
    for _ in range(8):
        with pytest.raises(Unusable, match=r"broken in mid-body|no answer"):
            fetching.fetch(server.url("/bad"), 10**6)
    assert fetching.fetch(server.url("/good"), 10**6)[0] == BODY


def test_a_dead_host_that_is_redirected_to_does_not_close_the_one_that_redirects(server):
    server.routes |= {"/good": BODY, "/away": redirecting("http://127.0.0.1:9/x")}
    fetching = fetcher(retries=0, connections=1)
    told = []
    for _ in range(5):
        with pytest.raises(Unusable) as caught:
            fetching.fetch(server.url("/away"), 10)
        told.append(str(caught.value))
    assert told[0].startswith("no answer")
    assert told[-1] == "not tried: 127.0.0.1:9 had stopped answering"
    assert fetching.fetch(server.url("/good"), 10**6)[0] == BODY


def test_stopping_ends_a_wait(server):
    fetching = fetcher(retries=9)
    fetching.stopped.set()
    server.routes["/frame"] = failing_first(99, 503, BODY, Retry_After="60")
    with pytest.raises(Unusable, match="stopped"):
        fetching.fetch(server.url("/frame"), 10**6)
