import socket

import pytest

from fathomline.download.urls import HostNotFound, UrlPolicy
from fathomline.errors import Unusable

PUBLIC = "93.184.215.14"


@pytest.fixture
def names(monkeypatch) -> dict[str, list[str]]:
    """A name server: host -> addresses. Addresses resolve to themselves."""
    table = {"public.example": [PUBLIC], "mixed.example": [PUBLIC, "10.0.0.1"], "inner.example": ["192.168.1.5"]}
    real = socket.getaddrinfo

    def resolve(host, port, **options):
        if host in table:
            return [(0, 0, 0, "", (address, 0)) for address in table[host]]
        if host.replace(".", "").isdigit() or ":" in host or host == "localhost" or host.startswith("0x"):
            return real(host, port, **options)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return table


@pytest.fixture
def strict(names) -> UrlPolicy:
    return UrlPolicy(allow_private=False, allow_loopback=False)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://public.example/a",
        "gopher://public.example",
        "httpx://public.example",
        "data:text/plain,x",
        "//public.example/a",
        "frames/1.png",
        "C:\\x",
        "",
        "http://",
        "http://[::1",
        "http://a\0b/",
    ],
)
def test_only_http_and_https_are_permitted(strict, url):
    with pytest.raises(Unusable, match=r"neither http:// nor https://|not a usable URL|not found"):
        strict.check(url)


@pytest.mark.parametrize("url", ["http://user@public.example/", "https://user:secret@public.example/a"])
def test_credentials_in_a_url_are_refused_and_not_printed(strict, url):
    with pytest.raises(Unusable, match="user name or password") as caught:
        strict.check(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fc00::1]",
        "[::ffff:127.0.0.1]",
        "[2002:7f00:1::]",
        "inner.example",
        "mixed.example",
        "public.example@127.0.0.1",
        "127.0.0.1.",
    ],
)
def test_addresses_that_are_not_public_are_refused_in_any_notation(strict, host):
    with pytest.raises(Unusable, match=r"allow_private_hosts: true|user name"):
        strict.check(f"http://{host}/frame.png")


@pytest.mark.parametrize(
    "url",
    [
        "http://public.example/a",
        "https://public.example:8443/a b?c#d",
        f"http://{PUBLIC}",
        f"http://[::ffff:{PUBLIC}]/",
    ],
)
def test_public_hosts_are_permitted(strict, url):
    assert strict.check(url) is False


def test_loopback_alone_can_be_permitted(names):
    policy = UrlPolicy(allow_private=False, allow_loopback=True)
    assert policy.check("http://127.0.0.1:8800/a") is True
    assert policy.check("http://localhost/a") is True
    with pytest.raises(Unusable, match="in a private network"):
        policy.check("http://inner.example/a")


def test_all_private_hosts_can_be_permitted(names):
    policy = UrlPolicy(allow_private=True, allow_loopback=False)
    assert policy.check("http://inner.example/a") is False
    assert policy.check("http://127.0.0.1/a") is True


def test_an_unknown_host_raises_host_not_found(strict):
    with pytest.raises(HostNotFound, match=r"host nowhere.example not found"):
        strict.check("http://nowhere.example/a")


def test_a_proxy_may_resolve_unknown_names_but_does_not_make_this_machine_permitted(strict, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    assert strict.check("http://nowhere.example/a") is False
    for host in ("localhost", "127.0.0.1"):
        with pytest.raises(Unusable, match="on this machine"):
            strict.check(f"http://{host}/a")


@pytest.mark.parametrize("address", ["64:ff9b::a00:1", "64:ff9b::7f00:1", "::7f00:1", "::a00:1", "::ffff:10.0.0.1"])
def test_a_private_ipv4_address_embedded_in_ipv6_is_refused(strict, address):
    with pytest.raises(Unusable, match=r"refused: host is (on this machine|in a private network)"):
        strict.check_address("host", address)


def test_a_public_ipv4_address_embedded_in_ipv6_is_permitted(strict):
    assert strict.check_address("host", "64:ff9b::5db8:d70e") is False
