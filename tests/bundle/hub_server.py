"""A stand-in for the Hugging Face hub on this machine: the endpoints that a download of a repository asks for."""

import hashlib
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMITS = {"main": "a" * 40, "v1": "b" * 40}


class HubServer:
    """Serves `repositories`: name -> commit -> file -> content."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, dict[str, bytes]]] = {}
        self.refused: dict[str, tuple[int, str]] = {}
        """Name of a repository -> the status and error code that it answers with."""
        self.breaks: Counter[str] = Counter()
        """Name of a file -> how many of its downloads still break off in the middle."""
        self.ranges: list[str] = []
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                hub.answer(self, with_body=True)

            def do_HEAD(self) -> None:
                hub.answer(self, with_body=False)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads, self._server.block_on_close = True, False
        self._server.handle_error = lambda *_: None
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler, with_body: bool) -> None:
        path = unquote(urlsplit(handler.path).path)
        self.requests.append(f"{handler.command} {path}")
        parts = path.strip("/").split("/")
        name, rest = ("/".join(parts[2:4]), parts[4:]) if parts[0] == "api" else ("/".join(parts[:2]), parts[2:])
        if name not in self.repositories:
            return send(handler, *self.refused.get(name, (401, "RepoNotFound")))
        revisions = self.repositories[name]
        commit = COMMITS.get(rest[1], rest[1])
        if commit not in revisions:
            return send(handler, 404, "RevisionNotFound")
        files = revisions[commit]
        if rest[0] == "revision":
            siblings = [{"rfilename": file} for file in files]
            return send(handler, 200, "", as_json({"id": name, "sha": commit, "siblings": siblings}))
        if rest[0] == "tree":
            entries = [
                {"type": "file", "path": file, "size": len(files[file]), "oid": tag(files[file])} for file in files
            ]
            return send(handler, 200, "", as_json(entries))
        return self._file(handler, commit, "/".join(rest[2:]), files, with_body)

    def _file(self, handler, commit: str, file: str, files: dict[str, bytes], with_body: bool) -> None:
        body, status = files[file], 200
        headers = {"X-Repo-Commit": commit, "ETag": f'"{tag(body)}"', "Accept-Ranges": "bytes"}
        requested = handler.headers.get("Range")
        if requested and with_body:
            self.ranges.append(requested)
            start = int(requested.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            body, status = body[start:], 206
        if with_body and self.breaks[file] > 0:
            self.breaks[file] -= 1
            handler.send_response(status)
            for key, value in (headers | {"Content-Length": str(len(body))}).items():
                handler.send_header(key, value)
            handler.end_headers()
            handler.wfile.write(body[: len(body) // 2])
            handler.wfile.flush()
            handler.close_connection = True
            return None
        return send(handler, status, "", body, headers, with_body)


def tag(body: bytes) -> str:
    return hashlib.sha1(body).hexdigest()


def as_json(content: object) -> bytes:
    return json.dumps(content).encode()


def send(handler, status: int, code: str, body: bytes = b"{}", headers: dict | None = None, with_body=True) -> None:
    handler.send_response(status)
    for key, value in (headers or {}).items():
        handler.send_header(key, value)
    if code:
        handler.send_header("X-Error-Code", code)
        handler.send_header("X-Error-Message", "not for you")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if with_body and handler.command != "HEAD":
        handler.wfile.write(body)
