"""Which URLs may be asked: http and https, without credentials, of hosts on the public internet."""

import ipaddress
import socket
from dataclasses import dataclass, field

from requests.utils import get_environ_proxies, select_proxy
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from fathomline.errors import Unusable

WRAPPING = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))
"""Where the last 32 bits of an IPv6 address are an IPv4 address: translation (RFC 6052), and an older form."""

ASK_FIRST = "set `download.allow_private_hosts: true` if this is meant"


@dataclass(frozen=True)
class UrlPolicy:
    """Decides by address, not by name: any name may point into the private network."""

    allow_private: bool
    """Any address is fine."""

    allow_loopback: bool
    """Addresses of this machine are fine, other private ones are not."""

    _loopback_hosts: dict[str, bool] = field(default_factory=dict)
    """Hosts found permissible, so that each is resolved once."""

    def check(self, url: str) -> bool:
        """Raise Unusable unless `url` may be asked; return whether it is on this machine, where no proxy is asked."""
        try:
            parts = parse_url(url)
        except (LocationParseError, ValueError):
            raise Unusable(f"not a usable URL: {url[:200]!r}; expected http:// or https://") from None
        if parts.scheme not in ("http", "https") or not parts.host:
            raise Unusable(f"refused: {url[:200]!r} is neither http:// nor https://")
        if parts.auth is not None:
            raise Unusable("refused: the URL has a user name or password in it")
        host = parts.host.strip("[]").rstrip(".").lower()
        if host not in self._loopback_hosts:
            self._loopback_hosts[host] = self._check_host(host, parts.url)
        return self._loopback_hosts[host]

    def check_address(self, host: str, address: str) -> bool:
        """Raise Unusable unless `address`, which `host` points at, may be asked; return whether it is loopback."""
        found = _unwrapped(address)
        permitted = self.allow_private or (self.allow_loopback and found.is_loopback)
        if not permitted and (not found.is_global or found.is_multicast):
            kind = "on this machine" if found.is_loopback else "in a private network"
            raise Unusable(f"refused: {host} is {kind} ({found}); {ASK_FIRST}")
        return found.is_loopback

    def _check_host(self, host: str, url: str) -> bool:
        try:
            addresses = _resolve(host)
        except HostNotFound:
            if select_proxy(url, get_environ_proxies(url)):
                return False  # the proxy knows names that we need not know
            raise
        on_this_machine = [self.check_address(host, address) for address in addresses]
        return all(on_this_machine)


def _resolve(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise HostNotFound(f"host {host} not found ({getattr(error, 'strerror', None) or 'no valid name'})") from None
    return [address[0] for *_, address in found]


class HostNotFound(Unusable):
    """The name server does not know the host, or did not answer: it may later."""


def _unwrapped(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An IPv6 address that only wraps an IPv4 address leads where that leads."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv4Address):
        return found
    inner = found.ipv4_mapped or found.sixtofour
    if inner is None and any(found in network for network in WRAPPING) and int(found) > 1:
        inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
    return inner or found
