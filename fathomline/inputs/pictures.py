"""Open the pictures of the input."""

import os
import stat
from os import PathLike
from threading import Lock
from typing import TYPE_CHECKING

from fathomline.dataset.image_file import Frame, decode_image
from fathomline.errors import Unusable
from fathomline.inputs.named_pictures import URL
from fathomline.inputs.requests import FrameRequest

if TYPE_CHECKING:
    from fathomline.download.transfer import Fetcher

MAX_FETCHED_BYTES = 100 * 10**6
"""Largest picture that is fetched from a URL."""

MAX_FILE_BYTES = 10**9
"""Largest file that is read: more than any picture of MAX_PIXELS needs, but no reason to run out of memory."""

REMEDY = "add --allow-private-hosts to allow it"


class PictureOpener:
    """Reads and decodes the pictures of requests, from files and from http and https URLs. Threads may share it."""

    def __init__(
        self, allow_private_hosts: bool = False, *, timeout: float = 30.0, retries: int = 5, connections: int = 8
    ) -> None:
        """Args:
        allow_private_hosts: also fetch from this machine and from private networks.
        timeout: seconds to wait for a server to connect or to send more bytes.
        retries: how often to repeat a request after a transient error.
        connections: maximum simultaneous connections.
        """
        self._allow_private_hosts = allow_private_hosts
        self._timeout, self._retries, self._connections = timeout, retries, connections
        self._lock = Lock()
        self._fetcher: Fetcher | None = None

    def open(self, request: FrameRequest) -> Frame:
        """Read and decode a picture; raises Unusable if it cannot."""
        if URL.match(request.location):
            return decode_image(self._shared_fetcher().fetch(request.location, MAX_FETCHED_BYTES)[0])
        return decode_image(read_picture(request.location))

    def _shared_fetcher(self) -> "Fetcher":
        with self._lock:
            if self._fetcher is None:
                from fathomline.download.transfer import Fetcher  # most inputs have no URLs
                from fathomline.download.urls import UrlPolicy

                policy = UrlPolicy(self._allow_private_hosts, self._allow_private_hosts, REMEDY)
                self._fetcher = Fetcher(
                    policy, timeout=self._timeout, retries=self._retries, connections=self._connections
                )
                self._fetcher.size_remedy = ""
            return self._fetcher


def read_picture(path: str | PathLike[str]) -> bytes:
    """Read a picture's file; raises Unusable if it cannot be read, is no regular file, or is too large."""
    if not os.fspath(path):
        raise Unusable("no picture")
    try:
        # A pipe is not even opened, which would wait for its writer.
        if not stat.S_ISREG((found := os.stat(path)).st_mode):
            raise Unusable(f"cannot be read: {'a folder' if stat.S_ISDIR(found.st_mode) else 'not a regular file'}")
        if found.st_size > MAX_FILE_BYTES:
            raise Unusable(f"larger than {MAX_FILE_BYTES / 1e6:g} MB")
        with open(path, "rb") as stream:
            return stream.read()
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL character
        raise Unusable(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
