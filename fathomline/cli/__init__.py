"""The command line: `fathomline COMMAND …`. Each module beside this one is a command."""

import argparse
import sys
from collections.abc import Sequence

from fathomline.cli import export, lineage, predict, score, serve
from fathomline.errors import InputError
from fathomline.progress import error
from fathomline.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit status: 0, 1 after a user error, or what the command's help says."""
    parsed = _parser().parse_args(arguments)
    try:
        status: int = parsed.run(parsed)
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
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fathomline", description="Hierarchical classification of marine animals.")
    parser.add_argument("--version", action="version", version=f"fathomline {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (predict, serve, export, lineage, score):
        command.add_parser(commands)
    return parser
