"""README and docs say what the code says. `python -m tests.test_readme` rewrites docs/parameters.md."""

import re
from pathlib import Path

from fathomline.config import load_params
from tests.test_presets import ROOT, SECTIONS

README = ROOT / "README.md"
PARAMETERS = ROOT / "docs/parameters.md"
PRESETS = ("reef", "laptop", "fathomnet-2025", "fathomnet-2025-best")
START, END = "<!-- parameters -->", "<!-- end of parameters -->"


def written(value: object) -> str:
    """A value as params.yaml has it, short enough for a column."""
    if isinstance(value, dict):
        return "{}" if not value else "by rank"
    if isinstance(value, str) and value.startswith("https://"):
        return "URL"
    if value is None or isinstance(value, bool):
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)


def parameter_table() -> str:
    """One row a parameter: its value in each preset, and the documentation of its field."""
    presets = {name: load_params(ROOT / "presets" / f"{name}.yaml") for name in PRESETS}
    lines = [
        f"| Parameter | {' | '.join(f'`{name}`' for name in presets)} | What it does |",
        "|---" * (len(presets) + 2) + "|",
    ]
    for section, cls in SECTIONS.items():
        for key, field in cls.__pydantic_fields__.items():
            values = " | ".join(written(params[section][key]) for params in presets.values())
            lines.append(f"| `{section}.{key}` | {values} | {' '.join(field.description.split())} |")
    return "\n".join(lines)


def test_every_parameter_is_documented_as_the_code_does():
    table = PARAMETERS.read_text().split(START)[1].split(END)[0].strip()
    assert table == parameter_table(), "run `python -m tests.test_readme` and look at the difference"


def test_every_file_that_the_readme_links_to_is_there():
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", README.read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readme_stays_short():
    assert len(README.read_text().splitlines()) <= 150


def test_every_file_that_the_benchmarks_page_links_to_is_there():
    page = ROOT / "benchmarks/README.md"
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_make_target_that_the_readme_names_exists():
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    named = re.findall(r"(?:^|`)make (\w+)", README.read_text(), flags=re.MULTILINE)
    assert {"demo", "test"} <= set(named) <= set(targets)


def rewrite(path: Path) -> None:
    before, rest = path.read_text().split(START)
    path.write_text(f"{before}{START}\n{parameter_table()}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    rewrite(PARAMETERS)
