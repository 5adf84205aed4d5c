"""Pictures, COCO datasets, and a server with configurable failures, for tests of several rooms."""

import hashlib
import io
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fathomline.crop.crop import CropConfig
from fathomline.dataset.manifest import Record, write_manifest
from fathomline.files import write_json
from fathomline.machine import MachineConfig

MACHINE = MachineConfig(connections=4, timeout=0.5, retries=3)
"""Short timeouts for servers on this machine."""

CATEGORIES = [{"id": 7, "name": "Pandalus"}, {"id": 9, "name": "NA"}]


def picture(width: int = 20, height: int = 16, seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def encoded(image: Image.Image, form: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def png(seed: int = 0, width: int = 20, height: int = 16) -> bytes:
    return encoded(picture(width, height, seed))


def dataset(images: list[dict], annotations: list[dict] | None = None) -> dict:
    if annotations is None:
        annotations = [
            {"id": 100 + index, "image_id": image["id"], "category_id": 7, "bbox": [1, 2, 5, 6]}
            for index, image in enumerate(images)
        ]
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}


def as_json(content: object) -> bytes:
    return json.dumps(content).encode()


def tree(folder: Path) -> dict[str, bytes]:
    """The bytes of every file under a folder, by its relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class Server:
    """Serves `routes`: path -> bytes, or a function of (handler, number of earlier requests for the path)."""

    def __init__(self) -> None:
        self.routes: dict[str, bytes | Callable] = {}
        self.requests: Counter[str] = Counter()
        self.delay = 0.0
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # otherwise each body waits 40 ms for the acknowledgement of its headers

            def do_GET(self) -> None:
                before = server.requests[self.path]
                server.requests[self.path] += 1
                time.sleep(server.delay)
                route = server.routes.get(self.path)
                if route is None:
                    respond(self, 404, b"not found")
                elif isinstance(route, bytes):
                    respond(self, 200, route)
                else:
                    route(self, before)

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: object) -> None:
                pass  # tests kill clients, and clients close connections early

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def respond(handler, status: int, body: bytes, headers: dict | None = None, length: int | None = None) -> None:
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


def failing_first(times: int, status: int, body: bytes, **headers: str) -> Callable:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def route(handler, before: int) -> None:
        respond(handler, *((status, b"", headers) if before < times else (200, body)))

    return route


def breaking_first(times: int, body: bytes, ranges: bool = False, seen: list | None = None) -> Callable:
    """Resets the first `times` connections in mid-body. If `ranges`, honours Range; `seen` receives each Range."""

    def route(handler, before: int) -> None:
        requested = handler.headers.get("Range")
        if seen is not None:
            seen.append(requested)
        start = int(requested.removeprefix("bytes=").removesuffix("-")) if requested and ranges else 0
        headers = {"ETag": '"one"'}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        rest = body[start:]
        if before >= times:
            return respond(handler, 206 if start else 200, rest, headers)
        respond(handler, 206 if start else 200, rest[: len(rest) // 2], headers, length=len(rest))
        handler.wfile.flush()
        time.sleep(0.05)  # a reset discards what the client has not read yet
        return reset(handler)

    return route


def reset(handler) -> None:
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def stalling(body: bytes, times: int = 99, seconds: float = 1.2) -> Callable:
    """Sends half of the body, then nothing for `seconds`, to the first `times` requests."""

    def route(handler, before: int) -> None:
        if before >= times:
            return respond(handler, 200, body)
        respond(handler, 200, body[: len(body) // 2], length=len(body))
        handler.wfile.flush()
        time.sleep(seconds)
        handler.close_connection = True
        return None

    return route


def redirecting(target: str, status: int = 302) -> Callable:
    return lambda handler, before: respond(handler, status, b"", {"Location": target})


def crop_config(**changes) -> CropConfig:
    values = {"views": [1.0, 3.0, "frame"], "size": 16, "square": True, "padding": "edge"}
    return CropConfig(**values | changes)


def box(identity: int, image_id: int, bbox: object, category_id: int | None = 7) -> dict:
    return {"id": identity, "image_id": image_id, "category_id": category_id, "bbox": bbox}


class Raw:
    """A downloaded folder with frames of 40x30 pixels."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.images, self.records = folder, [], []
        (folder / "images").mkdir(parents=True)

    def frame(self, image_id: int, body: bytes | None = None, **fields) -> None:
        body = encoded(picture(40, 30, image_id)) if body is None else body
        (self.folder / f"images/{image_id}.png").write_bytes(body)
        self.images.append({"id": image_id, **fields})
        digest = hashlib.sha256(body).hexdigest()
        self.records.append(Record(image_id, "u", f"images/{image_id}.png", len(body), digest, "ok", ""))

    def failed(self, image_id: int) -> None:
        self.images.append({"id": image_id})
        self.records.append(Record(image_id, "u", "", 0, "", "failed", "status 404"))

    def write(self, annotations: list[dict]) -> Path:
        write_json(dataset(self.images, annotations), self.folder / "dataset.json")
        write_manifest(self.records, self.folder / "manifest.csv")
        return self.folder


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def served(server):
    """A server whose /data.json lists four valid frames, ids 1 to 4, by URLs relative to it."""
    images = [{"id": number, "width": 20, "height": 16, "coco_url": f"frames/{number}"} for number in (3, 1, 4, 2)]
    server.routes["/data.json"] = as_json(dataset(images))
    for number in range(1, 5):
        server.routes[f"/frames/{number}"] = png(number)
    return server


@pytest.fixture
def shared() -> Path:
    """The folder of real data beside a developer's checkout; other machines lack it."""
    folder = Path(__file__).resolve().parents[1].parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"no {folder}: only developers have its real data")
    return folder


@pytest.fixture
def raw(tmp_path) -> Raw:
    raw = Raw(tmp_path / "raw")
    raw.frame(2, video_id="V")
    raw.frame(1, video_id="W")
    return raw
