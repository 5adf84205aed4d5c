"""Serve a reef over HTTP on a loopback port, with the URLs of FathomNet and its WoRMS service."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qsl, unquote, urlsplit

from reef.reef import SUBSETS, Reef
from reef.worms_service import answer

Response = tuple[int, str, bytes]
"""Status, content type, body."""

IMAGE_PATH = re.compile(rf"/images/({'|'.join(SUBSETS)})/([0-9]{{6}})\.png", re.ASCII)


class _Server(ThreadingHTTPServer):
    # All download workers connect simultaneously; the default backlog of 5 would refuse some.
    request_queue_size = 128


@contextmanager
def serve(reef: Reef) -> Iterator[str]:
    """Serve `reef` on a free loopback port while the context is open; yields `http://127.0.0.1:PORT`.

    Paths: `/train.json`, `/test.json`, `/images/<subset>/<six digits>.png`, and the name service below `/worms/`.
    """
    server = _Server(("127.0.0.1", 0), _handler(reef))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True, name="reef")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def respond(reef: Reef, url: str) -> Response:
    """The response to a GET of `url`, a path with or without a query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return _not_found(url)
    if parts.path.startswith("/worms/"):
        # FathomNet's client inserts an extra slash before the endpoint's path.
        quoted = parts.path.removeprefix("/worms/").lstrip("/").split("/")
        return _json(*answer([unquote(segment) for segment in quoted], dict(parse_qsl(parts.query))))
    for subset in SUBSETS:
        if parts.path == f"/{subset}.json":
            return _json(200, reef.coco(subset))
    image = IMAGE_PATH.fullmatch(parts.path)
    if image and int(image[2]) in reef.image_ids(image[1]):
        return 200, "image/png", reef.frame(image[1], int(image[2]))
    return _not_found(parts.path)


def _not_found(path: str) -> Response:
    return _json(404, {"message": f"Unable to find `{path}`", "code": 404})


def _json(status: int, content: object) -> Response:
    return status, "application/json", json.dumps(content).encode()


def _handler(reef: Reef) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body are two packets; without this the second waits 40 ms for the acknowledgement of the first.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._send(*respond(reef, self.path))

        def do_HEAD(self) -> None:
            self._send(*respond(reef, self.path))

        def _send(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                # The client closed the connection early, which is not an error here.
                self.close_connection = True

        def log_message(self, format: str, *arguments: object) -> None:
            """Log nothing: `download` reports its own progress and errors."""

    return Handler
