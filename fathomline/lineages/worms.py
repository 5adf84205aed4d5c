"""WoRMS through `fathomnet.api.worms`, with what that client lacks: a timeout, retries, and quoted names."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from fathomnet.api import SESSION, worms
from fathomnet.dto import WormsNode
from requests.adapters import HTTPAdapter

from fathomline.errors import InputError

FIRST_PAUSE = 0.5
"""Seconds before the first retry; each further pause is twice as long, up to LONGEST_PAUSE."""
LONGEST_PAUSE = 30.0
PASSING_STATUSES = (408, 425, 429)
"""What a later try may mend, besides every status from 500 on."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_STATUS = re.compile(r"^(?:Client|Server) error \((\d{3})\)")
_RETRY_AFTER = re.compile(r"^\s*Retry-After: (\d{1,4})\s*$", re.IGNORECASE | re.MULTILINE)
_LOADING = "dataset is missing"


class Unreachable(Exception):
    """WoRMS gave no usable answer, however often it was asked: `url` and `cause` say where and why."""

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(f"{url}: {cause}")
        self.url, self.cause = url, cause


@dataclass(frozen=True)
class Taxon:
    """One node of WoRMS, as the service tells it."""

    name: str
    rank: str
    """In lower case; `unranked` where the service gives none."""
    aphia_id: int | None
    accepted_aphia_id: int | None
    """The AphiaID of the name that is accepted instead of this one; its own when it is the accepted one."""

    @property
    def is_synonym(self) -> bool:
        return self.accepted_aphia_id is not None and self.accepted_aphia_id != self.aphia_id


class Worms:
    """The questions that the resolver asks; safe to share between threads. Made by `connected`."""

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End every pause before a retry: whoever waits raises Unreachable at once."""
        self._stopped.set()

    def info(self, name: str) -> Taxon | None:
        """The taxon of a name, exact in case; None when the service does not hold it."""
        return self._ask(lambda text: _taxon(worms.get_info(text)), name)

    def starting_with(self, prefix: str) -> list[Taxon]:
        """The taxa whose name starts with `prefix`, in any case."""
        return self._ask(lambda text: [_taxon(node) for node in worms.find_taxa_by_prefix(text)], prefix) or []

    def paths(self, name: str) -> list[tuple[Taxon, ...]]:
        """The ways from the root down to a name: one, unless the service holds the name at several places."""
        return self._ask(lambda text: _branches(worms.get_ancestors(text)), name) or []

    def accepted_name(self, aphia_id: int) -> str | None:
        """The accepted name of an AphiaID; None when the service does not hold it (extinct, or no animal)."""
        return self._ask(lambda text: _texts([worms.get_names_by_aphia_id(int(text)).acceptedName])[0], str(aphia_id))

    def names_starting_with(self, prefix: str) -> list[str]:
        return self._ask(lambda text: _texts(worms.find_names_by_prefix(text)), prefix) or []

    def names_containing(self, fragment: str) -> list[str]:
        return self._ask(lambda text: _texts(worms.find_names_containing(text)), fragment) or []

    def _ask(self, question: Callable[[str], Any], name: str) -> Any:
        """Ask until there is an answer; None when the service says that it does not hold the name."""
        pause = FIRST_PAUSE
        for tries_left in range(self._retries, -1, -1):
            try:
                # The client pastes the name into the URL as it is.
                return question(quote(name, safe=""))
            except (requests.RequestException, ValueError, TypeError, AttributeError, RecursionError) as error:
                fault = _diagnose(error)
            if fault.absent:
                return None
            if not fault.passing or not tries_left or self._stopped.wait(min(fault.wait or pause, LONGEST_PAUSE)):
                break
            pause *= 2
        tries = self._retries + 1 - tries_left
        raise Unreachable(worms.Worms.ROOT, f"{fault.cause}, asked for {name!r} {tries} time{'s' * (tries > 1)}")


@contextmanager
def connected(url: str | None, *, timeout: float, retries: int, connections: int) -> Iterator[Worms]:
    """Point the client at `url` (None: FATHOMNET_WORMS_API_URL or FathomNet's own) for as long as the block lasts.

    The client keeps its address and its session in module variables, so one process asks one service at a time.
    """
    root, adapters = worms.Worms.ROOT, dict(SESSION.adapters)
    address = _checked_address(root if url is None else url)
    adapter = _PatientAdapter(timeout, pool_maxsize=connections)
    service = Worms(retries)
    try:
        worms.Worms.ROOT = address
        for scheme in ("https://", "http://"):
            SESSION.mount(scheme, adapter)
        yield service
    finally:
        service.stop()
        adapter.close()
        worms.Worms.ROOT = root
        SESSION.adapters.update(adapters)


def _checked_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and parts.hostname
    except ValueError:
        sound = False
    if not sound:
        raise InputError(f"WoRMS address {url!r}: expected an http or https URL; see FATHOMNET_WORMS_API_URL")
    return url.rstrip("/")


class _PatientAdapter(HTTPAdapter):
    """Supplies the timeout that the client never passes."""

    def __init__(self, timeout: float, **options: Any) -> None:
        self._timeout = timeout
        super().__init__(**options)

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        options["timeout"] = self._timeout
        # A proxy for the world outside cannot reach a service on this machine.
        if urlsplit(request.url).hostname in _LOOPBACK:
            options["proxies"] = {}
        return super().send(request, *arguments, **options)


@dataclass(frozen=True)
class _Fault:
    cause: str
    absent: bool = False
    passing: bool = False
    wait: float | None = None
    """Seconds after which the service wants to be asked again, where it says so."""


def _diagnose(error: Exception) -> _Fault:
    """What went wrong: the client reports every refused request as ValueError with the whole response in its text."""
    if isinstance(error, requests.JSONDecodeError):
        return _Fault("the answer is not JSON or was cut short", passing=True)
    if isinstance(error, requests.Timeout):
        return _Fault("no answer in time", passing=True)
    if isinstance(error, requests.exceptions.SSLError):
        return _Fault(f"no secure connection ({_reason(error)})")
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return _Fault(f"no connection ({_reason(error)})", passing=True)
    if isinstance(error, requests.RequestException):
        return _Fault(f"the request failed ({_reason(error)})")
    text = str(error)
    if text.startswith(("Unauthorized", "Forbidden")):
        return _Fault(f"access refused ({'401' if text[0] == 'U' else '403'})")
    match = _STATUS.match(text)
    if not match:
        return _Fault("the answer is not of the form that WoRMS gives", passing=True)
    status, body = int(match[1]), text.partition("RESPONSE:")[2]
    if status == 404 and _LOADING not in body:
        return _Fault("unknown name", absent=True)
    cause = "the server is still loading its names (404)" if status == 404 else f"status {status}"
    passing = status in (404, *PASSING_STATUSES) or status >= 500
    asked = _RETRY_AFTER.search(body)
    return _Fault(cause, passing=passing, wait=float(asked[1]) if asked else None)


def _reason(error: BaseException) -> str:
    """The innermost cause: urllib3 wraps a refused connection four times."""
    seen = error
    while (inner := getattr(seen, "reason", None) or (seen.args and seen.args[0])) and isinstance(inner, BaseException):
        seen = inner
    text = str(seen.args[-1] if seen.args else seen)
    return text.rpartition(": ")[2] or type(seen).__name__


def _taxon(node: WormsNode) -> Taxon:
    (name,) = _texts([node.name])
    rank = (node.rank or "").strip().lower() or "unranked"
    # FathomNet numbers what it adds to WoRMS (equipment, litter) with negative AphiaIDs.
    positive = [number if number and number > 0 else None for number in (node.aphiaId, node.acceptedAphiaId)]
    return Taxon(name, rank, *positive)


def _texts(names: object) -> list[str]:
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        raise ValueError(f"expected names, found {names!r}")
    return [name.strip() for name in names]


def _branches(root: WormsNode) -> list[tuple[Taxon, ...]]:
    branches, open_paths = [], [(root, ())]
    while open_paths:
        node, above = open_paths.pop()
        path = (*above, _taxon(node))
        open_paths.extend((child, path) for child in reversed(node.children or []))
        if not node.children:
            branches.append(path)
    return branches
