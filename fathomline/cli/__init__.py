"""The command line: `fathomline COMMAND …`. Each module beside this one is a command."""

import argparse
import io
import sys
from collections.abc import Sequence
from typing import NoReturn

from fathomline.cli import export, lineage, lineages, predict, score, serve
from fathomline.errors import InputError
from fathomline.progress import error
from fathomline.version import __version__

INTERRUPTED = 130
"""Exit status after Ctrl+C, as in shells."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Returns the exit status: 0, 1 after a user error, 130 after Ctrl+C, or what the
    command's help says."""
    _escape_what_the_terminal_lacks()
    parsed = _parser().parse_args(arguments)
    try:
        status: int = parsed.run(parsed)
    except InputError as fault:
        error(str(fault))
        return 1
    except KeyboardInterrupt:
        error("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of the output has stopped reading, as in `… | head`.
        sys.stderr.close()
        return 1
    except OSError as fault:
        error(f"{fault.filename or 'a file'}: {fault.strerror or fault}")
        return 1
    return status


def _escape_what_the_terminal_lacks() -> None:
    """Let names be printed that the encoding of standard output cannot express."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with the status of every other user error: argparse's own, 2, means that `predict` answered nothing."""
        self.exit(1, f"error: {message}; see `{self.prog} --help`\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="fathomline", description="Hierarchical classification of marine animals.")
    parser.add_argument("--version", action="version", version=f"fathomline {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (predict, serve, export, lineage, lineages, score):
        command.add_parser(commands)
    return parser
