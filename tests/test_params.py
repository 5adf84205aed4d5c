"""How params.yaml is written: what it never loses, and how its comments come back."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides

from fathomline.config import load_params, read_yaml
from fathomline.errors import InputError
from stages.params import params_text, presets_text, restore, use
from tests.test_presets import PRESETS, ROOT


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with the presets and the default params.yaml, outside any git repository."""
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    (tmp_path / "params.yaml").write_text(params_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "a")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@b.c")
    return tmp_path


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(folder) -> Path:
    """The same folder as a git repository, with everything committed."""
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "start")
    return folder


def edit(folder: Path, old: str = "lr: 0.004", new: str = "lr: 0.003") -> str:
    text = (folder / "params.yaml").read_text()
    assert old in text
    (folder / "params.yaml").write_text(text.replace(old, new, 1))
    return text.replace(old, new, 1)


LAPTOP, REEF = Path("presets/laptop.yaml"), Path("presets/reef.yaml")


def test_the_presets_are_listed_with_the_first_line_of_their_comments(folder):
    (folder / "presets/zoo.yaml").write_text("train: {lr: 1.0e-3}\n")
    lines = presets_text().splitlines()[1:]
    names = sorted(path.stem for path in PRESETS)
    assert [line.split()[0] for line in lines] == [*names, "zoo"]
    assert lines[names.index("laptop")].startswith("  laptop               Your own few thousand ROIs: ")
    assert lines[-1] == "  zoo"
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_the_first_line_of_a_preset_describes_it_in_full(preset):
    first = preset.read_text().splitlines()[0]
    assert first.startswith("# ")
    assert not first.endswith((",", ".", " and", " the")), "one phrase, not the beginning of a text"


def test_a_folder_without_presets_is_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="presets/: no presets here; run this in the folder of the repository"):
        presets_text()


def test_unedited_presets_replace_each_other_with_and_without_git(folder):
    for _ in range(2):
        for preset in (LAPTOP, REEF, LAPTOP):
            use(preset)
            assert (folder / "params.yaml").read_text() == params_text(preset)
        git("init", "--quiet")  # a repository in which nothing is committed


def test_a_preset_is_unedited_when_its_values_are_even_if_dvc_has_reformatted_it(repository):
    use(LAPTOP)
    apply_overrides("params.yaml", ["train.lr=7e-4"])  # the value that it has
    assert (repository / "params.yaml").read_text() != params_text(LAPTOP)
    use(REEF)
    assert (repository / "params.yaml").read_text() == params_text()


def test_values_that_are_committed_are_replaced(repository):
    edit(repository)
    git("commit", "--quiet", "--all", "--message", "mine")
    use(LAPTOP)
    assert (repository / "params.yaml").read_text() == params_text(LAPTOP)


def test_line_endings_are_no_change(repository):
    content = edit(repository).encode()
    git("commit", "--quiet", "--all", "--message", "mine")
    (repository / "params.yaml").write_bytes(content.replace(b"\n", b"\r\n"))
    use(LAPTOP)


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("new", ["lr: 0.003", "lr: fast", "lr: [", "lr: 0.004\n  mine: 1"])
def test_uncommitted_values_are_not_replaced(repository, staged, new):
    mine = edit(repository, new=new)
    if staged:
        git("add", "params.yaml")
    with pytest.raises(InputError) as error:
        use(LAPTOP)
    assert (repository / "params.yaml").read_text() == mine
    assert str(error.value) == (
        "params.yaml: has changes that are not committed (`git diff HEAD params.yaml` shows them), so it is not "
        "replaced. To keep them, commit (`git commit params.yaml`) or move the file aside (`mv params.yaml mine.yaml`)"
        "; to discard them, run `git checkout HEAD params.yaml`. Then run this again"
    )
    git("checkout", "HEAD", "params.yaml")
    use(LAPTOP)


def test_values_that_git_does_not_know_are_not_replaced(folder):
    mine = edit(folder)
    says = (
        r"params.yaml: has values that no preset has, and is in no git commit, so it is not replaced. To keep them, "
        r"move the file aside \(`mv params.yaml mine.yaml`\); to discard them, delete it \(`rm params.yaml`\). Then run"
    )
    with pytest.raises(InputError, match=says):
        use(LAPTOP)
    git("init", "--quiet")
    git("add", "--all", "presets")
    git("commit", "--quiet", "--message", "without params.yaml")
    with pytest.raises(InputError, match=says):
        use(LAPTOP)
    assert (folder / "params.yaml").read_text() == mine
    (folder / "params.yaml").rename("mine.yaml")
    use(LAPTOP)


def test_values_are_not_replaced_on_a_machine_without_git(repository, monkeypatch):
    edit(repository)
    git("commit", "--quiet", "--all", "--message", "mine")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="is in no git commit, so it is not replaced"):
        use(LAPTOP)


def test_a_preset_with_a_mistake_does_not_keep_others_from_being_used(folder):
    (folder / "presets/broken.yaml").write_text("train: {lr: fast}\n")
    use(LAPTOP)
    with pytest.raises(InputError, match=r"broken.yaml: train.lr is 'fast'"):
        use(Path("presets/broken.yaml"))
    edit(folder, "lr: 0.0007", "lr: 0.003")
    with pytest.raises(InputError, match="is not replaced"):
        use(REEF)


CHANGES = [
    ["split.held_out=[0,1,2]", "train.lr=1e-5", "crop.views=[1.0,frame]", "+train.backbone_options.pad_type=same"],
    ["split.held_out=[0]", "crop.views=[1.0]", "~train.backbone_options.pad_type", "split.group=video_id"],
]
"""What `dvc exp run -S` is given in two experiments, one after the other."""


def test_comments_that_dvc_drops_are_restored_with_the_values_as_they_are(repository):
    for changes in CHANGES:
        apply_overrides("params.yaml", changes)
    reformatted = (repository / "params.yaml").read_text()
    comments = [line for line in params_text().splitlines() if line.strip().startswith("#")]
    assert not set(comments) <= set(reformatted.splitlines()), "DVC drops comments: the reason for restoring them"
    assert restore() == "params: wrote params.yaml again with its values and all comments"
    text = (repository / "params.yaml").read_text()
    assert read_yaml(text) == read_yaml(reformatted)
    assert [line for line in text.splitlines() if line.strip().startswith("#")] == comments
    default = params_text().replace("lr: 0.004", "lr: 1.0e-05").replace("group: null", "group: video_id")
    assert text == default


def test_a_new_parameter_is_added_with_its_default(folder):
    edit(folder, "  folds: 5\n", "")
    assert restore().endswith("; added with their defaults: split.folds")
    assert load_params(folder / "params.yaml")["split"]["folds"] == 5


@pytest.mark.parametrize("own", ["lr: 0.003  # slow but sure", "# for the dive of May\n  lr: 0.003"])
def test_comments_of_ones_own_are_only_dropped_once_committed(repository, own):
    mine = edit(repository, new=own)
    with pytest.raises(InputError, match=r"1 comment\(s\) of your own would be lost: line \d+ \(# (slow but|for the)"):
        restore()
    assert (repository / "params.yaml").read_text() == mine
    git("commit", "--quiet", "--all", "--message", "mine")
    restore()
    assert (repository / "params.yaml").read_text() == params_text().replace("lr: 0.004", "lr: 0.003")


def test_a_mistake_in_params_yaml_is_reported_and_nothing_written(folder):
    mine = edit(folder, new="lr: fast")
    with pytest.raises(InputError, match=r"params.yaml: train.lr is 'fast', expected a valid number"):
        restore()
    assert (folder / "params.yaml").read_text() == mine


@pytest.fixture
def make(folder):
    """Run make in the folder, as if its .venv were installed; return the exit status and what it printed."""
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt"):
        shutil.copy(ROOT / name, folder / name)
    (folder / ".venv/bin").mkdir(parents=True)
    python = folder / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (folder / ".venv/.runtime").touch()

    def run(*arguments: str) -> tuple[int, str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        environment |= {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            ["make", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    return run


def test_make_use_lists_the_presets_and_takes_one_and_make_params_restores(folder, make):
    assert make("use") == (0, presets_text() + "\n")
    status, said = make("use", "PRESET=lap")
    names = ", ".join(sorted(path.stem for path in PRESETS))
    assert (status, said.splitlines()[0]) == (2, f"error: presets/lap.yaml: no such file; the presets are {names}")
    assert make("use", "PRESET=laptop")[0] == 0
    assert (folder / "params.yaml").read_text() == params_text(LAPTOP)
    apply_overrides("params.yaml", ["train.lr=1e-5"])
    assert make("params") == (0, "params: wrote params.yaml again with its values and all comments\n")
