"""A client of WoRMS: `fathomnet.api.worms` with a timeout, retries, and names quoted in URLs."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import requests
from fathomnet.api import SESSION, worms
from fathomnet.dto import WormsNode
from requests.adapters import HTTPAdapter

from fathomline.errors import InputError
from fathomline.machine import MachineConfig

FIRST_PAUSE = 0.5
"""Seconds before the first retry; each further pause is twice as long, up to LONGEST_PAUSE."""
LONGEST_PAUSE = 30.0
TRANSIENT_STATUSES = (408, 425, 429)
"""Statuses after which a retry may succeed, besides all from 500 on."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_STATUS = re.compile(r"^(?:Client|Server) error \((\d{3})\)")
_RETRY_AFTER = re.compile(r"^\s*Retry-After: (\d{1,4})\s*$", re.IGNORECASE | re.MULTILINE)
_LOADING = "dataset is missing"

Answer = TypeVar("Answer")


class Unreachable(Exception):
    """WoRMS gave no usable answer, even after all retries: `url` and `cause` say where and why."""

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(f"{url}: {cause}")
        self.url, self.cause = url, cause


@dataclass(frozen=True)
class WormsRecord:
    """One taxon as WoRMS describes it."""

    name: str
    rank: str
    """In lower case; `unranked` if the service gives none."""
    aphia_id: int | None
    accepted_aphia_id: int | None
    """For a synonym, the AphiaID of its accepted name; None for a name that is itself accepted."""

    @property
    def is_synonym(self) -> bool:
        return self.accepted_aphia_id is not None


class WormsClient:
    """The queries that a lookup needs; threads may share it. Made by `connected`.

    Every query raises Unreachable if there is no usable answer.
    """

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End all pauses before retries: the waiting queries raise Unreachable."""
        self._stopped.set()

    def info(self, name: str) -> WormsRecord | None:
        """The record of a name, matched with its case; None if the service does not have it."""
        return self._query(lambda text: _record(worms.get_info(text)), name)

    def starting_with(self, prefix: str) -> list[WormsRecord]:
        """The records whose names start with `prefix`, in any case."""
        return self._query(lambda text: [_record(node) for node in worms.find_taxa_by_prefix(text)], prefix) or []

    def paths(self, name: str) -> list[tuple[WormsRecord, ...]]:
        """The paths from the root down to a name; several if the service has the name at several places."""
        return self._query(lambda text: _branches(worms.get_ancestors(text)), name) or []

    def accepted_name(self, aphia_id: int) -> str | None:
        """The accepted name of an AphiaID; None if the service does not have it (extinct, or not an animal)."""
        return self._query(lambda text: _names([worms.get_names_by_aphia_id(int(text)).acceptedName])[0], str(aphia_id))

    def names_starting_with(self, prefix: str) -> list[str]:
        return self._query(lambda text: _names(worms.find_names_by_prefix(text)), prefix) or []

    def names_containing(self, fragment: str) -> list[str]:
        return self._query(lambda text: _names(worms.find_names_containing(text)), fragment) or []

    def _query(self, function: Callable[[str], Answer], name: str) -> Answer | None:
        """Call `function`, with retries after transient errors; None if the service does not have the name."""
        pause = FIRST_PAUSE
        for retries_left in range(self._retries, -1, -1):
            try:
                # The client inserts the name into the URL unquoted.
                return function(quote(name, safe=""))
            except (requests.RequestException, ValueError, TypeError, AttributeError, RecursionError) as error:
                fault = _diagnose(error)
            if fault.not_found:
                return None
            if not fault.transient or not retries_left or self._stopped.wait(min(fault.wait or pause, LONGEST_PAUSE)):
                break
            pause *= 2
        tries = self._retries + 1 - retries_left
        raise Unreachable(worms.Worms.ROOT, f"{fault.cause}, asked for {name!r} {tries} time{'s' * (tries > 1)}")


@contextmanager
def connected(url: str | None, machine: MachineConfig) -> Iterator[WormsClient]:
    """Open a client of the service at `url` (None: FATHOMNET_WORMS_API_URL or FathomNet's own).

    Raises InputError if `url` is not an http(s) URL.
    """
    address = _checked_address(worms.Worms.ROOT if url is None else url)
    client = WormsClient(machine.retries)
    adapter = _TimeoutAdapter(machine.timeout, pool_maxsize=machine.connections)
    with _fathomnet_pointed_at(address, adapter):
        try:
            yield client
        finally:
            client.stop()


@contextmanager
def _fathomnet_pointed_at(address: str, adapter: HTTPAdapter) -> Iterator[None]:
    # The functions of fathomnet.api take neither an address nor a timeout: they read both from a class attribute and
    # a module-level session. So these are replaced here, and only here, for as long as the block lasts, and a process
    # can use only one service at a time.
    root, adapters = worms.Worms.ROOT, dict(SESSION.adapters)
    try:
        worms.Worms.ROOT = address
        for scheme in ("https://", "http://"):
            SESSION.mount(scheme, adapter)
        yield
    finally:
        adapter.close()
        worms.Worms.ROOT = root
        SESSION.adapters.update(adapters)


def _checked_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname
    except ValueError:
        valid = False
    if not valid:
        raise InputError(f"WoRMS address {url!r}: expected an http or https URL; correct FATHOMNET_WORMS_API_URL")
    return url.rstrip("/")


class _TimeoutAdapter(HTTPAdapter):
    """Sets the timeout that fathomnet's client does not set."""

    def __init__(self, timeout: float, **options: Any) -> None:
        self._timeout = timeout
        super().__init__(**options)

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        options["timeout"] = self._timeout
        # A proxy cannot reach a service on this machine.
        if urlsplit(request.url).hostname in _LOOPBACK:
            options["proxies"] = {}
        return super().send(request, *arguments, **options)


@dataclass(frozen=True)
class _Fault:
    """Why a request failed."""

    cause: str
    not_found: bool = False
    transient: bool = False
    wait: float | None = None
    """Seconds to wait before the next try, if the service gives them in Retry-After."""


def _diagnose(error: Exception) -> _Fault:
    """Classify an error of fathomnet's client, which raises ValueError with the response as text for any status."""
    if isinstance(error, requests.JSONDecodeError):
        return _Fault("the answer is not JSON or was cut short", transient=True)
    if isinstance(error, requests.Timeout):
        return _Fault("no answer within the timeout", transient=True)
    if isinstance(error, requests.exceptions.SSLError):
        return _Fault(f"no secure connection ({_innermost_reason(error)})")
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return _Fault(f"no connection ({_innermost_reason(error)})", transient=True)
    if isinstance(error, requests.RequestException):
        return _Fault(f"the request failed ({_innermost_reason(error)})")
    return _diagnose_status(str(error))


def _diagnose_status(text: str) -> _Fault:
    if text.startswith(("Unauthorized", "Forbidden")):
        return _Fault(f"access refused ({'401' if text[0] == 'U' else '403'})")
    match = _STATUS.match(text)
    if not match:
        return _Fault("the answer does not have the structure of a WoRMS answer", transient=True)
    status, body = int(match[1]), text.partition("RESPONSE:")[2]
    if status == 404 and _LOADING not in body:
        return _Fault("unknown name", not_found=True)
    cause = "the server is still loading its names (404)" if status == 404 else f"status {status}"
    transient = status in (404, *TRANSIENT_STATUSES) or status >= 500
    retry_after = _RETRY_AFTER.search(body)
    return _Fault(cause, transient=transient, wait=float(retry_after[1]) if retry_after else None)


def _innermost_reason(error: BaseException) -> str:
    """The reason at the bottom of nested errors: urllib3 wraps a refused connection four times."""
    seen = error
    while (inner := getattr(seen, "reason", None) or (seen.args and seen.args[0])) and isinstance(inner, BaseException):
        seen = inner
    text = str(seen.args[-1] if seen.args else seen)
    return text.rpartition(": ")[2] or type(seen).__name__


def _record(node: WormsNode) -> WormsRecord:
    """The record of a node; ValueError or TypeError if it does not have the structure of one."""
    (name,) = _names([node.name])
    aphia_id, accepted_aphia_id = _positive(node.aphiaId), _positive(node.acceptedAphiaId)
    return WormsRecord(
        name,
        rank=(node.rank or "").strip().lower() or "unranked",
        aphia_id=aphia_id,
        accepted_aphia_id=accepted_aphia_id if accepted_aphia_id != aphia_id else None,
    )


def _positive(aphia_id: int | None) -> int | None:
    """FathomNet gives negative AphiaIDs to what it adds to WoRMS (equipment, litter)."""
    return aphia_id if aphia_id and aphia_id > 0 else None


def _names(values: object) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) and value.strip() for value in values):
        raise ValueError(f"expected names, found {values!r}")
    return [value.strip() for value in values]


def _branches(root: WormsNode) -> list[tuple[WormsRecord, ...]]:
    """Each path from `root` to a leaf, in the order of the children."""
    branches: list[tuple[WormsRecord, ...]] = []
    pending: list[tuple[WormsNode, tuple[WormsRecord, ...]]] = [(root, ())]
    while pending:
        node, above = pending.pop()
        path = (*above, _record(node))
        pending.extend((child, path) for child in reversed(node.children or []))
        if not node.children:
            branches.append(path)
    return branches
