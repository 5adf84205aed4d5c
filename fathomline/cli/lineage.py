"""`fathomline lineage`: the path of a name, rank by rank."""

import argparse
from pathlib import Path
from typing import Any

from fathomline.cli.taxonomy_option import chosen_taxonomy, taxonomy_option
from fathomline.errors import InputError, listing
from fathomline.lineages.spelling import nearest, spellings
from fathomline.progress import summary
from fathomline.taxonomy.tree import Taxonomy


def add_parser(commands: Any) -> None:
    """Args: commands, what `add_subparsers` returned."""
    parser = commands.add_parser(
        "lineage",
        parents=[taxonomy_option()],
        help="show the lineage of a name, rank by rank",
        description="Print the lineage of each NAME from kingdom down, rank by rank, with its AphiaID where the "
        "taxonomy has it. Exit status: 0, or 1 if a NAME is not in the taxonomy; the others are printed all the same.",
    )
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="a concept or any taxon above one; quote names with spaces"
    )
    parser.set_defaults(run=_show_lineages)


def _show_lineages(parsed: argparse.Namespace) -> int:
    taxonomy = chosen_taxonomy(parsed.taxonomy)
    names = list(dict.fromkeys(parsed.names))
    nodes = {name: node for name in names if (node := _find(name, taxonomy)) is not None}
    for name, node in nodes.items():
        summary(_format_lineage(name, node, taxonomy))
    unknown = [name for name in names if name not in nodes]
    if unknown:
        known = [*taxonomy.concepts, *(node.name for node in taxonomy.nodes)]
        hints = [f"{name!r} (nearest: {', '.join(nearest(name, known)) or 'none'})" for name in unknown]
        where = "the taxonomy of FathomNet 2025" if parsed.taxonomy is None else parsed.taxonomy
        raise InputError(f"{len(unknown)} name(s) are not in {where}: {listing(hints)}{_remedy(parsed.taxonomy)}")
    return 0


def _remedy(taxonomy: Path | None) -> str:
    if taxonomy is not None:
        return ""
    return "; for names of your own, add --taxonomy cache/taxonomy_reference.json, which the taxonomy stage writes"


def _find(name: str, taxonomy: Taxonomy) -> int | None:
    """The node of `name` in any of its spellings; None if the taxonomy has none of them."""
    return next((taxonomy.node(spelling) for spelling in (name, *spellings(name)) if taxonomy.holds(spelling)), None)


def _format_lineage(name: str, node: int, taxonomy: Taxonomy) -> str:
    """The name, then its lineage, one rank per line; a taxon between the seven ranks comes last with its own rank."""
    path = [ancestor for ancestor in taxonomy.paths[node].tolist() if ancestor >= 0]
    lines = []
    for ancestor in path:
        aphia_id = taxonomy.aphia_ids[ancestor]
        known = "" if aphia_id is None else f" (AphiaID {aphia_id})"
        lines.append(f"  {taxonomy.rank_names[ancestor]:<11} {taxonomy.nodes[ancestor].name}{known}")
    accepted = taxonomy.nodes[node].name
    return "\n".join([accepted if name == accepted else f"{name}: {accepted}", *lines])
