"""The `machine` section of params: settings that suit this machine and its network and change no output."""

import os
from typing import Annotated

from annotated_types import Gt, Interval

from fathomline.config import section


@section
class MachineConfig:
    workers: Annotated[int, Interval(ge=0, le=1024)] = 0
    """Processes that decode and cut frames; 0: one per core."""

    connections: Annotated[int, Interval(ge=1, le=64)] = 8
    """Maximum simultaneous connections to a server; keep it low to be polite."""

    timeout: Annotated[float, Gt(0)] = 30.0
    """Seconds to wait for a server to connect or to send more bytes before the request counts as failed."""

    retries: Annotated[int, Interval(ge=0, le=20)] = 5
    """How often to repeat a request after a transient error: a broken connection, or status 408, 429 or 5xx."""


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
