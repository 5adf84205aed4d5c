"""Bad, hostile, slow and too many requests: each is refused with a sentence, and the others are served."""

import socket
import struct
import tempfile
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest
from PIL import Image

from fathomline.errors import InputError
from fathomline.serve.limits import Limits
from tests.frames import encoded
from tests.serve.world import PICTURE, RED, Served, running

FILE_HEAD = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
SMALL = Limits(picture_bytes=3000, pixels=5000, boxes=3, waiting=3, receive_seconds=0.4)


@pytest.fixture(scope="module")
def small():
    with running(SMALL) as small:
        yield small


def refused(response: httpx.Response, status: int, words: str) -> None:
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json"), response.text
    sentence = response.json()["detail"]
    assert words in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "/work" not in sentence


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"boxes": "[[1, 2, 3]]"}, "`boxes[0]"),
        ({"boxes": "[[1, 2, 3, NaN]]"}, "`boxes[0][3]`"),
        ({"boxes": "[[1, 2, 3, 1e999]]"}, "`boxes[0][3]`"),
        ({"boxes": '[[1, 2, "3", 4]]'}, "`boxes[0][2]`"),
        ({"boxes": "[[1, 2, true, 4]]"}, "`boxes[0][2]`"),
        ({"boxes": f"[[1, 2, 3, {'9' * 5000}]]"}, "`boxes"),
        ({"boxes": "{}"}, "expected a list of [x, y, width, height]"),
        ({"boxes": "[" * 100_000}, "`boxes`"),
        ({"boxes": "no"}, "`boxes`"),
        ({"boxes": "[]"}, "leave it out for the whole picture"),
        ({"top": "-1"}, "`top`"),
        ({"top": "many"}, "`top`"),
        ({"rank_floor": "tribe"}, "`rank_floor`"),
        ({"candidates": "all"}, "`candidates`"),
        ({"within": "Sebastess"}, "nearest: Sebastes"),
        ({"within": '["Sebastes", "Sebastes"]'}, "2 names for 1 boxes"),
        ({"within": "[1]"}, "`within`"),
        ({"taxa": "Redfish", "within": "Porifera"}, "none of Redfish lies within Porifera"),
        ({"url": "http://localhost/x.png"}, "unknown field `url`"),
    ],
)
def test_a_wrong_field_is_named(served, fields, words):
    refused(served.post(**fields), 400, words)


@pytest.mark.parametrize("url", ["http://127.0.0.1/x.png", "https://example.org/x.png", "file:///etc/passwd"])
def test_a_url_is_not_opened(served, url):
    refused(
        served.client.post("/predict", data={"image": url}, files={"boxes": (None, "[[1,1,2,2]]")}),
        400,
        "does not open",
    )


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        (b"{}", "application/json", 415, "multipart/form-data"),
        (PICTURE, "image/png", 415, "multipart/form-data"),
        (b"", "", 415, "multipart/form-data"),
        (b"", "multipart/form-data", 400, "cannot be read"),
        (b"", "multipart/form-data; boundary=x", 400, "no `image`"),
        (b"--x\r\nContent-Disposition: form-data; na", "multipart/form-data; boundary=x", 400, ""),
        (b"--x\r\n\r\nno header\r\n--x--", "multipart/form-data; boundary=x", 400, "cannot be read"),
        (b"garbage" * 50, "multipart/form-data; boundary=x", 400, "cannot be read"),
        (
            b"--x\r\nContent-Disposition: form-data; name=image\r\n\r\nabc\r\n--x--",
            "multipart/form-data; boundary=x",
            400,
            "text",
        ),
    ],
)
def test_a_malformed_form_is_refused(served, body, kind, status, words):
    headers = {"content-type": kind} if kind else {}
    refused(served.client.post("/predict", content=body, headers=headers), status, words)


def test_two_pictures_or_a_repeated_field_are_refused(served):
    files = [("image", ("a.png", PICTURE)), ("image", ("b.png", PICTURE))]
    refused(served.client.post("/predict", files=files), 400, "Too many files")
    refused(served.client.post("/predict", files=files[:1], data={"top": ["1", "2"]}), 400, "`top` more than once")
    refused(served.client.post("/predict", files={"boxes": ("b.json", b"[]")}), 400, "no `image`")


def test_what_is_no_picture_is_refused(served):
    refused(served.post(image=b"%PDF-1.7"), 415, "not an image")
    refused(served.post(image=b""), 415, "zero bytes")
    refused(served.post(image=PICTURE[:100]), 415, "broken image")
    refused(served.post(image=b"<svg xmlns='http://www.w3.org/2000/svg'/>"), 415, "not an image")


def bomb(width: int, height: int) -> bytes:
    """A PNG of few bytes that says it has many pixels."""
    chunks = [b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT" + zlib.compress(bytes(10**6))]
    framed = [struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def test_a_decompression_bomb_is_refused(served):
    for width, height in ((60_000, 60_000), (10_000, 6_000)):
        refused(served.post(image=bomb(width, height)), 413, "more than 50000000 pixels")


def test_limits_of_pixels_and_boxes(small):
    refused(small.post(image=encoded(Image.new("RGB", (100, 60)))), 413, "more than 5000 pixels")
    refused(small.post(boxes=[RED] * 4), 413, "4 boxes, more than 3")
    assert small.post(boxes=[RED] * 3).status_code == 200


def test_a_large_picture_is_refused_with_and_without_a_stated_length(small):
    refused(small.post(image=b"x" * 4000), 413, "more than 0.0028")
    kind = {"content-type": "multipart/form-data; boundary=x"}
    refused(raw(small, head_of({**kind, "content-length": str(10**9)}) + FILE_HEAD), 413, "MiB")
    endless = b"a0000\r\n" + FILE_HEAD + b"x" * 0x90000
    refused(raw(small, head_of({**kind, "transfer-encoding": "chunked"}) + endless), 413, "MiB")


def sent_to(served: Served, timeout: float = 20) -> httpx.Response:
    """A request over a connection of its own, if others are busy."""
    return served.client.post("/predict", files={"image": PICTURE}, timeout=timeout)


def head_of(headers: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /predict HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n".encode()


def raw(served: Served, sent: bytes) -> httpx.Response:
    """What the server answers to bytes, without closing the connection."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as connection:
        connection.sendall(sent)
        received = b""
        while b"}" not in received and (part := connection.recv(65536)):
            received += part
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    headers.pop("content-length", None)
    return httpx.Response(int(lines[0].split()[1]), headers=headers, content=body)


def test_a_slow_client_is_refused_and_does_not_hold_up_others(small):
    sent = head_of({"content-type": "multipart/form-data; boundary=x", "content-length": "100"}) + b"--x\r\n"
    with ThreadPoolExecutor(20) as pool:
        slow = [pool.submit(raw, small, sent) for _ in range(20)]
        start = time.perf_counter()
        assert small.post(boxes=[RED]).status_code == 200
        assert time.perf_counter() - start < SMALL.receive_seconds
        for response in slow:
            refused(response.result(), 408, "longer than 0.4 seconds")


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
    assert "secret" not in response.text
    assert served.post().status_code == 200


def test_no_file_is_readable_and_other_addresses_are_refused(served):
    for path in ("/page.py", "/../app.py", "/%2e%2e/app.py", "/page/page.js", "//etc/passwd", "/docs", "/redoc"):
        refused(served.client.get(path), 404, "the page is at /")
    refused(served.post("/answers/exe"), 404, "choose one of csv")
    response = served.client.get("/predict")
    refused(response, 405, "POST")
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"host": "rebound.example"}, "localhost"),
        ({"host": "[malformed"}, "malformed"),
        ({"origin": "https://evil.example"}, "another site"),
        ({"origin": "null"}, "another site"),
        ({"sec-fetch-site": "cross-site"}, "another site"),
    ],
)
def test_other_sites_cannot_use_a_visitors_browser(served, headers, words):
    refused(served.client.post("/predict", files={"image": PICTURE}, headers=headers), 403, words)


def test_the_page_allows_no_outside_request(served):
    for path in ("/", "/page.js", "/boxes.js", "/page.css", "/health", "/nothing"):
        headers = served.client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_pictures_never_reach_the_disk(served, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    large = encoded(Image.effect_noise((2000, 1500), 90))
    assert len(large) > 2 * 2**20
    assert served.post(image=large).status_code == 200


def test_names_of_pictures_are_only_names(served):
    names = {"../../etc/passwd": "passwd", "C:\\dives\\a.png": "a.png", "x" * 1000: "x" * 200}
    for name, kept in names.items():
        assert served.post(name=name).json()["picture"] == kept


def test_a_wrong_limit_is_refused():
    for limits in ({"boxes": 0}, {"pixels": 10**9}, {"picture_bytes": 10**10}):
        with pytest.raises(InputError, match="serve: "):
            Limits(**limits)


def test_threads_end_with_the_server():
    before = threading.active_count()
    with running() as served:
        assert served.post().status_code == 200
    time.sleep(0.1)
    assert threading.active_count() <= before + 1
