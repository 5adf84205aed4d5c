"""Bring a COCO dataset and all its frames into one folder, checked, whole, and recorded in a manifest."""

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Gt, Interval

from fathomline.config import section
from fathomline.dataset.coco import Coco, parse_coco, read_coco
from fathomline.dataset.image_file import decode_image
from fathomline.dataset.manifest import Record, one_line
from fathomline.download.frame_sources import FolderOrigin, Origin, WebOrigin
from fathomline.download.store import Store, again_if_tidied
from fathomline.download.transfer import Fetcher
from fathomline.download.urls import UrlPolicy
from fathomline.errors import InputError, Unusable, listing
from fathomline.files import write_json
from fathomline.progress import progress, warning

LARGEST_JSON = 2 * 10**9
"""Bytes; FathomNet's largest are a few tens of millions."""

MOST_REASONS = 20


@section
class DownloadConfig:
    workers: Annotated[int, Interval(ge=1, le=64)]
    """Connections at once, to be polite to the server."""

    allowed_missing: Annotated[float, Interval(ge=0, le=1)]
    """Share of the images that may fail without the stage failing."""

    allow_private_hosts: bool
    """Fetch from this machine and from private networks too; off, as a dataset's URLs are not to be trusted."""

    timeout: Annotated[float, Gt(0)]
    """Seconds to wait for a server to connect, or to send more bytes."""

    retries: Annotated[int, Interval(ge=0, le=20)]
    """How often to try again after a broken connection or a status 408, 429 or 5xx."""

    max_megabytes: Annotated[float, Gt(0)]
    """Frames larger than this many MB (10^6 bytes) are refused."""


@dataclass(frozen=True)
class Downloaded:
    """What a download did."""

    images: int
    fetched: int
    kept: int
    """Already there from an earlier run, every byte checked."""

    failed: int
    bytes: int
    """Fetched, not kept."""

    seconds: float

    def __str__(self) -> str:
        rate = self.bytes / 1e6 / self.seconds if self.seconds else 0.0
        return (
            f"{self.images} images: {self.fetched} fetched ({self.bytes / 1e6:.1f} MB at {rate:.1f} MB/s), "
            f"{self.kept} kept, {self.failed} failed"
        )


def download(
    location: str,
    images: str | None,
    destination: Path,
    config: DownloadConfig,
    *,
    labelled: bool,
    allow_loopback: bool = False,
) -> Downloaded:
    """Bring the COCO JSON at `location`, a path or an http(s) URL, and its frames to `destination`.

    Frames come from the folder `images` by their `file_name`, or, when it is None, from their `coco_url`. Writes
    `dataset.json`, `images/<image_id>.<ext>` and `manifest.csv`. Frames of an earlier run are kept when every byte is
    as its manifest or journal says; all else in `images/` is removed. `labelled`: each annotation must have a
    category. `allow_loopback`: servers on this machine are fine, whatever the config says.

    Raises InputError, before anything is written, when the JSON cannot be had or used; and, after everything that
    could be fetched was, when more than `allowed_missing` of the images failed.
    """
    started = time.monotonic()
    policy = UrlPolicy(config.allow_private_hosts, allow_loopback)
    fetcher = Fetcher(policy, timeout=config.timeout, retries=config.retries, connections=config.workers)
    coco, base = _dataset(location, fetcher, labelled)
    origin = _origin(images, fetcher, base, coco, location)
    try:
        with Store(destination) as store:
            again_if_tidied(lambda: write_json(coco.content(), destination / "dataset.json"))
            bring = Bringer(origin, store, int(config.max_megabytes * 1e6))
            brought = _bring_all(bring, coco.images, config.workers, fetcher)
            records = store.finish([frame.record for frame in brought])
    except OSError as error:
        raise InputError(
            f"{error.filename or destination}: {error.strerror or error}; download stopped. What was fetched is kept: "
            "run the stage again"
        ) from error
    _tell_failed(records, config.allowed_missing, destination)
    return _downloaded(records, brought, time.monotonic() - started)


def _dataset(location: str, fetcher: Fetcher, labelled: bool) -> tuple[Coco, str | None]:
    """The checked COCO, and the URL that its relative URLs refer to, None for a local file."""
    if "://" not in location:
        return read_coco(Path(location), labelled=labelled), None
    try:
        text, url = fetcher.fetch(location, LARGEST_JSON)
    except Unusable as error:
        raise InputError(
            f"{location}: the COCO JSON could not be fetched: {error}. Check the URL and the network, and run the "
            "stage again, or give the path of a local copy"
        ) from None
    return parse_coco(text, location, labelled=labelled), url


def _origin(images: str | None, fetcher: Fetcher, base: str | None, coco: Coco, location: str) -> Origin:
    if images is None:
        origin = WebOrigin(fetcher, base)
        origin.check(coco.images, location)
        return origin
    if "://" in images:
        raise InputError(f"`source.images` is {images!r}, expected a local folder, or null to fetch each `coco_url`")
    origin = FolderOrigin(Path(images))
    origin.check()
    return origin


@dataclass(frozen=True)
class Brought:
    """An image after this run looked after it."""

    record: Record
    is_new: bool
    """Whether its bytes were fetched by this run."""


@dataclass(frozen=True)
class Bringer:
    """Brings one image at a time into the store; called from many threads."""

    origin: Origin
    store: Store
    most_bytes: int

    def __call__(self, image: dict) -> Brought:
        """Keep the image's file or fetch it; a failure becomes a record. OSError when the disk does not take it."""
        place = one_line(self.origin.place(image))
        known = self.store.known.get(image["id"])
        if known and known.url == place and self.store.holds(known) and not self.origin.has_changed(image, known):
            return Brought(known, is_new=False)
        try:
            body = self.origin.read(image, self.most_bytes)
            name = f"images/{image['id']}.{decode_image(body).extension}"
        except Unusable as error:
            return Brought(Record(image["id"], place, "", 0, "", "failed", one_line(str(error))), is_new=False)
        record = Record(image["id"], place, name, len(body), hashlib.sha256(body).hexdigest(), "ok", "")
        self.store.put(record, body)
        return Brought(record, is_new=True)


def _bring_all(bring: Bringer, images: list[dict], workers: int, fetcher: Fetcher) -> list[Brought]:
    """Bring all images, fetching `workers` at once; returns them in the order of `images`."""
    # As many threads again check and write what has come, while the fetcher keeps its connections busy.
    pool = ThreadPoolExecutor(2 * workers)
    try:
        tasks = [pool.submit(bring, image) for image in images]
        for task in progress(as_completed(tasks), label="download", unit="image", total=len(tasks)):
            task.result()  # a full disk stops the run here
        return [task.result() for task in tasks]
    finally:
        fetcher.stopped.set()
        pool.shutdown(cancel_futures=True)


def _tell_failed(records: list[Record], allowed_missing: float, destination: Path) -> None:
    """Warn of failed images, or raise InputError when they are more than allowed."""
    failed = [record for record in records if record.status != "ok"]
    if not failed:
        return
    by_reason: dict[str, list[int]] = {}
    for record in failed:
        by_reason.setdefault(record.error, []).append(record.image_id)
    lines = [f"  {len(ids)} × {reason} (images {listing(ids)})" for reason, ids in by_reason.items()]
    shown = "\n".join(lines[:MOST_REASONS])
    told = f"download: {len(failed)} of {len(records)} images failed, see {destination / 'manifest.csv'}:\n{shown}"
    if len(failed) / len(records) <= allowed_missing:
        warning(told)
        return
    raise InputError(
        f"{told}\nRun the stage again: only the missing are fetched. Or let it go on without them: "
        f"`download.allowed_missing` is {allowed_missing:g}, and {len(failed) / len(records):.4g} are missing"
    )


def _downloaded(records: list[Record], brought: list[Brought], seconds: float) -> Downloaded:
    new = [frame.record for frame in brought if frame.is_new]
    failed = sum(record.status != "ok" for record in records)
    return Downloaded(
        images=len(records),
        fetched=len(new),
        kept=len(records) - len(new) - failed,
        failed=failed,
        bytes=sum(record.bytes for record in new),
        seconds=seconds,
    )
