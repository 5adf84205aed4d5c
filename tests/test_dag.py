"""In dvc.yaml, a stage depends on the modules that it imports."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())


def module_file(module: str) -> Path | None:
    """The file of a module of this repository, relative to the root; None for third-party modules."""
    for candidate in (Path(*module.split(".")).with_suffix(".py"), Path(*module.split("."), "__init__.py")):
        if (ROOT / candidate).is_file():
            return candidate
    return None


@cache
def imports(file: Path) -> frozenset[Path]:
    """Files of this repository that `file` imports at any level, except packages with only a docstring."""
    found: set[Path] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            found |= {module_file(name.name) for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = [module_file(f"{node.module}.{name.name}") for name in node.names]
            found |= {submodule or module_file(node.module) for submodule in submodules}
    return frozenset(path for path in found - {None} if len(ast.parse((ROOT / path).read_text()).body) > 1)


CHANGES_NO_OUTPUT = {"fathomline/machine.py", "fathomline/progress.py", "fathomline/tracking.py", "stages/summaries.py"}
"""Imported by stages, but no dependency of any: rewording a progress line must not retrain."""


def reached(script: Path) -> set[str]:
    """Every source file that can change what a script writes, including the script."""
    seen: set[Path] = set()
    pending = [script, Path("stages/__init__.py")]
    while pending:
        file = pending.pop()
        if file not in seen and file.as_posix() not in CHANGES_NO_OUTPUT:
            seen.add(file)
            pending.extend(imports(file))
    return {path.as_posix() for path in seen}


def test_stages_are_listed_in_the_order_in_which_they_run():
    before_models = ["download", "crop", "taxonomy", "split"]
    assert list(STAGES) == [*before_models, "train", "predict", "evaluate", "submit", "bundle"]


@pytest.mark.parametrize("name", ["evaluate", "submit", "bundle"])
def test_a_stage_after_predict_does_not_import_torch(name):
    script = f"import sys, stages.{name}\nprint(sorted({{'torch', 'timm', 'torchvision', 'peft'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def files_of(dependency: str) -> set[str]:
    """The source files of a dependency: the file, or all in the folder except those with only a docstring."""
    if dependency.endswith(".py"):
        return {dependency}
    if not dependency.startswith(("fathomline/", "reef")):
        return set()
    files = (path.relative_to(ROOT) for path in (ROOT / dependency).rglob("*.py"))
    return {path.as_posix() for path in files if len(ast.parse((ROOT / path).read_text()).body) > 1}


TAKES_SECONDS = {"submit", "bundle"}
"""These depend on whole rooms even if they need only part of them: an unnecessary run costs little."""


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_exactly_the_source_files_that_it_imports(name):
    needed = reached(Path(f"stages/{name}.py"))
    listed = [file for dependency in STAGES[name]["deps"] for file in sorted(files_of(dependency))]
    assert len(listed) == len(set(listed)), "lists a file and its folder"
    assert needed <= set(listed)
    assert name in TAKES_SECONDS or needed == set(listed)


def test_no_stage_depends_on_modules_that_change_no_output():
    depended_on = {file for stage in STAGES.values() for dependency in stage["deps"] for file in files_of(dependency)}
    assert not depended_on & CHANGES_NO_OUTPUT


LAYERS = ("stages", "cli", "serve", "answers", "report", "predictor", "inputs", "bundle", "predict", "train", "decide")
LAYERS += ("model", "crop", "download", "sources", "split", "rois", "dataset", "lineages", "taxonomy")
"""Rooms from top to bottom: each may import only those after it."""


def test_a_room_imports_only_lower_rooms():
    for upper in LAYERS:
        for file in sorted((ROOT / "fathomline" / upper).rglob("*.py")):
            rooms = {path.parts[1].removesuffix(".py") for path in imports(file.relative_to(ROOT))}
            above = set(LAYERS[: LAYERS.index(upper)]) & rooms
            assert not above, f"{file.relative_to(ROOT)} imports {above}"


def test_model_and_train_do_not_import_decide():
    for room in ("model", "train"):
        for file in (ROOT / "fathomline" / room).glob("*.py"):
            assert not any("decide" in path.parts for path in imports(file.relative_to(ROOT))), file


def test_dvc_yaml_stays_short():
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) <= 250


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_has_a_description_and_runs_its_own_script(name):
    assert STAGES[name]["desc"]
    launcher = r"sh -c '\\\$\{FATHOMLINE_LAUNCHER:-python\}" if name == "train" else "python"
    assert re.match(rf"{launcher} -m stages\.{name} ", STAGES[name]["cmd"])


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_tracks_exactly_the_params_that_it_reads(name):
    script = (ROOT / "stages" / f"{name}.py").read_text()
    read = set(re.findall(r'params_section\("(\w+)"', script))
    for sections in re.findall(r"report_params\(([^)]*)\)", script):
        read |= set(re.findall(r"\w+", sections))
    tracked = {entry.split(".")[0] for entry in STAGES[name]["params"]}
    assert tracked == read - {"tracking", "machine"}, "no stage may track what changes no output"
    assert name in tracked


def test_every_section_of_params_yaml_belongs_to_a_stage_or_is_shared():
    assert set(PARAMS) == {*STAGES, "source", "tracking", "machine"}


STATE = ("cache/training", "cache/features", "cache/predict")
"""Neither dependencies nor outputs: they save time in the next run, but do not change what it writes."""


@pytest.mark.parametrize("name", STAGES)
def test_paths_on_a_command_line_are_dependencies_or_outputs(name):
    stage = STAGES[name]
    outputs = [next(iter(out)) if isinstance(out, dict) else out for out in stage["outs"]]
    declared = [*stage["deps"], *outputs, *STATE]
    for word in re.findall(
        r"[\w.${}-]+(?:/[\w.${}-]+)+|\b\w+\.(?:csv|json|npz)|(?<= )(?:models|bundle)(?= |$)", stage["cmd"]
    ):
        assert any(path == word or path.startswith(word + "/") for path in declared), word
