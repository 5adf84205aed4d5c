"""Download a COCO dataset and all its frames into one folder, check every file, and record it in a manifest."""

import hashlib
import math
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Gt, Interval

from fathomline.config import section
from fathomline.dataset.coco import Coco, JsonObject
from fathomline.dataset.image_file import decode_image
from fathomline.dataset.manifest import Record, one_line
from fathomline.download.frame_sources import FolderSource, FrameSource, WebSource
from fathomline.download.store import Store, write_again_if_removed
from fathomline.download.transfer import Fetcher
from fathomline.download.urls import UrlPolicy
from fathomline.errors import InputError, Unusable, listing, shown
from fathomline.files import write_json
from fathomline.machine import MachineConfig
from fathomline.progress import progress, warning
from fathomline.sources.frame_names import FrameFolder
from fathomline.sources.read_source import Fetch, SourceData, SourceRequest, read_source

MAX_JSON_BYTES = 2 * 10**9
"""FathomNet's largest JSONs are a few tens of MB."""

NO_SUBSET = SourceData(Coco([], [], []), base=None, frames=None, notes=())
"""A test subset that the user does not have."""

MAX_REASONS = 20
"""Reasons for failed images that a message lists."""


@section
class DownloadConfig:
    allowed_missing: Annotated[float, Interval(ge=0, le=1)] = 0.0
    """Largest fraction of the images that may fail without failing the stage."""

    allow_private_hosts: bool = False
    """Also fetch from this machine and from private networks. Off by default: a dataset's URLs cannot be trusted."""

    max_megabytes: Annotated[float, Gt(0)] = 100.0
    """Frames larger than this many MB (10^6 bytes) are refused."""


@dataclass(frozen=True)
class DownloadSummary:
    """Numbers of images, by what a download did with them."""

    images: int
    fetched: int
    reused: int
    """Fetched by an earlier run, with every byte checked."""

    failed: int
    bytes: int
    """Fetched by this run."""

    seconds: float

    def __str__(self) -> str:
        if not self.images:
            return "no test subset"
        rate = self.bytes / 1e6 / self.seconds if self.seconds else 0.0
        return (
            f"{self.images} images: {self.fetched} fetched ({self.bytes / 1e6:.1f} MB at {rate:.1f} MB/s), "
            f"{self.reused} reused, {self.failed} failed"
        )


def download(
    request: SourceRequest | None,
    destination: Path,
    config: DownloadConfig,
    *,
    machine: MachineConfig,
    labelled: bool,
    allow_loopback: bool = False,
) -> DownloadSummary:
    """Download the annotations and the frames of a subset to `destination`. Without a `request`, the subset is empty.

    Writes `dataset.json`, `images/<image_id>.<ext>` and `manifest.csv`. Frames of an earlier run are reused if they
    match its manifest or journal byte for byte; everything else in `images/` is removed. If `labelled`, each
    annotation must have a category. `allow_loopback` permits servers on this machine, whatever `config` says.

    Raises InputError before anything is written if the annotations cannot be read or are not valid. Raises it after
    fetching everything it can if more than `allowed_missing` of the images failed.
    """
    started = time.monotonic()
    policy = UrlPolicy(config.allow_private_hosts, allow_loopback)
    fetcher = Fetcher(policy, timeout=machine.timeout, retries=machine.retries, connections=machine.connections)
    data = NO_SUBSET if request is None else read_source(request, labelled=labelled, fetch=_annotations_by(fetcher))
    for note in data.notes:
        warning(f"download: {note}")
    source = _frame_source(data, fetcher)
    max_bytes = int(config.max_megabytes * 1e6)
    try:
        with Store(destination) as store:
            write_again_if_removed(lambda: write_json(data.coco.content(), destination / "dataset.json"))
            tasks = [FetchTask(image, source, store, max_bytes) for image in data.coco.images]
            results = _run(tasks, machine.connections, fetcher)
            records = store.finish([result.record for result in results])
    except OSError as error:
        raise InputError(
            f"{error.filename or destination}: {error.strerror or error}; download stopped. The frames fetched so far "
            "are kept: run the stage again"
        ) from error
    for note in data.frames.notes() if data.frames else ():
        warning(f"download: {note}")
    _report_failures(records, config.allowed_missing, destination, data.frames)
    return _summary(records, results, time.monotonic() - started)


@dataclass(frozen=True)
class FetchResult:
    """The record of one image after this run."""

    record: Record
    is_new: bool
    """Whether this run fetched its bytes."""


@dataclass(frozen=True)
class FetchTask:
    """The work on one image; tasks run in many threads."""

    image: JsonObject
    source: FrameSource
    store: Store
    max_bytes: int

    def run(self) -> FetchResult:
        """Reuse the image's file or fetch it; a failure becomes a record. OSError if the file cannot be written."""
        image_id = self.image["id"]
        location = one_line(self.source.location(self.image))
        previous = self.store.previous.get(image_id)
        if previous and self._can_reuse(previous, location):
            return FetchResult(previous, is_new=False)
        try:
            body = self.source.read(self.image, self.max_bytes)
            name = f"images/{image_id}.{decode_image(body).extension}"
        except Unusable as error:
            return FetchResult(Record(image_id, location, "", 0, "", "failed", one_line(str(error))), is_new=False)
        record = Record(image_id, location, name, len(body), hashlib.sha256(body).hexdigest(), "ok", "")
        self.store.put(record, body)
        return FetchResult(record, is_new=True)

    def _can_reuse(self, previous: Record, location: str) -> bool:
        return (
            previous.url == location
            and self.store.is_intact(previous)
            and not self.source.may_have_changed(self.image, previous)
        )


def _annotations_by(fetcher: Fetcher) -> Fetch:
    def fetch(url: str) -> tuple[bytes, str]:
        try:
            return fetcher.fetch(url, MAX_JSON_BYTES)
        except Unusable as error:
            raise InputError(
                f"{url}: the COCO JSON could not be fetched: {error}. Check the URL and the network and run the stage "
                "again, or give the path of a local copy"
            ) from None

    return fetch


def _frame_source(data: SourceData, fetcher: Fetcher) -> FrameSource:
    if data.frames is not None:
        return FolderSource(data.frames)
    web = WebSource(fetcher, data.base)
    web.check(data.coco.images)
    return web


def _run(tasks: list[FetchTask], connections: int, fetcher: Fetcher) -> list[FetchResult]:
    """Run the tasks over at most `connections` connections; returns the results in the order of the tasks."""
    # Twice as many threads as connections: half of them check and write while the others keep the connections busy.
    pool = ThreadPoolExecutor(2 * connections)
    try:
        futures = [pool.submit(task.run) for task in tasks]
        for future in progress(as_completed(futures), label="download", unit="image", total=len(futures)):
            future.result()  # an error in writing, such as a full disk, stops the run here
        return [future.result() for future in futures]
    finally:
        fetcher.stopped.set()
        pool.shutdown(cancel_futures=True)


def _report_failures(
    records: list[Record], allowed_missing: float, destination: Path, frames: FrameFolder | None
) -> None:
    """Warn of failed images, or raise InputError if more failed than are allowed."""
    failed = [record for record in records if record.status != "ok"]
    if not failed:
        return
    by_reason: dict[str, list[Record]] = {}
    for record in failed:
        by_reason.setdefault(record.error, []).append(record)
    lines = [
        f"  {len(same)} × {reason} (images {listing(record.image_id for record in same)}; the first is "
        f"{_place(same[0].url, frames)})"
        for reason, same in by_reason.items()
    ]
    if len(lines) > MAX_REASONS:
        lines[MAX_REASONS:] = [f"  and {len(lines) - MAX_REASONS} more reasons"]
    reasons = "\n".join(lines)
    message = f"download: {len(failed)} of {len(records)} images failed, see {destination / 'manifest.csv'}:\n{reasons}"
    missing = len(failed) / len(records)
    if missing <= allowed_missing:
        warning(message)
        return
    raise InputError(
        f"{message}\nRun the stage again once they can be read: it fetches only what is missing. To continue without "
        f"them, set `download.allowed_missing` to at least {_rounded_up(missing)}; it is {allowed_missing:g}"
    )


def _rounded_up(share: float) -> str:
    """A share with three digits behind the point that is not below it."""
    return f"{math.ceil(share * 1000) / 1000:g}"


def _place(location: str, frames: FrameFolder | None) -> str:
    """Where a frame was looked for."""
    if not location:
        return "without a location"
    return shown(str(frames.folder / location) if frames else location, 200)


def _summary(records: list[Record], results: list[FetchResult], seconds: float) -> DownloadSummary:
    new = [result.record for result in results if result.is_new]
    failed = sum(record.status != "ok" for record in records)
    return DownloadSummary(
        images=len(records),
        fetched=len(new),
        reused=len(records) - len(new) - failed,
        failed=failed,
        bytes=sum(record.bytes for record in new),
        seconds=seconds,
    )
