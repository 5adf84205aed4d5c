"""Bad, hostile, slow and too many requests: each is refused with a sentence, and the others are served."""

import asyncio
import struct
import tempfile
import zlib

import httpx
import pytest
from PIL import Image

from fathomline.errors import InputError
from fathomline.serve.app import make_app
from fathomline.serve.limits import Limits
from tests.frames import encoded
from tests.serve.refusals import FILE_HEAD, head_of, raw, refused
from tests.serve.world import PICTURE, RED, ColourEngine, colour_predictor


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
        ({"within": "Aa " * 100_000}, "more than 200 characters"),
        ({"taxa": "Aa " * 100_000}, "more than 200 characters"),
        ({"taxa": ",".join(map(str, range(501)))}, "501 names, more than 500"),
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
        ({"host": "rebound.example"}, "open it as localhost"),
        ({"host": "[malformed"}, "malformed"),
        ({"origin": "https://evil.example"}, "another site"),
        ({"origin": "null"}, "another site"),
        ({"sec-fetch-site": "cross-site"}, "another site"),
    ],
)
def test_other_sites_cannot_use_a_visitors_browser(served, headers, words):
    refused(served.client.post("/predict", files={"image": PICTURE}, headers=headers), 403, words)


def test_a_proxy_may_give_the_server_a_name():
    app = make_app(colour_predictor(ColourEngine()), Limits(), ("localhost", "reef.example"))

    async def statuses() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            urls = ("http://reef.example/health", "http://reef.example:8080/health", "http://other.example/health")
            return [(await client.get(url)).status_code for url in urls]

    assert asyncio.run(statuses()) == [200, 200, 403]


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
    for limits, said in (
        ({"boxes": 0}, r"serve: the limit `boxes` \(--max-boxes\) is 0, expected a positive number"),
        ({"pixels": 10**9}, r"serve: the limit `pixels` \(--max-megapixels\) is 1000000000, expected at most"),
        ({"picture_bytes": 10**10}, "serve: all requests"),
    ):
        with pytest.raises(InputError, match=said):
            Limits(**limits)
