"""Write params.yaml: the defaults of all parameters, overridden by a preset. Without a preset, list the presets."""

import argparse
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml

from fathomline.bundle.bundle import BundleConfig
from fathomline.config import load_params, parse_section, read_yaml, subsection
from fathomline.crop.crop import CropConfig
from fathomline.decide.evaluate import EvaluateConfig
from fathomline.decide.submit import SubmitConfig
from fathomline.download.download import DownloadConfig
from fathomline.errors import InputError, listing
from fathomline.files import written_whole
from fathomline.lineages.resolve import TaxonomyConfig
from fathomline.machine import MachineConfig
from fathomline.predict.logits import PredictConfig
from fathomline.progress import summary
from fathomline.split import SplitConfig
from fathomline.tracking import TrackingConfig
from fathomline.train.config import TrainConfig
from stages import PARAMS, run
from stages.committed import committed_content, unix
from stages.source import SourceConfig

SECTIONS: dict[str, type[Any]] = {
    "source": SourceConfig,
    "download": DownloadConfig,
    "crop": CropConfig,
    "taxonomy": TaxonomyConfig,
    "split": SplitConfig,
    "train": TrainConfig,
    "predict": PredictConfig,
    "evaluate": EvaluateConfig,
    "submit": SubmitConfig,
    "bundle": BundleConfig,
    "tracking": TrackingConfig,
    "machine": MachineConfig,
}
"""The sections of params.yaml, in order."""

HEADER = """\
# Every parameter of the pipeline. Those of `tracking` and `machine` change no output. docs/parameters.md says more.
# `make use PRESET=…` writes this file: the defaults, with the values of presets/….yaml in their place. `make params`
# restores these comments: `dvc exp run -S …` reformats the file and may drop some.
"""

PRESETS = Path("presets")

WIDTH = 118

_COMMENT = re.compile(r"(?:^|\s)(#.*\S)\s*$")


def params_text(preset: Path | None = None) -> str:
    """Return the text of params.yaml: all defaults, overridden by the file `preset`.

    Raises InputError when the preset has an unknown section or key, or a value that is not allowed.
    """
    parts = [HEADER]
    for name, checked in _sections(preset).items():
        parts.append("\n".join([f"{name}:", *_lines(checked, "  ")]) + "\n")
    return "\n".join(parts)


def _sections(preset: Path | None) -> dict[str, Any]:
    """The checked sections by name: the defaults, overridden by the file `preset`. Raises as `params_text` does."""
    values = load_params(preset) if preset else {}
    if unknown := [name for name in values if name not in SECTIONS]:
        raise InputError(f"{preset}: no such section: {listing(unknown)}; the sections are {listing(SECTIONS, 20)}")
    return {name: parse_section(values.get(name, {}), preset or PARAMS, name, cls) for name, cls in SECTIONS.items()}


def _lines(section: Any, indent: str) -> Iterator[str]:
    for field in fields(section):
        value, below = getattr(section, field.name), subsection(type(section), field.name)
        for line in textwrap.wrap(_comment(type(section), field), WIDTH - len(indent)):
            yield f"{indent}# {line}"
        if below:
            yield f"{indent}{field.name}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, Mapping) and value:
            yield f"{indent}{field.name}:"
            yield from (f"{indent}  {_scalar(key)}: {_scalar(entry)}" for key, entry in value.items())
        else:
            yield f"{indent}{field.name}: {_scalar(value)}"


def _comment(cls: type, field: Field[Any]) -> str:
    """The first sentence of a field's documentation, with its choices unless the sentence names them all."""
    first = documentation(cls, field.name).split(". ")[0].rstrip(".")
    choices = get_args(field.type) if get_origin(field.type) is Literal else ()
    named = all(re.search(rf"(?<![\w-]){re.escape(choice)}(?![\w-])", first) for choice in choices)
    return first if named else f"{first} ({' | '.join(choices)})"


def documentation(cls: type[Any], key: str) -> str:
    """Return the documentation of the field `key` of a section, on one line."""
    return " ".join(cls.__pydantic_fields__[key].description.split())


def _scalar(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    text = text.removesuffix("...\n").strip()
    # PyYAML writes for readers of YAML 1.1: text such as 1e5 would come back as a number.
    return text if read_yaml(text) == value else json.dumps(value, ensure_ascii=False)


def presets_text() -> str:
    """Return a table of the presets, each with the first line of its comment. Raises InputError if there is none."""
    presets = _presets()
    width = max(len(path.stem) for path in presets)
    described = (f"  {path.stem:<{width}}  {_first_comment(path)}".rstrip() for path in presets)
    return "\n".join(["`make use PRESET=…` writes params.yaml from the defaults and one of these presets:", *described])


def _presets() -> list[Path]:
    presets = sorted(PRESETS.glob("*.yaml"), key=lambda path: path.stem)
    if not presets:
        raise InputError(f"{PRESETS}/: no presets here; run this in the folder of the repository")
    return presets


def _first_comment(path: Path) -> str:
    first = path.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def use(preset: Path) -> str:
    """Write params.yaml from `preset`, and return what was done.

    Raises InputError as `params_text` does, when there is no such file, and when params.yaml has values that are
    neither in the last commit nor those of the defaults or of a preset: nothing could bring them back.
    """
    if not preset.exists():
        raise InputError(f"{preset}: no such file; the presets are {listing(path.stem for path in _presets())}")
    text = params_text(preset)
    _refuse_to_lose_values()
    _write(text)
    return f"params: wrote {PARAMS} with the values of {preset}; `dvc repro` runs the pipeline with them"


def _refuse_to_lose_values() -> None:
    if not PARAMS.exists():
        return
    committed = committed_content(PARAMS)
    if unix(PARAMS.read_bytes()) == committed or _is_as_written():
        return
    keep, discard = f"move the file aside (`mv {PARAMS} mine.yaml`)", f"delete it (`rm {PARAMS}`)"
    found = "has values that no preset has, and is in no git commit"
    if committed is not None:
        found = f"has changes that are not committed (`git diff HEAD {PARAMS}` shows them)"
        keep, discard = f"commit (`git commit {PARAMS}`) or {keep}", f"run `git checkout HEAD {PARAMS}`"
    raise InputError(
        f"{PARAMS}: {found}, so it is not replaced. To keep them, {keep}; to discard them, {discard}. Then run this "
        "again"
    )


def _is_as_written() -> bool:
    """Whether params.yaml has the values of the defaults or of a preset, as `use` wrote them."""
    try:
        values = _sections(PARAMS)
    except InputError:
        return False  # a mistake, which someone made by hand
    return any(values == written for written in _written())


def _written() -> Iterator[dict[str, Any]]:
    """The sections that `use` writes for each preset, and the defaults."""
    yield _sections(None)
    for preset in PRESETS.glob("*.yaml"):
        # A preset with a mistake cannot have been written.
        with suppress(InputError):
            yield _sections(preset)


def restore() -> str:
    """Write params.yaml again with its present values and all comments, and return what was done.

    DVC compares parameters by value, so nothing runs again. Raises InputError as `params_text` does, and when comments
    would be lost that are neither generated nor in the last commit.
    """
    text = params_text(PARAMS)
    before = PARAMS.read_text(encoding="utf-8")
    kept = {*_comments(text), *_comments((committed_content(PARAMS) or b"").decode(errors="replace"))}
    lost = [f"line {number} ({comment})" for comment, number in _comments(before).items() if comment not in kept]
    if lost:
        raise InputError(
            f"{PARAMS}: {len(lost)} comment(s) of your own would be lost: {listing(lost)}; commit the file first, or "
            "delete them"
        )
    added = sorted(_keys(read_yaml(text)) - _keys(read_yaml(before)))
    _write(text)
    note = f"; added with their defaults: {listing(added)}" if added else ""
    return f"params: wrote {PARAMS} again with its values and all comments{note}"


def _comments(text: str) -> dict[str, int]:
    """The comments of a YAML text, each with the number of its last line."""
    found = ((_COMMENT.search(line), number) for number, line in enumerate(text.splitlines(), start=1))
    return {match[1]: number for match, number in found if match}


def _keys(values: Mapping[str, Any], above: str = "") -> set[str]:
    """The dotted keys of nested values."""
    keys: set[str] = set()
    for key, value in values.items():
        keys |= {f"{above}{key}"} | (_keys(value, f"{above}{key}.") if isinstance(value, Mapping) else set())
    return keys


def _write(text: str) -> None:
    with written_whole(PARAMS) as temporary:
        temporary.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("preset", type=Path, nargs="?", help="preset to apply, a file in presets/")
    choice.add_argument("--restore", action="store_true", help="restore the comments of params.yaml, with its values")
    arguments = parser.parse_args()
    if arguments.restore:
        summary(restore())
    else:
        summary(use(arguments.preset) if arguments.preset else presets_text())


if __name__ == "__main__":
    run(main)
