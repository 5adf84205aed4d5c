"""A stand-in for FathomNet's WoRMS service, with a small tree and faults on demand."""

import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.taxonomy.conftest import make_lineage

# Indentation marks children; each line is `name | rank | = accepted name | also: other names`.
TREE = """
Biota | Superdomain
  Animalia | Kingdom | also: animals
    Cnidaria | Phylum
      Anthozoa | Subphylum
        Hexacorallia | Class
          Zoantharia | Order
            Parazoanthidae | Family
              Parazoanthus | Genus
                Parazoanthus axinellae | Species
    Chordata | Phylum
      Teleostei | Class
        Perciformes | Order
          Scorpaenoidei | Suborder
            Sebastidae | Family
              Sebastes | Genus | also: rockfish
                Sebastes diploproa | Species
                Sebastes ruberrimus | Species
                  Sebastes ruberrimus minor | Subspecies
              Sebastomus | Genus | = Sebastes
                Sebastomus ruberrimus | Species | = Sebastes ruberrimus
                Sebastomus perditus | Species | = Nowhere
    Ctenophora | Phylum
      Tentaculata | Class
    Arthropoda | Phylum
      Insecta | Class
        Diptera | Order
          Limoniidae | Family
            Ctenophora 1 | Genus
      Malacostraca | Class
        Decapoda | Order
          Pleocyemata | Suborder
            Caridea | Infraorder
              Pandalidae | Family
                Pandalus | Genus
                  Pandalus amplus | Species
                  Pandalus borealis | Species
    Morum 1 | Genus
    Ærgtania søde | Species
  Plantae | Kingdom
    Morum | Genus
equipment | Equipment
"""


@dataclass
class StandIn:
    """The state of the server: its names, its faults, and the requests so far."""

    url: str = ""
    nodes: dict[str, dict] = field(default_factory=dict)
    parents: dict[str, str | None] = field(default_factory=dict)
    faults: dict[str, deque] = field(default_factory=lambda: defaultdict(deque))
    """By name, the faults of its next requests: a status, `drop`, `cut`, `loading`, or a delay in seconds as float."""
    asked: list[str] = field(default_factory=list)
    most_concurrent: int = 0
    delay: float = 0.0
    overrides: dict[str, object] = field(default_factory=dict)
    """By unquoted path below the root, the content to answer instead."""

    def node(self, name: str, children: list[dict] | None = None) -> dict:
        return self.nodes[name] | ({} if children is None else {"children": children})

    def path(self, name: str) -> list[str]:
        node = self.find(name)
        path = [node["name"]] if node else []
        while path and self.parents[path[0]] is not None:
            path.insert(0, self.parents[path[0]])
        return path

    def find(self, name: str) -> dict | None:
        if name in self.nodes:
            return self.nodes[name]
        return next((node for node in self.nodes.values() if name in node["alternateNames"]), None)

    def grow(self, text: str) -> None:
        above: list[str] = []
        accepted = {}
        for number, line in enumerate(filter(None, text.splitlines()), start=100):
            name, rank, *extra = (part.strip() for part in line.split("|"))
            above = above[: (len(line) - len(line.lstrip())) // 2]
            also = [part.removeprefix("also:").strip() for part in extra if part.startswith("also:")]
            accepted[name] = next((part.removeprefix("= ") for part in extra if part.startswith("= ")), name)
            self.nodes[name] = {"name": name, "rank": rank, "aphiaId": number, "alternateNames": also}
            self.parents[name] = above[-1] if above else None
            above.append(name)
        for name, node in self.nodes.items():
            node["acceptedAphiaId"] = self.nodes.get(accepted[name], {"aphiaId": 99_999})["aphiaId"]

    def answer(self, words: list[str]) -> tuple[int, object]:
        *endpoint, last = words
        route = "/".join(endpoint)
        names = sorted({*self.nodes, *(name for node in self.nodes.values() for name in node["alternateNames"])})
        if route == "query/startswith":
            return 200, [name for name in names if name.lower().startswith(last.lower())]
        if route == "query/contains":
            return 200, [name for name in names if last.lower() in name.lower()]
        if route == "taxa/query/startswith":
            return 200, [self.find(name) for name in names if name.lower().startswith(last.lower())]
        if route == "names/aphiaid":
            return self.answer_aphia_id(int(last))
        node = self.find(last)
        if node is None or route not in ("taxa/info", "taxa/ancestors"):
            return 404, {"message": f"Unable to find `{last}`", "code": 404}
        if route == "taxa/info":
            return 200, node
        nested: list[dict] = []
        for name in reversed(self.path(last)):
            nested = [self.node(name, nested)]
        return 200, nested[0]

    def answer_aphia_id(self, aphia_id: int) -> tuple[int, object]:
        by_id = {node["aphiaId"]: node for node in self.nodes.values()}
        if aphia_id not in by_id:
            return 404, {"message": f"Unable to find a name with aphiaId: {aphia_id}", "code": 404}
        node = by_id[aphia_id]
        accepted = by_id[node["acceptedAphiaId"]]
        names = {"name": node["name"], "acceptedName": accepted["name"], "alternateNames": []}
        return 200, {"aphiaId": aphia_id} | names


def _handler(state: StandIn) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()
    concurrent = [0]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            with lock:
                concurrent[0] += 1
                state.most_concurrent = max(state.most_concurrent, concurrent[0])
            try:
                self._reply()
            finally:
                with lock:
                    concurrent[0] -= 1

        def _reply(self) -> None:
            parts = urlsplit(self.path)
            words = [unquote(word) for word in parts.path.removeprefix("/worms//").split("/")]
            if not parts.path.startswith("/worms//") or self.path.count("#"):
                return self._send(404, b"no such page")
            state.asked.append("/".join(words))
            time.sleep(state.delay)
            fault = state.faults[words[-1]].popleft() if state.faults[words[-1]] else None
            if isinstance(fault, float):
                time.sleep(fault)
            if fault == "drop":
                self.close_connection = True
                return self.connection.close()
            if fault == "loading":
                text = "The WoRMS dataset is missing; this may happen for a few seconds when the server starts."
                return self._send(404, json.dumps({"message": text, "code": 404}).encode())
            if isinstance(fault, int):
                return self._send(fault, json.dumps({"message": "trouble", "code": fault}).encode())
            overrides = state.overrides.get("/".join(words))
            status, content = (200, overrides) if overrides is not None else state.answer(words)
            body = json.dumps(content).encode()
            return self._send(status, body[: len(body) // 2] if fault == "cut" else body)

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def handle(self) -> None:
            try:
                super().handle()
            except (OSError, ValueError):
                self.close_connection = True

        def log_message(self, format: str, *arguments: object) -> None:
            """Keep the test's output clean."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def shutdown_request(self, request) -> None:
        # A handler that drops the connection has already closed it.
        if request.fileno() >= 0:
            super().shutdown_request(request)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setattr("fathomline.lineages.worms.FIRST_PAUSE", 0.01)
    state = StandIn()
    state.grow(TREE)
    server = _Server(("127.0.0.1", 0), _handler(state))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/worms"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def write_table(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: str, header: str | None = None) -> Path:
        columns = "concept_name,aphia_id,rank,kingdom,phylum,class,order,family,genus,species"
        path = tmp_path / "lineages.csv"
        path.write_text("\n".join([header or columns, *rows]) + "\n", encoding="utf-8")
        return path

    return write
