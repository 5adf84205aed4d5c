"""Read the file of an offline W&B run, for which W&B has no reader in Python.

The file is a log as LevelDB writes it: after 7 bytes of W&B, blocks of 32 KiB of parts, each with its checksum, length
and kind. A record is one part, or several from a first to a last one.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MARK, BLOCK, HEADER = 7, 32 * 1024, struct.Struct("<IHB")
WHOLE, LAST = 1, 4


@dataclass
class OfflineRun:
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    logged: set[str] = field(default_factory=set)
    """Names of the points, tables, pictures and histograms of all steps."""
    charts: dict[str, Any] = field(default_factory=dict)
    """The definition of each chart by its name."""
    artifacts: dict[str, str] = field(default_factory=dict)
    """Types by name."""
    complete: bool = False
    """Whether the run has ended and its file is written to the end."""


def read_offline_run(path: Path) -> OfflineRun:
    run = OfflineRun()
    for record in _records(path.read_bytes()):
        run.config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        for item in record.config.update:
            if list(item.nested_key[:2]) == ["_wandb", "visualize"]:
                run.charts[item.nested_key[2]] = json.loads(item.value_json)
        run.summary |= {item.key: json.loads(item.value_json) for item in record.summary.update if item.key}
        run.logged |= {item.key or item.nested_key[0] for item in record.history.item}
        if record.artifact.name:
            run.artifacts[record.artifact.name] = record.artifact.type
        run.complete |= record.WhichOneof("record_type") == "exit"
    return run


def _records(content: bytes) -> Iterator[Any]:
    from wandb.proto.wandb_internal_pb2 import Record

    place, parts = MARK, b""
    while place + HEADER.size <= len(content):
        if (rest := BLOCK - place % BLOCK) < HEADER.size:
            place += rest
            continue
        _, length, kind = HEADER.unpack_from(content, place)
        start = place + HEADER.size
        place = start + length
        parts += content[start:place]
        if kind in (WHOLE, LAST):
            yield Record.FromString(parts)
            parts = b""
