"""A section of a params file -> a frozen, checked dataclass.

A parameter is declared once: type, range, default and documentation are those of its field.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, dataclass_transform

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails

from fathomline.errors import InputError, listing

Section = TypeVar("Section")


@dataclass_transform(frozen_default=True)
def section(cls: type[Any]) -> type[Any]:
    """Make a class a section of params: a frozen dataclass that refuses unknown keys, wrong types and wrong ranges.

    A field may itself be a section. The docstring below a field documents it; the first sentence must be a short
    summary, as it becomes the comment in params.yaml.
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
    """Read the section `name` of the params file at `path` as a `cls`; a key that is not there has its default.

    Raises InputError with one line per fault, each naming section, key, value and what is allowed.
    """
    params = load_params(path)
    if name not in params:
        raise InputError(f"{path}: section `{name}` is missing; it has {listing(params)}")
    return parse_section(params[name], path, name, cls)


def parse_section(values: object, path: Path, name: str, cls: type[Section]) -> Section:
    """The `values` of section `name`, read from `path`, as a `cls`. Raises InputError as `load_section` does."""
    if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
        raise InputError(f"{path}: section `{name}` is {values!r}, expected keys with values, one per line")
    try:
        # Only from JSON does a strict dataclass take a mapping for a section within it.
        return TypeAdapter(cls).validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        raise InputError("\n".join(_faults(path, name, cls, error))) from None


def with_values(values: Section, **changes: object) -> Section:
    """A copy of a section with other values; a dict holds those of a section within it: `augment={"blur": 1.0}`.

    A dotted key does, too: `**{"augment.blur": 1.0}`.
    """
    changed: dict[str, object] = {}
    for key, value in changes.items():
        name, _, rest = key.partition(".")
        current = changed.get(name, getattr(values, name))
        nested = {rest: value} if rest else value
        changed[name] = replace(current, **nested) if is_dataclass(current) else value
    return replace(values, **changed)


def subsection(cls: type, key: str) -> type | None:
    """The class of the section that the field `key` of `cls` holds; None when it holds a value."""
    kind = {field.name: field.type for field in fields(cls)}.get(key)
    return kind if isinstance(kind, type) and is_dataclass(kind) else None


def _faults(path: Path, name: str, cls: type, error: ValidationError) -> Iterator[str]:
    """One line per key: a union reports once for each of its members, which reads as noise."""
    by_key: dict[str, list[tuple[type, str, ErrorDetails]]] = {}
    for fault in error.errors(include_url=False):
        owner, keys, place = _located(cls, fault)
        by_key.setdefault(".".join([name, *keys]), []).append((owner, place, fault))
    for key, faults in by_key.items():
        owner, _, fault = faults[0]
        if fault["type"] in ("unexpected_keyword_argument", "dataclass_extra_forbidden"):
            allowed = ", ".join(field.name for field in fields(owner))
            yield f"{path}: {key} is not a parameter; allowed in `{key.rpartition('.')[0]}` are {allowed}"
        elif fault["type"] in ("missing", "missing_argument"):
            yield f"{path}: {key} is missing, and has no default"
        elif fault["type"] == "value_error":
            yield f"{path}: {key}: {_expectation(*faults[0][1:])}"
        else:
            expected = " or ".join(dict.fromkeys(_expectation(place, fault) for _, place, fault in faults))
            yield f"{path}: {key} is {fault['input']!r}, expected {expected}"


def _located(cls: type, fault: ErrorDetails) -> tuple[type, list[str], str]:
    """The section at fault, the keys that lead to the value, and its place within the value, such as `[1]`."""
    parts = [str(part) for part in fault["loc"]]
    keys: list[str] = []
    while parts and (below := subsection(cls, parts[0])):
        keys.append(parts.pop(0))
        cls = below
    keys += parts[:1]
    # A union puts the types of its members into the location; the rest is a place in a list or a key of a mapping.
    union_member = re.compile(r"(constrained-)?(bool|str|int|float)$|\w+\[")
    return cls, keys, "".join(f"[{part}]" for part in parts[1:] if not union_member.match(part))


def _expectation(place: str, fault: ErrorDetails) -> str:
    if fault["type"] == "dataclass_type":
        return "keys with values"
    text = re.sub(r"^(Input should be|Value error,) ", "", fault["msg"]).replace("a valid array", "a valid list")
    return f"{text} at {place}" if place else text
