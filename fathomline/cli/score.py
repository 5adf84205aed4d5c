"""`fathomline score`: the mean hierarchical distance of a submission."""

import argparse
from pathlib import Path
from typing import Any

from fathomline.cli.taxonomy_option import chosen_taxonomy, taxonomy_option
from fathomline.errors import listing
from fathomline.progress import summary, warning
from fathomline.taxonomy.tree import UNKNOWN_DISTANCE


def add_parser(commands: Any) -> None:
    """Args: commands, what `add_subparsers` returned."""
    parser = commands.add_parser(
        "score",
        parents=[taxonomy_option()],
        help="compute the mean hierarchical distance of a submission",
        description="Print the mean hierarchical distance (MHD) of SUBMISSION by the rules of FathomNet 2025: an "
        "unknown or empty name costs 12. Both files need the columns annotation_id, a number or any text, and "
        "concept_name.",
    )
    parser.add_argument("submission", type=Path, metavar="SUBMISSION", help="CSV of answers")
    parser.add_argument("truth", type=Path, metavar="TRUTH", help="CSV of the true names of the same annotations")
    parser.add_argument("--details", type=Path, metavar="FILE", help="CSV to write, one row per annotation")
    parser.set_defaults(run=_score)


def _score(parsed: argparse.Namespace) -> int:
    # Importing pandas takes half a second, which `lineage` and `--help` do not need.
    from fathomline.files import write_csv
    from fathomline.score import read_answers, score, unknown_answers

    taxonomy = chosen_taxonomy(parsed.taxonomy)
    rows = score(read_answers(parsed.submission), read_answers(parsed.truth), taxonomy)
    unknown = unknown_answers(rows, taxonomy)
    if unknown:
        names = listing(f"{name!r} ({count})" for name, count in unknown.items())
        warning(
            f"{sum(unknown.values())} answer(s) are not among the {len(taxonomy.concepts)} concepts of the taxonomy "
            f"and cost {UNKNOWN_DISTANCE} each: {names}"
        )
    if parsed.details:
        write_csv(rows, parsed.details)
    summary(f"{rows['distance'].mean():.6f}")
    return 0
