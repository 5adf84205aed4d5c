"""Fetch one complete HTTP body, or say why it cannot be fetched."""

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Event, Lock
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError, ReadTimeoutError
from urllib3.util import Retry

from fathomline.download.connections import PolicyAdapter
from fathomline.download.urls import HostNotFound, UrlPolicy
from fathomline.errors import Unusable

MAX_REDIRECTS = 5
TRANSIENT_STATUSES = {408, 429, *range(500, 600)}
"""Statuses that are retried; all others are final, in particular 404."""

MAX_RETRY_AFTER = 120
"""Seconds; a longer Retry-After is cut to this."""

CHUNK = 1 << 14
"""Bytes per read, and thus the most that is fetched twice when a body breaks off."""

USER_AGENT = "fathomline"


class TransientError(Exception):
    """A failure that a retry may resolve; the message is the reason."""

    def __init__(self, reason: str, response: requests.Response | None = None) -> None:
        super().__init__(reason)
        self.response = response


class NoResponse(TransientError):
    """A host did not respond at all."""

    def __init__(self, reason: str, host: str) -> None:
        super().__init__(reason)
        self.host = host


@dataclass
class PartialBody:
    """The part of a body received so far, over several attempts."""

    body: bytearray = field(default_factory=bytearray)
    validator: str = ""
    """ETag or date by which the server recognises the same body; empty if it sent neither."""

    def headers(self) -> dict[str, str]:
        """Request headers that ask for the rest of the body only."""
        if self.body and self.validator:
            return {"Range": f"bytes={len(self.body)}-", "If-Range": self.validator}
        return {}

    def begin(self, response: requests.Response) -> None:
        """Prepare to receive `response`: keep the part received so far if it continues there, or else discard it."""
        if response.status_code == 206:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {len(self.body)}-"):
                self.body.clear()
                raise TransientError("the server sent a different range than requested")
            return
        self.body.clear()
        tag = response.headers.get("ETag", "")
        self.validator = response.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag


class UnresponsiveHosts:
    """Counts missing responses, so that a run gives up on a dead network in minutes rather than hours."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._failures: Counter[str] = Counter()
        self._lock = Lock()

    def check(self, host: str) -> None:
        """Raise Unusable if the last `limit` fetches from `host` all failed without a response."""
        if self._failures[host] >= self._limit:
            raise Unusable(f"not tried: {host} has stopped responding")

    def note(self, host: str, responded: bool) -> None:
        with self._lock:
            self._failures[host] = 0 if responded else self._failures[host] + 1


class Fetcher:
    """Fetches bodies over at most `connections` connections at a time; threads may share it.

    A fetch follows up to MAX_REDIRECTS redirects, each checked against the policy. It retries after transient errors
    with increasing delays, or with the delay that the server asks for. A body that breaks off is continued if the
    server supports it, and fetched again from the start otherwise.
    """

    def __init__(self, policy: UrlPolicy, *, timeout: float, retries: int, connections: int) -> None:
        self.policy = policy
        self.timeout = timeout
        self.size_remedy = "; see `download.max_megabytes`"
        """What a message on a body that is too large ends with."""
        self.stopped = Event()
        """Set it to make all fetches stop soon."""
        self._connections = BoundedSemaphore(connections)
        self._unresponsive = UnresponsiveHosts(limit=3 * connections)
        self._retry = Retry(total=retries, backoff_factor=0.25, backoff_max=30, retry_after_max=MAX_RETRY_AFTER)
        self._settings_by_host: dict[tuple[str, str], dict[str, Any]] = {}
        self._session = requests.Session()
        self._session.headers["User-Agent"] = USER_AGENT
        # Images hardly compress, and Content-Length can only be checked against a body without an encoding.
        self._session.headers["Accept-Encoding"] = "identity"
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, PolicyAdapter(policy, connections))

    def fetch(self, url: str, max_bytes: int) -> tuple[bytes, str]:
        """The body at `url`, and the URL that served it after redirects.

        Raises Unusable if it cannot be fetched: refused, missing, larger than `max_bytes`, or out of retries.
        """
        partial, retry = PartialBody(), self._retry
        with self._connections:
            while not self.stopped.is_set():
                try:
                    return self._attempt(url, partial, max_bytes)
                except TransientError as error:
                    retry = self._wait(retry, error)
        raise Unusable("stopped")

    def _wait(self, retry: Retry, error: TransientError) -> Retry:
        """Use up one retry and wait for it; Unusable if none is left."""
        try:
            retry = retry.increment(error=error)
        except MaxRetryError:
            if isinstance(error, NoResponse):
                self._unresponsive.note(error.host, responded=False)
            raise Unusable(f"{error}; gave up after {len(retry.history) + 1} attempt(s)") from None
        self.stopped.wait(max(retry.get_backoff_time(), _retry_after(retry, error)))
        return retry

    def _attempt(self, url: str, partial: PartialBody, max_bytes: int) -> tuple[bytes, str]:
        response, url = self._follow_redirects(url, partial.headers())
        with closing(response):
            if response.status_code in TRANSIENT_STATUSES:
                raise TransientError(f"status {response.status_code}", response)
            if response.status_code == 416:
                partial.body.clear()
                raise TransientError("the server cannot continue the body")
            if response.status_code not in (200, 206):
                raise Unusable(f"status {response.status_code}")
            partial.begin(response)
            try:
                self._receive(response, partial.body, max_bytes)
            except requests.RequestException as error:
                raise TransientError(self._reason(error, "the body broke off")) from None
        return bytes(partial.body), url

    def _receive(self, response: requests.Response, body: bytearray, max_bytes: int) -> None:
        length = response.headers.get("Content-Length", "")
        too_large = Unusable(f"larger than {max_bytes / 1e6:g} MB{self.size_remedy}")
        # Python refuses to parse a number with thousands of digits.
        if length.isdecimal() and (len(length) > 18 or len(body) + int(length) > max_bytes):
            raise too_large
        for chunk in response.iter_content(CHUNK):
            body += chunk
            if len(body) > max_bytes:
                raise too_large
            if self.stopped.is_set():
                raise Unusable("stopped")

    def _follow_redirects(self, url: str, headers: dict[str, str]) -> tuple[requests.Response, str]:
        for _ in range(MAX_REDIRECTS + 1):
            response = self._get(url, headers)
            try:
                target = self._session.get_redirect_target(response)
                if target is None:
                    return response, url
                url = urljoin(url, target)
            except ValueError:
                response.close()
                raise Unusable("redirected to an invalid URL") from None
            response.close()
        raise Unusable(f"more than {MAX_REDIRECTS} redirects")

    def _get(self, url: str, headers: dict[str, str]) -> requests.Response:
        try:
            # Session.prepare_request would add cookies and passwords from ~/.netrc, and takes twice as long.
            request = requests.Request("GET", url, headers={**self._session.headers, **headers}).prepare()
        except (requests.RequestException, ValueError):
            raise Unusable(f"not a usable URL: {url[:200]!r}; expected http:// or https://") from None
        url = request.url or url  # as normalised by `prepare`
        host = urlsplit(url).netloc
        self._unresponsive.check(host)
        try:
            settings = self._settings(url, on_this_machine=self.policy.check(url))
            # Session.send would read the whole body of a redirect, however long it is.
            response = self._session.get_adapter(url).send(request, timeout=self.timeout, **settings)
        except HostNotFound as error:
            raise NoResponse(str(error), host) from None
        except requests.RequestException as error:
            raise NoResponse(self._reason(error, "no response"), host) from None
        self._unresponsive.note(host, responded=True)
        return response

    def _settings(self, url: str, on_this_machine: bool) -> dict[str, Any]:
        """Proxies and certificates from the environment. This machine is never reached through a proxy."""
        parts = urlsplit(url)
        host = (parts.scheme, parts.netloc)
        if host not in self._settings_by_host:  # reading the environment costs as much as a small request
            settings = {**self._session.merge_environment_settings(url, {}, True, None, None)}
            self._settings_by_host[host] = settings | {"proxies": {}} if on_this_machine else settings
        return self._settings_by_host[host]

    def _reason(self, error: requests.RequestException, what: str) -> str:
        """A reason without ports or object addresses, so that it is the same on every run."""
        if isinstance(error, requests.ConnectTimeout):
            return f"no connection within {self.timeout:g} s"
        chain = _causes(error)
        if any(isinstance(cause, requests.ReadTimeout | ReadTimeoutError | TimeoutError) for cause in chain):
            return f"the server sent nothing for {self.timeout:g} s"
        if isinstance(error, requests.exceptions.SSLError):
            return "TLS failed: the certificate is not trusted, or the connection is not encrypted"
        reasons = [cause.strerror for cause in chain if isinstance(cause, OSError) and cause.errno and cause.strerror]
        return f"{what}: {reasons[-1] if reasons else 'connection closed'}"


def _retry_after(retry: Retry, error: TransientError) -> float:
    """Seconds that the server asks to wait, at most MAX_RETRY_AFTER; 0 if it does not say."""
    if error.response is None:
        return 0.0
    try:
        return retry.get_retry_after(error.response.raw) or 0.0
    except (InvalidHeader, ValueError, OverflowError):  # neither a number nor a valid date
        return 0.0


def _causes(error: BaseException) -> list[BaseException]:
    """The error and all its causes, outermost first: requests wraps urllib3's errors, which wrap others."""
    chain: list[BaseException] = []
    queue: list[BaseException | None] = [error]
    while queue:
        cause = queue.pop(0)
        if cause is None or any(cause is seen for seen in chain):
            continue
        chain.append(cause)
        wrapped = [argument for argument in cause.args if isinstance(argument, BaseException)]
        reason = cause.reason if isinstance(cause, HTTPError) and hasattr(cause, "reason") else None
        queue += [*wrapped, reason if isinstance(reason, BaseException) else None, cause.__cause__, cause.__context__]
    return chain
