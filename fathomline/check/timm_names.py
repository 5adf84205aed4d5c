"""The names that timm knows, read from its source files: importing it takes seconds."""

import difflib
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from fathomline.errors import InputError

_MODEL = re.compile(rb"^@register_model\b.*\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)
_OPTIMIZER = re.compile(r"'([a-z][a-z0-9]*)'")
"""Any word in quotes: timm's descriptions of optimizers have several forms."""
_LOOKAHEAD = "lookahead_"
"""timm takes this before the name of any optimizer."""


def refuse_unknown_backbone(backbone: str) -> None:
    """Raise InputError for a name that is not a timm model, or whose tag of weights occurs nowhere in timm.

    A tag of another model passes: only timm itself can tell.
    """
    sources = _model_sources()
    names = {name.decode() for source in sources for name in _MODEL.findall(source)}
    name, _, tag = backbone.partition(".")
    if names and name not in names:
        # A family, such as `dinov2`, is far from each name that contains it.
        close = (
            difflib.get_close_matches(name, sorted(names), n=5) or sorted(each for each in names if name in each)[:5]
        )
        hint = f", for example {', '.join(close)}" if close else ", as timm.list_models() lists them"
        raise InputError(f"train.backbone is {backbone!r}; expected a timm model{hint}")
    quoted = re.compile(rb"""['".]%b\*?['"]""" % re.escape(tag.encode()))
    if names and tag and not any(quoted.search(source) for source in sources):
        raise InputError(
            f"train.backbone is {backbone!r}, but timm has no weights {tag!r}; leave out what follows the dot for "
            f"timm's default weights of {name}"
        )


def refuse_unknown_optimizer(optimizer: str) -> None:
    """Raise InputError for a name that is not an optimizer of timm. Some need a package that may be missing."""
    names = {name for source in _sources("optim/_optim_factory.py") for name in _OPTIMIZER.findall(source.decode())}
    if names and optimizer.lower().removeprefix(_LOOKAHEAD) not in names:
        close = difflib.get_close_matches(optimizer.lower(), sorted(names), n=5) or ["adamw"]
        raise InputError(f"train.optimizer.name is {optimizer!r}; expected one of timm, for example {', '.join(close)}")


@cache
def _model_sources() -> tuple[bytes, ...]:
    return tuple(_sources("models/**/*.py"))


def _sources(pattern: str) -> Iterator[bytes]:
    """The content of timm's files; none if timm is not installed, in which case nothing is checked."""
    spec = find_spec("timm")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield from (path.read_bytes() for path in sorted(Path(folder).glob(pattern)))
