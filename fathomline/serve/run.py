"""Run the server."""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from fathomline.errors import InputError
from fathomline.serve.guard import LOOPBACK
from fathomline.serve.limits import Limits

SPARE_SECONDS = 5.0
"""After the limit in which a request must arrive, so that a refusal reaches the client before its connection ends."""

GRACE_SECONDS = 10
"""How long running requests may take after the server was told to stop."""


def serve(app: FastAPI, limits: Limits, host: str, port: int, started: Callable[[str], None]) -> None:
    """Serve until a signal ends the process.

    Args:
        port: 0 for any free one.
        started: receives the address of the page once it can be opened.
    Raises InputError if it cannot listen on the port.
    """
    with listener(host, port) as listening:
        started(address(host, listening))
        with suppress(KeyboardInterrupt):  # Ctrl+C, which uvicorn passes on after its own end
            server(app, limits).run([listening])


def server(app: FastAPI, limits: Limits) -> uvicorn.Server:
    """A server that is ready to run on a socket."""
    config = uvicorn.Config(
        app,
        http=_impatient(limits),
        loop="asyncio",
        ws="none",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return uvicorn.Server(config)


def listener(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises InputError if that is not possible."""
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(place[:2], family=family, backlog=128)
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None)
        reason = os.strerror(number) if number and number > 0 else error
        raise InputError(
            f"serve: cannot listen on {host} port {port}: {reason}; choose another --port or --host"
        ) from None


def address(host: str, listening: socket.socket) -> str:
    """The address of the page."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listening.getsockname()[1]}/"


def is_local(host: str) -> bool:
    """Whether only this machine can reach a server on `host`."""
    return host in LOOPBACK


def _impatient(limits: Limits) -> type[H11Protocol]:
    """A protocol with deadlines: uvicorn waits forever for slow request headers, and for clients that do not read."""

    class Impatient(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None

        def _expect(self, seconds: float, end: Callable[[], None]) -> None:
            self._unexpect()
            self._deadline = self.loop.call_later(seconds, end)

        def _unexpect(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in H11Protocol
            super().connection_made(transport)
            # asyncio does this only for sockets that name their protocol; without it, each response waits 40 ms for an
            # acknowledgement of its head.
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._expect(limits.receive_seconds + SPARE_SECONDS, transport.abort)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is not h11.SEND_BODY and self.conn.their_state is not h11.IDLE:
                self._unexpect()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if not self.transport.is_closing():
                self._expect(limits.receive_seconds + SPARE_SECONDS, self.transport.abort)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._expect(limits.send_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._unexpect()

        def connection_lost(self, exc: Exception | None) -> None:
            self._unexpect()
            super().connection_lost(exc)

    return Impatient
