"""Connections that are made only to addresses the policy permits."""

import socket

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from fathomline.download.urls import UrlPolicy
from fathomline.errors import Unusable


class GuardedAdapter(HTTPAdapter):
    """Checks the address that a connection really has: a name may resolve otherwise than a moment ago.

    Connections to a proxy are not among them; the proxy is the user's choice.
    """

    def __init__(self, policy: UrlPolicy, connections: int) -> None:
        self._policy = policy
        super().__init__(pool_maxsize=connections)

    def init_poolmanager(self, *arguments, **options) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _guarded(HTTPConnectionPool, HTTPConnection, self._policy),
            "https": _guarded(HTTPSConnectionPool, HTTPSConnection, self._policy),
        }


def _guarded(pool: type, connection: type, policy: UrlPolicy) -> type:
    class GuardedConnection(connection):
        def _new_conn(self) -> socket.socket:
            opened = super()._new_conn()
            try:
                policy.check_address(self.host, opened.getpeername()[0])
            except Unusable:
                opened.close()
                raise
            return opened

    class GuardedPool(pool):
        ConnectionCls = GuardedConnection

    return GuardedPool
