"""HTTP connections only to addresses that the URL policy permits."""

import socket
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from fathomline.download.urls import UrlPolicy
from fathomline.errors import Unusable


class PolicyAdapter(HTTPAdapter):
    """Checks the address of each connection as it opens: a name may resolve differently than it did a moment ago.

    Connections to a proxy are not checked, because the user chose the proxy.
    """

    def __init__(self, policy: UrlPolicy, connections: int) -> None:
        self._policy = policy
        super().__init__(pool_maxsize=connections)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _checked_http(self._policy),
            "https": _checked_https(self._policy),
        }


def _checked_http(policy: UrlPolicy) -> type[HTTPConnectionPool]:
    class CheckedConnection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _checked(super()._new_conn(), self.host, policy)

    class CheckedPool(HTTPConnectionPool):
        ConnectionCls = CheckedConnection

    return CheckedPool


def _checked_https(policy: UrlPolicy) -> type[HTTPSConnectionPool]:
    class CheckedConnection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _checked(super()._new_conn(), self.host, policy)

    class CheckedPool(HTTPSConnectionPool):
        ConnectionCls = CheckedConnection

    return CheckedPool


def _checked(connection: socket.socket, host: str, policy: UrlPolicy) -> socket.socket:
    try:
        policy.check_address(host, connection.getpeername()[0])
    except Unusable:
        connection.close()
        raise
    return connection
