"""Slow, many and vanishing clients: each gets an answer or a sentence, and the others are served."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from fathomline.serve.limits import Limits
from tests.serve.refusals import FILE_HEAD, SMALL, head_of, raw, refused
from tests.serve.world import PICTURE, RED, Served, running


def sent_to(served: Served, timeout: float = 20) -> httpx.Response:
    """A request over a connection of its own, if others are busy."""
    return served.client.post("/predict", files={"image": PICTURE}, timeout=timeout)


def test_a_slow_client_is_refused_and_does_not_hold_up_others(small):
    sent = head_of({"content-type": "multipart/form-data; boundary=x", "content-length": "100"}) + b"--x\r\n"
    with ThreadPoolExecutor(20) as pool:
        slow = [pool.submit(raw, small, sent) for _ in range(20)]
        start = time.perf_counter()
        assert small.post(boxes=[RED]).status_code == 200
        assert time.perf_counter() - start < SMALL.receive_seconds
        for response in slow:
            refused(response.result(), 408, "longer than 0.4 seconds")


def test_a_response_does_not_wait_for_the_acknowledgement_of_its_head(small):
    """Of 20 requests over one connection, the fastest takes less than the 40 ms that a system delays it by."""
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        assert small.client.get("/health").status_code == 200
        seconds.append(time.perf_counter() - start)
    assert sorted(seconds)[5] < 0.03


def test_a_slow_head_ends_the_connection(small, monkeypatch):
    monkeypatch.setattr("fathomline.serve.run.SPARE_SECONDS", 0.0)
    with socket.create_connection(("127.0.0.1", small.port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost:")
        with suppress(ConnectionResetError):
            assert connection.recv(100) == b""


def test_under_overload_clients_are_told_when_to_try_again(small):
    small.engine.open.clear()
    with ThreadPoolExecutor(10) as pool:
        responses = [
            pool.submit(httpx.post, small.url + "predict", files={"image": PICTURE}, timeout=20) for _ in range(10)
        ]
        while sum(response.done() for response in responses) < 10 - SMALL.waiting:
            time.sleep(0.01)
        small.engine.open.set()
        statuses = [response.result() for response in responses]
    assert sorted(response.status_code for response in statuses) == [200] * SMALL.waiting + [429] * 7
    for response in statuses:
        if response.status_code == 429:
            refused(response, 429, "try again")
            assert int(response.headers["retry-after"]) > 0


def test_all_requests_together_have_a_limit_of_bytes():
    limits = Limits(picture_bytes=10**6, received_bytes=1_600_000)
    body = FILE_HEAD + b"x" * 900_000
    headers = {"content-type": "multipart/form-data; boundary=x", "content-length": "1000000"}
    with running(limits) as served, socket.create_connection(("127.0.0.1", served.port)) as first:
        first.sendall(head_of(headers) + body)
        time.sleep(0.2)
        refused(served.post(image=b"x" * 900_000), 429, "too many pictures at once")
        first.close()
        time.sleep(0.2)
        refused(served.post(image=b"x" * 900_000), 415, "not an image")


def test_requests_of_several_clients_share_a_batch(served):
    served.engine.batches.clear()
    served.engine.open.clear()
    with ThreadPoolExecutor(9) as pool:
        responses = [pool.submit(sent_to, served) for _ in range(9)]
        time.sleep(0.6)
        served.engine.open.set()
        assert {response.result().status_code for response in responses} == {200}
    assert sum(served.engine.batches) == 9
    assert max(served.engine.batches) >= 4


def test_a_client_that_leaves_is_not_predicted(served):
    served.engine.batches.clear()
    served.engine.open.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(sent_to, served)
        while not served.engine.batches:
            time.sleep(0.01)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                served.url + "predict", files={"image": PICTURE}, data={"boxes": "[[1,1,9,9],[2,2,9,9]]"}, timeout=0.3
            )
        time.sleep(0.2)
        served.engine.open.set()
        assert first.result().status_code == 200
    assert served.post().status_code == 200
    assert served.engine.batches == [1, 1]


def test_a_failure_is_no_end_and_says_nothing_of_the_machine(served):
    served.engine.fails = True
    response = served.post()
    served.engine.fails = False
    refused(response, 500, "its log says why")
    assert response.headers["connection"] == "close"
    assert "secret" not in response.text
    assert served.post().status_code == 200


def test_threads_end_with_the_server():
    before = threading.active_count()
    with running() as served:
        assert served.post().status_code == 200
    time.sleep(0.1)
    assert threading.active_count() <= before + 1
