"""Headers of every response, and which pages may send requests to the server."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Guard:
    """Adds HEADERS, and refuses requests that other sites make a visitor's browser send.

    On a loopback address, it also refuses names of the server other than those that are expected: a site could let its
    own name point to this machine to read the answers.
    """

    def __init__(self, app: ASGIApp, names: Sequence[str] | None) -> None:
        """Args: names, the host names that clients may use; None for any."""
        self.app = app
        self.names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        fault = self._fault(Headers(scope=scope))
        refused = None if fault is None else JSONResponse({"detail": fault}, 403)
        await (refused or self.app)(scope, receive, with_headers)

    def _fault(self, headers: Headers) -> str | None:
        host = headers.get("host", "")
        try:
            name = urlsplit(f"//{host}").hostname
            origin = urlsplit(headers.get("origin", f"http://{host}")).netloc
        except ValueError:
            return "The request has a malformed Host or Origin."
        if self.names is not None and name not in self.names:
            return "This server does not accept this host name; open it as localhost, or start it with --allow-name."
        if origin != host or headers.get("sec-fetch-site", "none") == "cross-site":
            return "The request comes from a page of another site; use the server's own page or a program."
        return None
