"""The server with 16 clients at once, against the same requests one by one, and its memory over 2,000 requests.

Clients and server run in one process and share its cores.
"""

import io
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import psutil

from benchmarks import synthetic
from benchmarks.engines import CASES, Case, write_random_bundle
from benchmarks.side_by_side import Contender, time_alternately, timing_table, write_table
from fathomline.predictor.load import load_predictor
from fathomline.serve.app import make_app
from fathomline.serve.limits import Limits
from fathomline.serve.run import address, listener, server

CLIENTS = 16
ROUNDS = 3
REQUESTS = 160
"""Per round."""
MEMORY_REQUESTS, MEMORY_STEPS = 2000, 4
SIZE = (960, 540)
"""Of the pictures, in pixels."""
PICTURES = 20

Form = tuple[bytes, str]
"""A picture and its boxes as JSON."""


@dataclass
class Client:
    """Sends requests, and notes how long each takes."""

    http: httpx.Client
    forms: list[Form]
    seconds: dict[int, list[float]] = field(default_factory=dict)
    """By the number of clients at once."""
    failed: int = 0

    def send(self, clients: int, number: int) -> None:
        picture, boxes = self.forms[number % len(self.forms)]
        start = time.perf_counter()
        response = self.http.post("/predict", files={"image": picture}, data={"boxes": boxes})
        self.seconds.setdefault(clients, []).append(time.perf_counter() - start)
        self.failed += response.status_code != 200

    def run(self, clients: int, requests: int = REQUESTS) -> int:
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(partial(self.send, clients), range(requests)))
        return requests


def forms() -> list[Form]:
    generator = np.random.default_rng(0)
    made = []
    for _ in range(PICTURES):
        stream = io.BytesIO()
        synthetic.picture(*SIZE, generator).save(stream, "JPEG", quality=90)
        made.append((stream.getvalue(), str(synthetic.boxes(*SIZE, generator))))
    return made


def lines_of(case: Case, client: Client) -> list[str]:
    contenders = [
        Contender("one by one", partial(client.run, 1)),
        Contender(f"{CLIENTS} clients at once", partial(client.run, CLIENTS)),
    ]
    client.run(CLIENTS)
    client.seconds.clear()
    timings = time_alternately(contenders, ROUNDS)
    boxes = statistics.mean(text.count("[") - 1 for _, text in client.forms)
    heading = (
        f"`{case.backbone}` at {case.image_size} px; JPEGs of {SIZE[0]}×{SIZE[1]} with {boxes:.1f} boxes on average"
    )
    lines = [
        heading,
        "",
        *timing_table(timings, "request"),
        "",
        "| latency | median | 95 % | highest |",
        "|---|---:|---:|---:|",
    ]
    for contender, clients in zip(contenders, (1, CLIENTS), strict=True):
        taken = np.array(client.seconds[clients]) * 1000
        middle, high = np.quantile(taken, [0.5, 0.95])
        lines.append(f"| {contender.name} | {middle:.0f} ms | {high:.0f} ms | {taken.max():.0f} ms |")
    return [*lines, ""]


def memory(client: Client) -> list[str]:
    """The memory of the process after more and more requests."""
    process = psutil.Process()
    found = [process.memory_info().rss]
    for _ in range(MEMORY_STEPS):
        client.run(CLIENTS, MEMORY_REQUESTS // MEMORY_STEPS)
        found.append(process.memory_info().rss)
    steps = [
        f"{bytes_ / 2**20:.0f} MiB after {MEMORY_REQUESTS // MEMORY_STEPS * step:,}"
        for step, bytes_ in enumerate(found)
    ]
    return [f"Memory of server and clients over {MEMORY_REQUESTS:,} more requests: {', '.join(steps)}.", ""]


def measured(case: Case, with_memory: bool) -> list[str]:
    limits = Limits()
    with tempfile.TemporaryDirectory() as folder, listener("127.0.0.1", 0) as listening:
        predictor = load_predictor(write_random_bundle(case, Path(folder)), "onnx")
        running = server(make_app(predictor, limits), limits)
        thread = threading.Thread(target=running.run, args=([listening],))
        thread.start()
        with httpx.Client(base_url=address("127.0.0.1", listening), timeout=120) as http:
            client = Client(http, forms())
            lines = lines_of(case, client)
            lines += memory(client) if with_memory else []
        running.should_exit = True
        thread.join()
    sent = sum(map(len, client.seconds.values()))
    return [*lines, f"Failed requests: {client.failed} of {sent:,}.", ""]


def main() -> None:
    lines = [line for case in CASES for line in measured(case, with_memory=case is CASES[0])]
    write_table("serve", "The server under load", lines)


if __name__ == "__main__":
    main()
