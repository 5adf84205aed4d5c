"""One HTTP body, whole, or the reason why not."""

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Event, Lock

import requests
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError, ReadTimeoutError
from urllib3.util import Retry

from fathomline.download.connections import GuardedAdapter
from fathomline.download.urls import HostNotFound, UrlPolicy
from fathomline.errors import Unusable

MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
PASSING = {408, 429, *range(500, 600)}
"""Statuses of which a server may think better; all others are final, 404 above all."""

LONGEST_WAIT = 120
"""Seconds that a Retry-After may ask for; longer ones are cut to it."""

CHUNK = 1 << 14
"""Bytes read at once, and so the most that is fetched twice of a body that breaks."""

USER_AGENT = "fathomline"


class Passing(Exception):
    """A trouble that may be gone at the next attempt; the message is its reason."""

    def __init__(self, reason: str, response: requests.Response | None = None) -> None:
        super().__init__(reason)
        self.response = response


class Silence(Passing):
    """A host that gave no answer at all."""

    def __init__(self, reason: str, host: str) -> None:
        super().__init__(reason)
        self.host = host


@dataclass
class Partial:
    """The bytes of a body that arrived so far, over several attempts."""

    body: bytearray = field(default_factory=bytearray)
    validator: str = ""
    """ETag or date by which the server recognises the same body; empty when it gave none."""

    def headers(self) -> dict[str, str]:
        if self.body and self.validator:
            return {"Range": f"bytes={len(self.body)}-", "If-Range": self.validator}
        return {}

    def begin(self, response: requests.Response) -> None:
        """Take up the response: go on where it does, or start over."""
        if response.status_code == 206:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {len(self.body)}-"):
                self.body.clear()
                raise Passing("the server sent another range than asked for")
            return
        self.body.clear()
        tag = response.headers.get("ETag", "")
        self.validator = response.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag


class Outages:
    """Hosts that stopped answering, so that a dead network costs minutes and not hours."""

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._lost: Counter[str] = Counter()
        self._lock = Lock()

    def check(self, host: str) -> None:
        """Raise Unusable when the last `patience` bodies asked of `host` all ended without any answer."""
        if self._lost[host] >= self._patience:
            raise Unusable(f"not tried: {host} had stopped answering")

    def note(self, host: str, answered: bool) -> None:
        with self._lock:
            self._lost[host] = 0 if answered else self._lost[host] + 1


class Fetcher:
    """Fetches bodies over at most `connections` at once; safe to use from any number of threads.

    Each fetch follows up to MOST_REDIRECTS redirects, each checked by the policy, and tries again after passing
    troubles, waiting longer each time or as long as the server asks. A body broken in the middle is continued where
    the server can, and started over where it cannot.
    """

    def __init__(self, policy: UrlPolicy, *, timeout: float, retries: int, connections: int) -> None:
        self.policy = policy
        self.timeout = timeout
        self.stopped = Event()
        """Set it to make all fetches give up soon."""
        self._connections = BoundedSemaphore(connections)
        self._outages = Outages(patience=3 * connections)
        self._retry = Retry(total=retries, backoff_factor=0.25, backoff_max=30, retry_after_max=LONGEST_WAIT)
        self._settings_by_host: dict[tuple[str, str], dict] = {}
        self._session = requests.Session()
        self._session.headers["User-Agent"] = USER_AGENT
        # Compressed images gain nothing, and lengths can be compared only when nothing is encoded.
        self._session.headers["Accept-Encoding"] = "identity"
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, GuardedAdapter(policy, connections))

    def fetch(self, url: str, most_bytes: int) -> tuple[bytes, str]:
        """The body at `url` and the URL where it was found, after redirects.

        Raises Unusable when there is none to be had: refused, missing, too large, or troubles that did not pass.
        """
        partial, retry = Partial(), self._retry
        with self._connections:
            while not self.stopped.is_set():
                try:
                    return self._attempt(url, partial, most_bytes)
                except Passing as trouble:
                    retry = self._wait(retry, trouble)
        raise Unusable("stopped")

    def _wait(self, retry: Retry, trouble: Passing) -> Retry:
        """Spend one of the attempts left: wait as long as it takes, or raise Unusable when none is left."""
        try:
            retry = retry.increment(error=trouble)
        except MaxRetryError:
            attempts = len(retry.history) + 1
            if isinstance(trouble, Silence):
                self._outages.note(trouble.host, answered=False)
            raise Unusable(f"{trouble}; gave up after {attempts} attempt(s)") from None
        self.stopped.wait(max(retry.get_backoff_time(), _asked_wait(retry, trouble)))
        return retry

    def _attempt(self, url: str, partial: Partial, most_bytes: int) -> tuple[bytes, str]:
        response, url = self._follow(url, partial.headers())
        with closing(response):
            if response.status_code in PASSING:
                raise Passing(f"status {response.status_code}", response)
            if response.status_code == 416:
                partial.body.clear()
                raise Passing("the server cannot continue the body")
            if response.status_code not in (200, 206):
                raise Unusable(f"status {response.status_code}")
            partial.begin(response)
            try:
                self._receive(response, partial.body, most_bytes)
            except requests.RequestException as error:
                raise Passing(self._reason(error, "broken in mid-body")) from None
        return bytes(partial.body), url

    def _receive(self, response: requests.Response, body: bytearray, most_bytes: int) -> None:
        length = response.headers.get("Content-Length", "")
        too_large = Unusable(f"larger than {most_bytes / 1e6:g} MB; see `download.max_megabytes`")
        # A number of thousands of digits is more than Python reads, and than anyone has to send.
        if length.isdecimal() and (len(length) > 18 or len(body) + int(length) > most_bytes):
            raise too_large
        for chunk in response.iter_content(CHUNK):
            body += chunk
            if len(body) > most_bytes:
                raise too_large
            if self.stopped.is_set():
                raise Unusable("stopped")

    def _follow(self, url: str, headers: dict[str, str]) -> tuple[requests.Response, str]:
        for _ in range(MOST_REDIRECTS + 1):
            response = self._get(url, headers)
            try:
                target = self._session.get_redirect_target(response)
                if target is None:
                    return response, url
                url = requests.compat.urljoin(url, target)
            except ValueError:
                response.close()
                raise Unusable("redirected to what is no URL") from None
            response.close()
        raise Unusable(f"more than {MOST_REDIRECTS} redirects")

    def _get(self, url: str, headers: dict[str, str]) -> requests.Response:
        try:
            # Not the session's own way, which adds cookies and passwords from ~/.netrc, and takes twice as long.
            request = requests.Request("GET", url, headers={**self._session.headers, **headers}).prepare()
        except (requests.RequestException, ValueError):
            raise Unusable(f"not a usable URL: {url[:200]!r}; expected http:// or https://") from None
        host = requests.compat.urlsplit(request.url).netloc
        self._outages.check(host)
        try:
            on_this_machine = self.policy.check(request.url)
            settings = self._settings(request.url, on_this_machine)
            # Past the session, which would read the body of a redirect to its end, however long that is.
            response = self._session.get_adapter(request.url).send(request, timeout=self.timeout, **settings)
        except HostNotFound as error:
            raise Silence(str(error), host) from None
        except requests.RequestException as error:
            raise Silence(self._reason(error, "no answer"), host) from None
        self._outages.note(host, answered=True)
        return response

    def _settings(self, url: str, on_this_machine: bool) -> dict:
        """Proxies and certificates as the environment has them; no proxy is asked for this machine."""
        host = requests.compat.urlsplit(url)[:2]
        if host not in self._settings_by_host:  # as costly to find out as a small request
            settings = self._session.merge_environment_settings(url, {}, True, None, None)
            self._settings_by_host[host] = settings | {"proxies": {}} if on_this_machine else settings
        return self._settings_by_host[host]

    def _reason(self, error: requests.RequestException, what: str) -> str:
        """A reason without ports and addresses of objects, so that it is the same on every run."""
        if isinstance(error, requests.ConnectTimeout):
            return f"no connection within {self.timeout:g} s"
        chain = _causes(error)
        if any(isinstance(cause, requests.ReadTimeout | ReadTimeoutError | TimeoutError) for cause in chain):
            return f"the server sent nothing for {self.timeout:g} s"
        if isinstance(error, requests.exceptions.SSLError):
            return "TLS failed: the certificate is not trusted, or the connection is not encrypted"
        told = [cause.strerror for cause in chain if isinstance(cause, OSError) and cause.errno and cause.strerror]
        return f"{what}: {told[-1]}" if told else f"{what}: connection closed"


def _asked_wait(retry: Retry, trouble: Passing) -> float:
    if trouble.response is None:
        return 0.0
    try:
        return retry.get_retry_after(trouble.response.raw) or 0.0
    except (InvalidHeader, ValueError, OverflowError):  # no number, or a date that no calendar has
        return 0.0


def _causes(error: BaseException) -> list[BaseException]:
    """The error and all that lies behind it, outermost first: requests wraps what urllib3 wraps."""
    chain: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop(0)
        if cause is None or any(cause is seen for seen in chain):
            continue
        chain.append(cause)
        inner = [argument for argument in cause.args if isinstance(argument, BaseException)]
        reason = cause.reason if isinstance(cause, HTTPError) and hasattr(cause, "reason") else None
        waiting += [*inner, reason if isinstance(reason, BaseException) else None, cause.__cause__, cause.__context__]
    return chain
