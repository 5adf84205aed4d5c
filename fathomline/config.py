"""A section of a params file -> a frozen, checked dataclass."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar, dataclass_transform

import yaml
from pydantic import ConfigDict, ValidationError
from pydantic.dataclasses import dataclass

from fathomline.errors import InputError, listing

Section = TypeVar("Section")


@dataclass_transform(frozen_default=True)
def section(cls: type) -> type:
    """Make a class a section of params: a frozen dataclass that refuses unknown keys, wrong types and wrong ranges.

    No field has a default: what a run did is what its params file says, whole.
    """
    settings = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True)
    return dataclass(cls, frozen=True, config=settings)


class Yaml12Loader(yaml.SafeLoader):
    """PyYAML's safe loader, reading floats as YAML 1.2 does: `-S train.lr=1e-5` is written back as `1e-05`,
    which YAML 1.1 takes for a string."""


Yaml12Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def load_params(path: Path) -> dict[str, Any]:
    """Read a whole params file as a mapping; InputError says where it is not one."""
    try:
        params = yaml.load(path.read_text(encoding="utf-8"), Loader=Yaml12Loader)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; `make use PRESET=reef` writes one") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(params, dict):
        raise InputError(f"{path}: expected a mapping of sections, found {type(params).__name__}")
    return params


def load_section(path: Path, name: str, cls: type[Section]) -> Section:
    """Read the section `name` of the params file at `path` as a `cls`.

    Raises InputError with one line per fault, each naming section, key, value and what is allowed.
    """
    params = load_params(path)
    if name not in params:
        raise InputError(f"{path}: section `{name}` is missing; it has {listing(params)}")
    values = params[name]
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError(f"{path}: section `{name}` is {values!r}, expected keys with values, one a line")
    try:
        return cls(**values)
    except ValidationError as error:
        raise InputError("\n".join(_faults(path, name, cls, error))) from None


def _faults(path: Path, name: str, cls: type, error: ValidationError) -> Iterable[str]:
    """One line a key: a union reports once for each of its members, which reads as noise."""
    by_key: dict[str, list[dict]] = {}
    for fault in error.errors(include_url=False):
        by_key.setdefault(str(fault["loc"][0]) if fault["loc"] else "", []).append(fault)
    for key, faults in by_key.items():
        where = f"{path}: {name}.{key}" if key else f"{path}: {name}"
        kind = faults[0]["type"]
        if kind in ("unexpected_keyword_argument", "dataclass_extra_forbidden"):
            yield f"{where} is not a parameter; allowed in `{name}` are {', '.join(cls.__dataclass_fields__)}"
        elif kind == "value_error":
            yield f"{where}: {_expectation(faults[0])}"
        elif kind in ("missing", "missing_argument"):
            yield f"{where} is missing; presets/ has complete files to copy it from"
        else:
            expected = " or ".join(dict.fromkeys(_expectation(fault) for fault in faults))
            yield f"{where} is {faults[0]['input']!r}, expected {expected}"


def _expectation(fault: dict) -> str:
    # A union puts the types of its members into the location; the rest is a place in a list or a key of a mapping.
    places = [str(part) for part in fault["loc"][1:]]
    place = "".join(f"[{part}]" for part in places if not re.match(r"(constrained-)?(bool|str|int|float)$|\w+\[", part))
    text = re.sub(r"^(Input should be|Value error,) ", "", fault["msg"])
    return f"{text} at {place}" if place else text
