"""Which URLs may be fetched: http and https, without credentials, from hosts on the public internet."""

import ipaddress
import socket
from dataclasses import dataclass, field

from requests.utils import get_environ_proxies, select_proxy
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from fathomline.errors import Unusable

IPV4_IN_IPV6 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))
"""IPv6 networks whose last 32 bits are an IPv4 address: NAT64 (RFC 6052) and IPv4-compatible (RFC 4291)."""

REMEDY = "set `download.allow_private_hosts: true` to allow it"


@dataclass(frozen=True)
class UrlPolicy:
    """Decides by address rather than name, because any name may resolve to a private address."""

    allow_private: bool
    """Any address is permitted."""

    allow_loopback: bool
    """Addresses of this machine are permitted; other private ones are not."""

    remedy: str = REMEDY
    """What permits a refused address."""

    _permitted_hosts: dict[str, bool] = field(default_factory=dict)
    """Permitted hosts -> whether they are on this machine; each is resolved only once."""

    def check(self, url: str) -> bool:
        """Return whether the host of `url` is on this machine; Unusable if the URL may not be fetched."""
        try:
            parts = parse_url(url)
        except (LocationParseError, ValueError):
            raise Unusable(f"not a usable URL: {url[:200]!r}; expected http:// or https://") from None
        if parts.scheme not in ("http", "https") or not parts.host:
            raise Unusable(f"refused: {url[:200]!r} is neither http:// nor https://")
        if parts.auth is not None:
            raise Unusable("refused: the URL contains a user name or password")
        host = parts.host.strip("[]").rstrip(".").lower()
        if host not in self._permitted_hosts:
            self._permitted_hosts[host] = self._check_host(host, parts.url)
        return self._permitted_hosts[host]

    def check_address(self, host: str, address: str) -> bool:
        """Return whether `address`, to which `host` resolved, is loopback; Unusable if it may not be used."""
        ip = _embedded_ipv4(address)
        permitted = self.allow_private or (self.allow_loopback and ip.is_loopback)
        if not permitted and (not ip.is_global or ip.is_multicast):
            kind = "on this machine" if ip.is_loopback else "in a private network"
            raise Unusable(f"refused: {host} is {kind} ({ip}); {self.remedy}")
        return ip.is_loopback

    def _check_host(self, host: str, url: str) -> bool:
        try:
            addresses = _resolve(host)
        except HostNotFound:
            if select_proxy(url, get_environ_proxies(url)):
                return False  # the proxy resolves names that this machine cannot
            raise
        on_this_machine = [self.check_address(host, address) for address in addresses]
        return all(on_this_machine)


def _resolve(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise HostNotFound(f"host {host} not found ({getattr(error, 'strerror', None) or 'invalid name'})") from None
    return [str(address[0]) for *_, address in found]


class HostNotFound(Unusable):
    """The name server does not know the host, or did not respond. This may be temporary."""


def _embedded_ipv4(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that an IPv6 address embeds, if any; otherwise the address itself."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    embedded = ip.ipv4_mapped or ip.sixtofour
    if embedded is None and any(ip in network for network in IPV4_IN_IPV6) and int(ip) > 1:
        embedded = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return embedded or ip
