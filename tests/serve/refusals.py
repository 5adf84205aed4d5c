"""A server with small limits, requests byte by byte, and what a refusal looks like."""

import socket

import httpx
import pytest

from fathomline.serve.limits import Limits
from tests.serve.world import Served, running

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
