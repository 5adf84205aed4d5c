"""Compare fetching frames from a server 50 ms away with the official script's loop."""

import asyncio
import multiprocessing
import shutil
import tempfile
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from benchmarks.side_by_side import Contender, time_alternately, timing_table, write_table
from benchmarks.synthetic import write_dataset
from fathomline.download.download import DownloadConfig, download
from fathomline.machine import MachineConfig
from fathomline.sources.read_source import SourceRequest

FRAMES = 600
LATENCY = 0.050
WORKERS = 16
SIZE = (96, 54)
"""Small frames, because this measures the effect of latency, not of bandwidth."""


class FarAway(SimpleHTTPRequestHandler):
    """Answers with the latency of a server on another continent, over persistent connections."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        time.sleep(LATENCY)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 64
    daemon_threads = True


def serve(folder: str, ports: multiprocessing.Queue) -> None:
    with Server(("127.0.0.1", 0), partial(FarAway, directory=folder)) as server:
        ports.put(server.server_address[1])
        server.serve_forever()


def official_loop(urls: list[str], folder: Path) -> int:
    """Fetch as the official script does: one httpx client, a semaphore, bodies written in place, no checks."""

    async def fetch(client: httpx.AsyncClient, limit: asyncio.Semaphore, url: str) -> None:
        async with limit:
            response = await client.get(url)
            response.raise_for_status()
            (folder / url.rsplit("/", 1)[1]).write_bytes(response.content)

    async def fetch_all() -> None:
        limit = asyncio.Semaphore(WORKERS)
        async with httpx.AsyncClient() as client:
            for task in asyncio.as_completed([fetch(client, limit, url) for url in urls]):
                await task

    folder.mkdir(parents=True)
    asyncio.run(fetch_all())
    return len(urls)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        frames, out = Path(scratch) / "frames", Path(scratch) / "out"
        frames.mkdir()
        context = multiprocessing.get_context("spawn")
        ports = context.Queue()
        server = context.Process(target=serve, args=(str(frames), ports), daemon=True)
        server.start()
        base = f"http://127.0.0.1:{ports.get()}"
        dataset = write_dataset(frames, FRAMES, [SIZE], ["Porifera"], seed=0, distinct=16, base_url=base)
        urls = [f"{base}/images/{number}.png" for number in range(FRAMES)]
        settings = DownloadConfig(allow_private_hosts=True)
        machine = MachineConfig(connections=WORKERS)

        def ours() -> int:
            shutil.rmtree(out, ignore_errors=True)
            request = SourceRequest("coco", str(dataset))
            return download(request, out, settings, machine=machine, labelled=True).fetched

        def official() -> int:
            shutil.rmtree(out, ignore_errors=True)
            return official_loop(urls, out)

        try:
            timings = time_alternately(
                [
                    Contender("fathomline: decoded, hashed, flushed, renamed, journaled", ours),
                    Contender("the official loop: written in place", official),
                ],
                rounds=7,
            )
        finally:
            server.terminate()
    ideal = LATENCY * FRAMES / WORKERS
    introduction = (
        f"{FRAMES} synthetic frames, {LATENCY * 1000:.0f} ms latency, {WORKERS} connections. The minimum, latency × "
        f"frames / connections, is {ideal:.2f} s; fathomline's median is {timings[0].median / ideal - 1:.0%} above it."
    )
    write_table("download", "Fetching frames", [introduction, "", *timing_table(timings, "frame")])


if __name__ == "__main__":
    main()
