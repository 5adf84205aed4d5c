"""README and docs match the code. `python -m tests.test_readme` rewrites docs/parameters.md."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from fathomline.config import subsection
from stages.params import SECTIONS, documentation
from tests.test_presets import ROOT

README = ROOT / "README.md"
PARAMETERS = ROOT / "docs/parameters.md"
START, END = "<!-- parameters -->", "<!-- end of parameters -->"


def written(value: object) -> str:
    """Format a value as in params.yaml, short enough for a column."""
    if isinstance(value, dict) and value:
        return "by rank"
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def allowed(kind: object) -> str:
    """Describe the type and range of a field in words."""
    if get_origin(kind) is Annotated:
        base, *limits = get_args(kind)
        return " ".join([allowed(base), *(text for limit in limits for text in limits_of(limit))])
    if get_origin(kind) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(kind))
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(allowed(member) for member in get_args(kind))
    if get_origin(kind) is list:
        return f"list of {allowed(get_args(kind)[0])}"
    names = {bool: "true or false", int: "integer", float: "number", str: "text", type(None): "null"}
    return names.get(kind, "mapping")


def limits_of(limit: object) -> Iterator[str]:
    for name, sign in {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}.items():
        bound = getattr(limit, name, None)
        if bound is not None:
            yield f"{sign} {bound:,}".replace(",", " ")


def rows(name: str, cls: type) -> Iterator[str]:
    """One row per parameter: its default, its type and range, and the documentation of its field."""
    default = cls()
    for field in fields(cls):
        key, below = f"{name}.{field.name}", subsection(cls, field.name)
        if below:
            yield from rows(key, below)
        else:
            value = written(getattr(default, field.name))
            yield f"| `{key}` | {value} | {allowed(field.type)} | {documentation(cls, field.name)} |"


def parameter_table() -> str:
    head = ["| Parameter | Default | Allowed | What it does |", "|---|---|---|---|"]
    return "\n".join([*head, *(row for name, cls in SECTIONS.items() for row in rows(name, cls))])


def test_the_parameter_table_matches_the_code():
    table = PARAMETERS.read_text().split(START)[1].split(END)[0].strip()
    assert table == parameter_table(), "run `python -m tests.test_readme` and check the difference"


def test_every_file_linked_from_the_readme_exists():
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", README.read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readme_stays_short():
    assert len(README.read_text().splitlines()) <= 150


def test_every_file_linked_from_the_benchmarks_page_exists():
    page = ROOT / "benchmarks/README.md"
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_make_target_in_the_readme_exists():
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    named = re.findall(r"(?:^|`)make (\w+)", README.read_text(), flags=re.MULTILINE)
    assert {"demo", "test"} <= set(named) <= set(targets)


def rewrite(path: Path) -> None:
    before, rest = path.read_text().split(START)
    path.write_text(f"{before}{START}\n{parameter_table()}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    rewrite(PARAMETERS)
