"""How a stage reports what stops it."""

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from fathomline.decide.rule import DecisionRule
from fathomline.errors import InputError
from fathomline.files import write_csv, write_json
from fathomline.predict.logits import EnsembleLogits, write_ensemble_logits
from fathomline.rois.annotations import COLUMNS, QUARANTINE_COLUMNS
from fathomline.rois.crops import Crops
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import Rank
from fathomline.taxonomy.reference import write_reference
from fathomline.taxonomy.tree import Taxonomy
from stages import REPORT_DELAY, report_params, run
from tests.crops import preprocessing_of, write_crops

ROOT = Path(__file__).parents[1]

SPONGES = Taxonomy([Lineage("Porifera", "Porifera", "phylum", {Rank.KINGDOM: "Animalia", Rank.PHYLUM: "Porifera"})])


@pytest.fixture
def stopped_by(capsys):
    """Run a stage that raises an error; return its exit status and its standard error."""

    def stop(error: BaseException) -> tuple[object, str]:
        def stage() -> None:
            raise error

        with pytest.raises(SystemExit) as stopped:
            run(stage)
        return stopped.value.code, capsys.readouterr().err

    return stop


def test_a_user_error_is_reported_without_a_traceback(stopped_by):
    said = stopped_by(InputError("params.yaml: train.lr is missing"))
    assert said == (1, "error: params.yaml: train.lr is missing\n")


def test_control_characters_in_an_error_are_escaped(stopped_by):
    said = stopped_by(InputError("a.csv: '\x1b]0;owned\x07\x9b2J' is new\nb.csv: fine"))
    assert said == (1, "error: a.csv: '\\x1b]0;owned\\x07\\x9b2J' is new\nb.csv: fine\n")


@pytest.mark.parametrize(("rank", "local_rank", "waits"), [(0, 0, 0), (1, 1, 2), (4, 0, 1)])
def test_processes_after_the_main_process_delay_their_error_report(stopped_by, monkeypatch, rank, local_rank, waits):
    waited = []
    monkeypatch.setattr("time.sleep", waited.append)
    monkeypatch.setenv("RANK", str(rank))
    monkeypatch.setenv("LOCAL_RANK", str(local_rank))
    assert stopped_by(InputError("train.lr is missing")) == (1, "error: train.lr is missing\n")
    assert waited == [waits * REPORT_DELAY]


def test_a_full_disk_is_reported_with_the_file(stopped_by):
    message = stopped_by(OSError(errno.ENOSPC, "No space left on device", "data/split.csv"))[1]
    assert message.startswith("error: data/split.csv: No space left on device. Correct the cause")


def test_an_interrupted_stage_exits_with_status_130(stopped_by):
    assert stopped_by(KeyboardInterrupt()) == (130, "")


def test_a_programming_error_keeps_its_traceback():
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(broken)


def test_a_stage_restores_the_handler_of_sigterm():
    before = signal.getsignal(signal.SIGTERM)
    run(lambda: None)
    assert signal.getsignal(signal.SIGTERM) is before
    with contextlib.suppress(SystemExit):
        run(lambda: (_ for _ in ()).throw(InputError("x")))
    assert signal.getsignal(signal.SIGTERM) is before


def test_absolute_paths_in_a_report_are_cut_to_their_last_part(tmp_path, monkeypatch):
    options = {"checkpoint_path": "/home/jane/secret/more.pt", "act_layer": "gelu"}
    train = {"pretrained": "/home/jane/secret/weights.safetensors", "lr": 0.1, "backbone_options": options}
    params = {"train": train, "crop": {"views": [1.0]}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params | {"source": {"train": "/data/mine.json"}}))
    monkeypatch.chdir(tmp_path)
    reported = yaml.safe_load(report_params("crop", "train", "evaluate"))
    assert reported["crop"] == {"views": [1.0]}
    assert reported["train"] == {
        "pretrained": "…/weights.safetensors",
        "lr": 0.1,
        "backbone_options": {"checkpoint_path": "…/more.pt", "act_layer": "gelu"},
    }
    assert set(reported) == {"crop", "train"}


@pytest.fixture
def stage(tmp_path):
    """Run a stage as DVC does, in `tmp_path`; return its exit status and its standard error. It must print `says`."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def start(*arguments: str, says: str = "") -> tuple[int, str]:
        command = [sys.executable, "-m", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.stdout == says
        return done.returncode, done.stderr

    return start


def test_a_damaged_dataset_stops_the_taxonomy_stage_without_a_traceback(stage, tmp_path):
    write_json({"images": [{"id": 1}], "annotations": [], "categories": [{"id": 1}]}, tmp_path / "dataset.json")
    status, said = stage("stages.taxonomy", "dataset.json", "reference.json")
    assert status == 1
    assert said.startswith("error: dataset.json: ")
    assert "Traceback" not in said
    assert not (tmp_path / "reference.json").exists()


@pytest.fixture
def table() -> pd.DataFrame:
    """annotations.csv of four frames of one ROI each."""
    ids = [1, 2, 3, 4]
    paths = [f"rois/{identity}_{identity}.png" for identity in ids]
    numbers = {"frame_id": 1, "x": 0.0, "y": 0.0, "w": 9.0, "h": 9.0, "frame_w": 20, "frame_h": 20}
    rows = {"path": paths, "label": "Porifera", "annotation_id": ids, "image_id": ids}
    return pd.DataFrame(rows | numbers)[COLUMNS]


def test_a_training_roi_without_a_label_stops_the_split_stage_with_its_row(stage, tmp_path, table):
    table.loc[2, "label"] = ""
    write_csv(table, tmp_path / "annotations.csv")
    says = "error: annotations.csv: 1 row(s) of the training subset have no label: row 4; run `dvc repro --force crop`"
    status, said = stage("stages.split", "annotations.csv", "split.csv")
    assert (status, said) == (1, f"{says}, which writes it\n")


def test_a_split_that_leaks_stops_the_train_stage(stage, tmp_path, table):
    pixels = np.zeros((4, 1, 16, 16, 3), dtype=np.uint8)
    write_crops(Crops(table, pixels, preprocessing_of(pixels)), tmp_path / "crops")
    write_reference(SPONGES, tmp_path / "taxonomy.json")
    write_csv(table[["annotation_id"]].assign(fold=[0, 0, 1, 1], group="1"), tmp_path / "split.csv")
    paths = ["crops", "taxonomy.json", "split.csv", "model", "training", "features"]
    status, said = stage("stages.train", *paths, "--fold", "0")
    assert status == 1
    assert said.splitlines() == [
        "error: split.csv: 1 group(s) are in more than one fold: 1; run `dvc repro --force split`, which writes it"
    ]
    assert not (tmp_path / "model").exists()


def test_without_a_test_subset_the_submit_stage_writes_headers_and_says_so(stage, tmp_path):
    write_json({"images": [], "annotations": [], "categories": []}, tmp_path / "dataset.json")
    nothing = EnsembleLogits(
        logits=np.zeros((1, 1, 0, 1), np.float32),
        folds=(0,),
        transforms=("identity",),
        annotation_ids=np.zeros(0, np.int64),
        classes=("Porifera",),
        taxonomy_hash=SPONGES.hash,
    )
    write_ensemble_logits(nothing, tmp_path / "test.npz")
    write_reference(SPONGES, tmp_path / "taxonomy.json")
    rule = DecisionRule("risk", "labels", 1.0, dict.fromkeys(map(str, Rank), 0.5), "Porifera", ["identity"])
    write_json(asdict(rule), tmp_path / "rule.json")
    write_csv(pd.DataFrame(columns=COLUMNS), tmp_path / "crops/annotations.csv")
    write_csv(pd.DataFrame(columns=QUARANTINE_COLUMNS), tmp_path / "crops/quarantine.csv")
    paths = ["dataset.json", "test.npz", "taxonomy.json", "rule.json", "crops", "submission.csv", "predictions.csv"]
    status, said = stage("stages.submit", *paths, says="submit: no test subset; submission.csv has only a header\n")
    assert (status, said) == (0, "")
    assert (tmp_path / "submission.csv").read_text() == "annotation_id,concept_name\n"
    assert (
        (tmp_path / "predictions.csv").read_text().startswith("annotation_id,image_id,file_name,x,y,w,h,concept_name")
    )
