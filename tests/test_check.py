"""stages/check.py: what it prints, and what it stops."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from fathomline.cli import main as command_line
from fathomline.errors import InputError
from fathomline.files import write_json
from stages import check, download, train
from tests.check.world import World

ROOT = Path(__file__).parents[1]


class Project:
    """A folder with params.yaml, in which stages run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.params = yaml.safe_load((ROOT / "params.yaml").read_text())
        self.write({})

    def write(self, sections: dict) -> None:
        for name, values in sections.items():
            self.params[name] = self.params.get(name, {}) | values
        (self.folder / "params.yaml").write_text(yaml.safe_dump(self.params, sort_keys=False))


@pytest.fixture
def project(tmp_path, monkeypatch) -> Project:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["check"])
    return Project(tmp_path)


@pytest.fixture
def own(project) -> World:
    """Annotations of one's own, named in params.yaml."""
    world = World(project.folder)
    source = {"name": "coco", "train": world.request().annotations, "images": str(world.frames)}
    project.write(
        {
            "source": source,
            "taxonomy": {"offline": True},
            "split": {"folds": 2},
            "train": {"validation": {"degraded_size": None}},
            "bundle": {"attribution": None},
        }
    )
    return world


def lines_of(capsys) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_the_reef_is_expected_to_run(project, capsys):
    check.main()
    lines = lines_of(capsys)
    assert lines[0] == "expected"
    assert lines[-1] == "check: nothing will stop a stage"


def test_all_faults_of_all_sections_are_told_at_once_and_the_status_is_1(project, capsys):
    project.write({"evaluate": {"decoder": "riks"}, "train": {"lr": -1.0, "epochs": 0}, "submit": {"candidates": "x"}})
    with pytest.raises(SystemExit) as stopped:
        check.main()
    assert stopped.value.code == 1
    said = lines_of(capsys)
    assert said[0] == "will stop"
    assert [line.split(" is ")[0] for line in said[1:5]] == [
        "  - params.yaml: train.epochs",
        "  - params.yaml: train.lr",
        "  - params.yaml: evaluate.decoder",
        "  - params.yaml: submit.candidates",
    ]
    assert said[-1] == "check: 4 problem(s) will stop a stage"


def test_a_section_that_is_missing_or_unknown_is_told(project):
    project.params["evalute"] = project.params.pop("evaluate")
    project.write({})
    found = {finding.kind: finding.text for finding in check.all_findings() if finding.kind != "expected"}
    assert found["stop"].startswith("params.yaml: section `evaluate` is missing; the file has source, download")
    assert found["surprise"].startswith("params.yaml: no stage reads the section(s) evalute; the sections are source")


def test_annotations_that_the_reef_does_not_read_are_told(project):
    project.write({"source": {"train": "/data/mine/train.json"}})
    (said,) = [finding.text for finding in check.all_findings() if finding.kind == "surprise"]
    assert said.startswith("source.name is reef, so source.train is not read")


def test_ones_own_annotations_are_checked_with_the_params(own, capsys):
    (own.frames / "1.png").unlink()
    with pytest.raises(SystemExit):
        check.main()
    assert lines_of(capsys)[1] == (
        "  - 1 of 4 training frames (25 %) cannot be used; download.allowed_missing allows 0 %:"
    )


@pytest.mark.parametrize("same", [True, False])
def test_changed_annotations_are_told_unless_dvc_downloads_them_in_any_case(own, project, capsys, same):
    write_json(own.coco | {"info": {}}, check.RAW / "train/dataset.json")
    own.request("train", lambda coco: coco["annotations"].pop())
    source = project.params["source"] if same else project.params["source"] | {"name": "reef"}
    lock = {"stages": {"download@train": {"params": {"params.yaml": {"source": source}}}}}
    check.LOCK.write_text(yaml.safe_dump(lock))
    check.main()
    assert ("`dvc repro --force download@train`" in capsys.readouterr().out) == same


def test_the_reference_is_where_the_taxonomy_stage_writes_it():
    taxonomy = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["taxonomy"]
    assert [list(out) for out in taxonomy["outs"]] == [[check.REFERENCE.as_posix()]]


@pytest.mark.parametrize("sections", [{"evaluate": {"decoder": "riks"}}, {"train": {"image_size": 96}}])
def test_the_download_of_the_training_subset_stops_for_any_later_stage(own, project, monkeypatch, sections):
    project.write(sections)
    monkeypatch.setattr(sys, "argv", ["download", "train", "raw"])
    with pytest.raises(InputError, match=next(iter(sections))):
        download.main()
    assert not Path("raw").exists()


def test_the_download_warns_once_of_what_may_surprise(own, project, monkeypatch, capsys):
    request = own.request("more", lambda coco: coco["categories"].append({"id": 9, "name": "creatures"}))
    project.write({"source": {"train": request.annotations, "test": own.request("test").annotations}})
    project.write({"train": {"frozen": True}})
    for subset in ("train", "test"):
        monkeypatch.setattr(sys, "argv", ["download", subset, f"raw/{subset}"])
        download.main()
    warnings = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in warnings] == [
        "warning: train.frozen is true and train.pretrained is false",
        "warning: download: 1 categories have no annotations and are ignored: 'creatures'",
    ]


def test_training_stops_first_for_faults_of_later_stages_only(project, monkeypatch):
    project.write({"evaluate": {"decoder": "riks"}, "submit": {"candidates": "x"}, "source": {"name": "gone"}})
    arguments = ["train", "crops", "taxonomy.json", "split.csv", "model", "resume", "features", "--fold", "0"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(InputError) as stopped:
        train.main()
    assert [line.split(" is ")[0] for line in str(stopped.value).splitlines()] == [
        "params.yaml: evaluate.decoder",
        "params.yaml: submit.candidates",
    ]


def test_the_command_runs_the_script_of_the_checkout_and_returns_its_status(project, monkeypatch):
    Path("stages").mkdir()
    for status in (0, 1):
        Path("stages/check.py").write_text(f"raise SystemExit({status})")
        monkeypatch.delenv("PYTHONPATH", raising=False)
        assert command_line(["check"]) == status


def test_the_command_says_where_to_run_it(project, capsys):
    assert command_line(["check"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(
        f"error: stages/check.py: no such file in {project.folder}; `fathomline check` needs the repo"
    )


def test_neither_torch_nor_timm_is_imported():
    script = "import sys, stages.check\nprint(sorted({'torch', 'timm', 'sklearn', 'wandb'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_large_data_set_is_checked_in_seconds(own, project):
    """24,000 boxes and 9,000 frames: two seconds of computing, and five with the start of Python on a slow machine."""

    def enlarge(coco):
        coco["images"] = [coco["images"][0] | {"id": number, "dive": f"dive {number}"} for number in range(9_000)]
        first = coco["annotations"][0]
        coco["annotations"] = [
            first | {"id": number, "image_id": number % 9_000, "category_id": number % 2 + 1}
            for number in range(24_000)
        ]

    own.request("train", enlarge)
    started = time.process_time()
    findings = check.all_findings()
    assert time.process_time() - started < 4
    assert not [finding for finding in findings if finding.kind == "stop"]
