"""What `pip install fathomline` brings: ranges that admit the pins, a small base, and extras for the rest."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
PINS = dict(
    line.split("==") for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0].isalpha()
)

NAMES = {"PIL": "pillow", "yaml": "pyyaml", "ruamel": "ruamel-yaml", "sklearn": "scikit-learn"}
"""Packages whose name differs from that of their module."""

COMES_WITH = {"pydantic_core": "pydantic", "urllib3": "requests", "starlette": "fastapi", "h11": "uvicorn"}
"""Modules of packages that another one needs in a version of its own choice."""

TRAINING_ONLY = {"torch", "torchvision", "timm", "safetensors", "peft", "dvc", "wandb", "fathomnet", "plotly"}


def brought_by(*extras: str) -> set[str]:
    """The packages that an install with these extras names, without those that they need in turn."""
    found: set[str] = set()
    for text in [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]:
        requirement = Requirement(text)
        if requirement.name == PROJECT["name"]:
            found |= brought_by(*requirement.extras)
        else:
            found.add(canonicalize_name(requirement.name))
    return found


def third_party_modules() -> Iterator[tuple[str, Path]]:
    for file in sorted((ROOT / "fathomline").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names = [name.name for name in node.names]
            else:
                names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for module in (name.split(".")[0] for name in names):
                if module not in {*sys.stdlib_module_names, "fathomline", "_typeshed"}:
                    yield module, file.relative_to(ROOT)


def test_every_imported_package_is_declared():
    declared = brought_by(*EXTRAS)
    for module, file in third_party_modules():
        package = canonicalize_name(COMES_WITH.get(module) or NAMES.get(module, module))
        assert package in declared, f"{file} imports {module}, which pyproject.toml does not declare"


def test_ranges_admit_the_pinned_versions():
    pinned = {canonicalize_name(name): version for name, version in PINS.items()}
    assert brought_by(*EXTRAS) == set(pinned), "requirements.txt pins what pyproject.toml declares"
    for text in [*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)]:
        requirement = Requirement(text)
        if requirement.name != PROJECT["name"]:
            version = pinned[canonicalize_name(requirement.name)]
            assert requirement.specifier, f"{text} has no range"
            assert requirement.specifier.contains(version), f"{text} does not admit {version}"


@pytest.mark.parametrize("extras", [(), ("onnx",), ("onnx", "hub", "parquet", "serve")])
def test_an_install_for_prediction_brings_no_training_packages(extras):
    assert not brought_by(*extras) & TRAINING_ONLY
    assert "onnxruntime" in brought_by(*extras)


def test_the_extra_pipeline_brings_what_the_dag_and_the_report_need():
    assert brought_by("pipeline") >= TRAINING_ONLY | {"scikit-learn", "onnx", "onnxscript"}


def test_the_lists_of_packages_that_engines_look_for_are_installable():
    from fathomline.predictor.engine import EXPORT_PACKAGES, TORCH_PACKAGES

    assert set(TORCH_PACKAGES) <= brought_by("torch")
    assert set(EXPORT_PACKAGES) <= brought_by("torch", "onnx")


def test_versions_of_shared_packages_have_one_range():
    ranges: dict[str, set[str]] = {}
    for text in [*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines)]:
        requirement = Requirement(text)
        ranges.setdefault(requirement.name, set()).add(str(requirement.specifier))
    assert [name for name, several in ranges.items() if len(several) > 1] == []


def test_requirements_are_exact():
    assert all(re.fullmatch(r"[0-9.]+", version) for version in PINS.values())
