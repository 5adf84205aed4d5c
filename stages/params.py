"""Write params.yaml: the defaults of all parameters, overridden by a preset."""

import argparse
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
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
# `make use PRESET=…` writes this file: the defaults, with the values of presets/….yaml in their place.
"""

WIDTH = 118


def params_text(preset: Path | None = None) -> str:
    """Return the text of params.yaml: all defaults, overridden by the file `preset`.

    Raises InputError when the preset has an unknown section or key, or a value that is not allowed.
    """
    values = load_params(preset) if preset else {}
    if unknown := [name for name in values if name not in SECTIONS]:
        raise InputError(f"{preset}: no such section: {listing(unknown)}; the sections are {listing(SECTIONS, 20)}")
    parts = [HEADER]
    for name, cls in SECTIONS.items():
        checked = parse_section(values.get(name, {}), preset or PARAMS, name, cls)
        parts.append("\n".join([f"{name}:", *_lines(checked, "  ")]) + "\n")
    return "\n".join(parts)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset", type=Path, help="preset to apply, a file in presets/")
    arguments = parser.parse_args()
    text = params_text(arguments.preset)
    with written_whole(PARAMS) as temporary:
        temporary.write_text(text, encoding="utf-8")
    summary(f"params: wrote {PARAMS} with the values of {arguments.preset}; `dvc repro` runs the pipeline with them")


if __name__ == "__main__":
    run(main)
