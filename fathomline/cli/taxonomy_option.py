"""The option `--taxonomy`, which several commands have."""

import argparse
from pathlib import Path

from fathomline.lineages import fgvc2025
from fathomline.taxonomy.reference import read_reference
from fathomline.taxonomy.tree import Taxonomy


def taxonomy_option() -> argparse.ArgumentParser:
    """A parent parser with the option."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "--taxonomy",
        type=Path,
        metavar="FILE",
        help="a taxonomy_reference.json; default: the 79 concepts of FathomNet 2025 with its organisers' lineages",
    )
    return parser


def chosen_taxonomy(path: Path | None) -> Taxonomy:
    """The taxonomy in the file at `path`; for None, that of FathomNet 2025."""
    return Taxonomy(fgvc2025.lineages()) if path is None else read_reference(path)
