"""The command line: score a submission or show lineages."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fathomline.errors import InputError, listing
from fathomline.lineages import fgvc2025
from fathomline.lineages.spelling import nearest, spellings
from fathomline.progress import error, summary, warning
from fathomline.taxonomy.reference import read_reference
from fathomline.taxonomy.tree import UNKNOWN_DISTANCE, Taxonomy


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit status: 0, or 1 after a user error."""
    parsed = _parser().parse_args(arguments)
    try:
        parsed.run(parsed)
    except InputError as fault:
        error(str(fault))
        return 1
    except BrokenPipeError:
        # The reader of the output has stopped reading, as in `… | head`.
        sys.stderr.close()
        return 1
    except OSError as fault:
        error(f"{fault.filename or 'a file'}: {fault.strerror or fault}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fathomline", description="Hierarchical classification of marine animals.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    taxonomy = argparse.ArgumentParser(add_help=False)
    taxonomy.add_argument(
        "--taxonomy",
        type=Path,
        metavar="FILE",
        help="a taxonomy_reference.json; default: the 79 concepts of FathomNet 2025 with its organisers' lineages",
    )
    scoring = commands.add_parser(
        "score",
        parents=[taxonomy],
        help="mean hierarchical distance of a submission",
        description="Print the mean hierarchical distance (MHD) of SUBMISSION by the rules of FathomNet 2025: an "
        "unknown or empty name costs 12. Both files need the columns annotation_id and concept_name.",
    )
    scoring.add_argument("submission", type=Path, metavar="SUBMISSION", help="CSV of answers")
    scoring.add_argument("truth", type=Path, metavar="TRUTH", help="CSV of the true names of the same annotations")
    scoring.add_argument("--details", type=Path, metavar="FILE", help="CSV to write, one row per annotation")
    scoring.set_defaults(run=_score)
    showing = commands.add_parser(
        "lineage",
        parents=[taxonomy],
        help="the lineage of a name, rank by rank",
        description="Print the lineage of each NAME from kingdom down, rank by rank.",
    )
    showing.add_argument(
        "names", nargs="+", metavar="NAME", help="a concept or any taxon above one; quote names with spaces"
    )
    showing.set_defaults(run=_show_lineages)
    return parser


def _taxonomy(path: Path | None) -> Taxonomy:
    return Taxonomy(fgvc2025.lineages()) if path is None else read_reference(path)


def _score(parsed: argparse.Namespace) -> None:
    # Importing pandas takes half a second, which `lineage` and `--help` do not need.
    from fathomline.files import write_csv
    from fathomline.score import read_answers, score, unknown_answers

    taxonomy = _taxonomy(parsed.taxonomy)
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


def _show_lineages(parsed: argparse.Namespace) -> None:
    taxonomy = _taxonomy(parsed.taxonomy)
    names = list(dict.fromkeys(parsed.names))
    nodes = {name: node for name in names if (node := _find(name, taxonomy)) is not None}
    unknown = [name for name in names if name not in nodes]
    if unknown:
        known = [*taxonomy.concepts, *(node.name for node in taxonomy.nodes)]
        hints = [f"{name!r} (nearest: {', '.join(nearest(name, known)) or 'none'})" for name in unknown]
        raise InputError(f"{len(unknown)} name(s) are not in the taxonomy: {listing(hints)}")
    for name, node in nodes.items():
        summary(_format_lineage(name, node, taxonomy))


def _find(name: str, taxonomy: Taxonomy) -> int | None:
    """The node of `name` in any of its spellings; None if the taxonomy has none of them."""
    return next((taxonomy.node(spelling) for spelling in (name, *spellings(name)) if taxonomy.holds(spelling)), None)


def _format_lineage(name: str, node: int, taxonomy: Taxonomy) -> str:
    """The name, then its lineage, one rank per line; a taxon between the seven ranks comes last with its own rank."""
    path = [taxonomy.nodes[ancestor] for ancestor in taxonomy.paths[node] if ancestor >= 0]
    own_ranks = {lineage.path[-1]: lineage.rank for lineage in taxonomy.lineages}
    ranks = [str(step.rank or own_ranks[step]) for step in path]
    title = path[-1].name if name == path[-1].name else f"{name}: {path[-1].name}"
    lines = [f"  {rank:<11} {step.name}" for rank, step in zip(ranks, path, strict=True)]
    return "\n".join([title, *lines])
