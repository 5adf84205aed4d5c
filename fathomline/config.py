"""Read a section of a params file as a frozen dataclass, and check it.

Each parameter is declared once, as a field of the dataclass: its type, range, default and documentation.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fathomline.errors import InputError, listing, shown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Section = TypeVar("Section", bound="DataclassInstance")


@dataclass_transform(frozen_default=True)
def section(cls: type[Any]) -> type[Any]:
    """Decorate a class as a section of params: a frozen dataclass that checks keys, types and ranges.

    A field may itself be a section. The docstring below a field documents it; its first sentence must be a short
    summary, because it becomes the comment in params.yaml.
    """
    settings = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True)
    return dataclass(cls, frozen=True, config=settings)


def read_yaml(text: str) -> Any:
    """Parse YAML 1.2 as DVC does, with DVC's own library, and refuse a repeated key.

    PyYAML reads YAML 1.1, in which `1e-05`, as DVC writes `-S train.lr=1e-5`, is text, `on` is true and `12:30` is 750.
    """
    return YAML(typ="safe", pure=True).load(text)


def load_params(path: Path) -> dict[str, Any]:
    """Read a params file as a mapping. Raises InputError if it is missing, not YAML, or not a mapping."""
    try:
        params = read_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; `make use PRESET=reef` writes one") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}{_yaml_hint(str(error))}") from None
    if not isinstance(params, dict):
        raise InputError(f"{path}: expected a mapping of sections, found {type(params).__name__}")
    return params


def _yaml_hint(fault: str) -> str:
    """What to do about the two slips that are most frequent in files edited by hand, which YAML's words do not tell."""
    if "'\\t'" in fault:
        return "; indent with spaces, not with tabs"
    if "could not find expected ':'" in fault or "mapping values are not allowed here" in fault:
        return "; write each parameter as `key: value`, with a space after the colon"
    return ""


def load_section(path: Path, name: str, cls: type[Section]) -> Section:
    """Read the section `name` of the params file at `path` as a `cls`; missing keys get their defaults.

    Raises InputError with one line per fault: the section, the key, the value and the values allowed.
    """
    return section_of(load_params(path), path, name, cls)


def section_of(params: Mapping[str, Any], path: Path, name: str, cls: type[Section]) -> Section:
    """The section `name` of `params`, read from `path`, as a `cls`. Raises InputError as `load_section` does."""
    if name not in params:
        raise InputError(f"{path}: section `{name}` is missing; the file has {listing(params)}")
    return parse_section(params[name], path, name, cls)


def parse_section(values: object, path: Path, name: str, cls: type[Section]) -> Section:
    """Check the `values` of section `name`, read from `path`, and return them as a `cls`.

    Raises InputError as `load_section` does.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{path}: section `{name}` is {shown(values)}, expected keys with values, one per line")
    try:
        # A strict dataclass accepts a mapping for a nested section only in JSON.
        return TypeAdapter(cls).validate_json(json.dumps(values, default=str))
    except TypeError:
        raise InputError(f"{path}: section `{name}` has a key that is not text; put it in quotes") from None
    except ValidationError as error:
        raise InputError("\n".join(_faults(path, name, cls, error))) from None


def with_values(values: Section, **changes: Any) -> Section:
    """Return a copy of a section with some values changed.

    A value in a nested section is given in a dict, `augment={"blur": 1.0}`, or with a dotted key,
    `**{"augment.blur": 1.0}`.
    """
    changed: dict[str, Any] = {}
    for key, value in changes.items():
        name, _, rest = key.partition(".")
        nested = {rest: value} if rest else value
        current = changed.get(name, getattr(values, name))
        changed[name] = replace(current, **nested) if subsection(type(values), name) else value
    return replace(values, **changed)


def subsection(cls: type, key: str) -> type | None:
    """Return the class of the nested section in the field `key` of `cls`; None if the field is not a section."""
    kind = {field.name: field.type for field in fields(cls)}.get(key)
    return kind if isinstance(kind, type) and is_dataclass(kind) else None


def _faults(path: Path, name: str, cls: type, error: ValidationError) -> Iterator[str]:
    """One line per key, although pydantic reports a fault once for each member of a union."""
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
            yield f"{path}: {key} is missing and has no default"
        elif fault["type"] == "value_error":
            yield f"{path}: {key}: {_expectation(*faults[0][1:])}"
        else:
            expected = " or ".join(dict.fromkeys(_expectation(place, fault) for _, place, fault in faults))
            yield f"{path}: {key} is {shown(fault['input'])}, expected {expected}"


def _located(cls: type, fault: ErrorDetails) -> tuple[type, list[str], str]:
    """The class of the section at fault, the keys that lead to the value, and the place within it, such as `[1]`."""
    parts = [str(part) for part in fault["loc"]]
    keys: list[str] = []
    while parts and (below := subsection(cls, parts[0])):
        keys.append(parts.pop(0))
        cls = below
    keys += parts[:1]
    # pydantic adds the type of a union member to the location; all else is an index in a list or a key of a mapping.
    union_member = re.compile(r"(constrained-)?(bool|str|int|float)$|\w+\[")
    return cls, keys, "".join(f"[{part}]" for part in parts[1:] if not union_member.match(part))


def _expectation(place: str, fault: ErrorDetails) -> str:
    if fault["type"] == "dataclass_type":
        return "keys with values"
    text = re.sub(r"^(Input should be|Value error,) ", "", fault["msg"]).replace("a valid array", "a valid list")
    return f"{text} at {place}" if place else text
