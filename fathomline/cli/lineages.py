"""`fathomline lineages`: a table of lineages for the user to complete."""

import argparse
import sys
from pathlib import Path
from typing import Any, NoReturn

from fathomline.errors import InputError, listing
from fathomline.extras import require_packages
from fathomline.progress import warning

NEEDED = ("fathomnet",)

RETRIES = 3
"""Fewer than the taxonomy stage: without WoRMS, the table only has more left to fill in."""


def add_parser(commands: Any) -> None:
    """Args: commands, what `add_subparsers` returned."""
    parser = commands.add_parser(
        "lineages",
        help="write a table of lineages to complete, for taxonomy.lineages",
        description="Write a CSV with the lineage of every concept in SOURCE to standard output, as far as it is known "
        "from your own CSV, the bundled FathomNet 2025 or WoRMS. Fill in the rows of the other concepts, and set "
        "taxonomy.lineages to the file. Example: fathomline lineages train.json > lineages.csv",
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="what source.train is: a COCO JSON, a CSV of ROIs, or a folder with a folder of pictures per concept",
    )
    parser.add_argument(
        "--lineages", type=Path, metavar="CSV", help="lineages of your own, which take precedence; not the file written"
    )
    parser.add_argument("--offline", action="store_true", help="do not ask WoRMS")
    parser.set_defaults(run=_write_lineages)


def _write_lineages(parsed: argparse.Namespace) -> int:
    require_packages(NEEDED, "lineages", "pipeline")
    from fathomline.lineages.fill_table import fill
    from fathomline.lineages.lineage_table import lineage_table_text
    from fathomline.machine import MachineConfig

    machine = MachineConfig(retries=RETRIES)
    filled = fill(_concepts(parsed.source), parsed.lineages, offline=parsed.offline, machine=machine)
    text = lineage_table_text(filled.lineages)
    # Excel needs the mark to read UTF-8; other programs do better without it.
    sys.stdout.buffer.write(text.encode("utf-8" if text.isascii() else "utf-8-sig"))
    sys.stdout.buffer.flush()
    for note in filled.notes:
        warning(note)
    if filled.suggestions:
        hints = [
            f"{name!r} (nearest: {', '.join(similar)})" if similar else repr(name)
            for name, similar in filled.suggestions.items()
        ]
        warning(
            f"{len(hints)} of {len(filled.lineages)} concepts are unknown, and their rows are left to fill in: "
            f"{listing(hints, 50)}"
        )
    return 0


def _concepts(source: str) -> list[str]:
    from fathomline.sources.read_source import SourceKind, SourceRequest, read_concepts

    path = Path(source)
    kind: SourceKind = "table"
    if path.is_dir():
        # Roboflow puts the JSON beside the frames.
        kind = "coco" if any(not each.name.startswith(".") for each in path.glob("*.json")) else "folder"
    elif path.suffix.lower() == ".json":
        kind = "coco"
    return read_concepts(SourceRequest(kind, source), fetch=_refuse_url)


def _refuse_url(url: str) -> NoReturn:
    raise InputError(f"{url}: expected a local file; download it, and give its path")
