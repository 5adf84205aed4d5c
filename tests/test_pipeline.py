"""The DAG as a user runs it: DVC on a copy of this checkout, with a small reef."""

import json
import re
import shutil

import pandas as pd
import pytest

import fathomline
from fathomline.cli import main
from reef.reef import Reef
from tests.checkout import FRAMES, SMALL, Checkout, stages_run


@pytest.fixture(scope="module")
def repro(tmp_path_factory) -> tuple[Checkout, str]:
    """A checkout after its first `dvc repro`, committed, and what that printed."""
    checkout = Checkout(tmp_path_factory.mktemp("clone"))
    output = checkout.dvc("repro")
    checkout.git("add", "--all")
    checkout.git("commit", "--quiet", "--message", "first run")
    return checkout, output


EVERY_STAGE = [
    "download@train",
    "download@test",
    "crop@train",
    "crop@test",
    "taxonomy",
    "split",
    "train@1",
    "predict@train",
    "predict@test",
    "evaluate",
    "submit",
    "bundle",
]
AFTER_TRAINING = ["bundle", "evaluate", "predict@test", "predict@train", "submit"]


def with_values(*changes: str) -> list[str]:
    """The options of `dvc exp run` that set parameters, such as `train.lr=1e-5`."""
    return [word for change in changes for word in ("-S", change)]


def test_the_first_run_runs_every_stage(repro):
    assert sorted(stages_run(repro[1])) == sorted(EVERY_STAGE)


def test_each_stage_prints_one_line_and_no_warning_and_training_one_per_epoch(repro):
    lines = repro[1].split("To track the changes")[0].splitlines()
    printed = [line for line in lines if line and not re.match(r"Running|> python|> sh|Updating|Generating", line)]
    epochs = [line.split(":")[0] for line in printed if line.startswith("epoch ")]
    printed = [line for line in printed if not line.startswith("epoch ")]
    assert epochs == [f"epoch {number} of {SMALL['train']['epochs']}" for number in range(1, len(epochs) + 1)]
    assert len(epochs) == SMALL["train"]["epochs"]
    assert [line.split(":")[0] for line in printed] == [
        "download train",
        "download test",
        "crop train",
        "crop test",
        "taxonomy",
        "split",
        "train fold 1",
        "predict train",
        "predict test",
        "evaluate",
        "submit",
        "bundle",
    ]


def test_the_submission_answers_every_test_annotation_once_and_in_order(repro):
    submission = pd.read_csv(repro[0].folder / "submission.csv")
    assert list(submission.columns) == ["annotation_id", "concept_name"]
    wanted = Reef(FRAMES, seed=0).coco("test")
    assert submission["annotation_id"].tolist() == [annotation["id"] for annotation in wanted["annotations"]]
    assert set(submission["concept_name"]) <= {category["name"] for category in wanted["categories"]}


def test_metrics_match_the_rows_of_the_held_out_folds(repro):
    checkout, _ = repro
    metrics, rows = checkout.json("metrics.json"), pd.read_csv(checkout.folder / "reports/validation.csv")
    split = pd.read_csv(checkout.folder / "data/split.csv").set_index("annotation_id")["fold"]
    assert sorted(rows["annotation_id"]) == sorted(split[split == 1].index)
    assert (rows["annotation_id"].map(split) == rows["fold"]).all()
    assert metrics["mhd"] == pytest.approx(rows["distance"].mean())
    for decoder in ("argmax", "threshold", "risk"):
        assert metrics[f"mhd_{decoder}"] == pytest.approx(rows[f"{decoder}_distance"].mean())
    assert metrics["mhd_low"] < metrics["mhd"] < metrics["mhd_high"]
    assert metrics["accuracy"] == pytest.approx((rows["truth"] == rows["prediction"]).mean())
    assert metrics["taxonomy_hash"] == checkout.json("cache/taxonomy_reference.json")["hash"]


def test_no_output_contains_a_path_or_an_address_of_this_machine(repro):
    checkout, _ = repro
    for path in [
        *checkout.folder.glob("*.csv"),
        *(checkout.folder / "reports").iterdir(),
        checkout.folder / "dvc.lock",
    ]:
        assert str(checkout.folder) not in path.read_text(), path
        assert "127.0.0.1" not in path.read_text(), path
    for path in (checkout.folder / "data/raw").glob("*/*.*"):
        assert "127.0.0.1" not in path.read_text(), path


def test_git_tracks_metrics_and_dvc_lock_and_ignores_other_outputs(repro):
    checkout, _ = repro
    assert checkout.git("status", "--porcelain") == ""
    assert {"metrics.json", "dvc.lock"} <= set(checkout.git("ls-files").split())
    assert "submission.csv" not in checkout.git("ls-files")


def test_training_and_evaluation_each_leave_an_offline_wandb_run(repro):
    training, evaluation = sorted((repro[0].folder / "wandb").glob("offline-run-*/run-*.wandb"))
    assert b"model.safetensors" in training.read_bytes()
    assert b"report.html" in evaluation.read_bytes()
    assert b"worst_mistakes" in evaluation.read_bytes()


def test_nothing_runs_again_when_nothing_changed(repro):
    output = repro[0].dvc("repro")
    assert stages_run(output) == []
    assert "Data and pipelines are up to date." in output


RERUN_ONLY = {
    "a line of progress": ({"fathomline/progress.py": "# reworded", "stages/summaries.py": "# reworded"}, []),
    "tracking": ({"fathomline/tracking.py": "# reworded"}, []),
    "machine": ({"machine": {"workers": 1, "connections": 2, "timeout": 9.0, "retries": 1}}, []),
    "tracking.mode": ({"tracking": {"mode": "disabled"}}, []),
    "the style of the report": ({"fathomline/report/page/report.css": "/* reworded */"}, ["evaluate"]),
    "evaluate.decoder": ({"evaluate": {"decoder": "argmax"}}, ["evaluate"]),
    "predict.transforms": ({"predict": {"transforms": "mirror"}}, ["evaluate", "predict@test", "predict@train"]),
    "split.group": ({"split": {"group": "file_name"}}, ["bundle", "evaluate", "split"]),
    "train.lr": ({"train": {"lr": 0.01}}, ["evaluate", "train@1"]),
}
"""What is edited, and the stages that depend on it directly. Others run only if an output of these changes."""


@pytest.mark.parametrize(("edits", "stages"), RERUN_ONLY.values(), ids=RERUN_ONLY)
def test_an_edit_reruns_only_the_stages_that_depend_on_it(repro, edits, stages):
    checkout, _ = repro
    for edited, change in edits.items():
        if isinstance(change, dict):
            checkout.set_params({edited: change})
        else:
            with (checkout.folder / edited).open("a") as stream:
                stream.write(f"{change}\n")
    assert checkout.changed_stages() == stages
    checkout.git("checkout", "--quiet", ".")


def test_an_experiment_with_another_decoder_runs_no_model_and_shows_the_mhd_before_and_after(repro):
    checkout, _ = repro
    before = checkout.json("metrics.json")["mhd"]
    output = checkout.dvc("exp", "run", *with_values("evaluate.decoder=argmax", "submit.candidates=tree"))
    assert sorted(stages_run(output)) == ["bundle", "evaluate", "submit"]
    metrics = checkout.json("metrics.json")
    assert metrics["mhd"] == metrics["mhd_argmax"] != before
    difference = json.loads(checkout.dvc("metrics", "diff", "--json"))["metrics.json"]["mhd"]
    assert (difference["old"], difference["new"]) == (before, metrics["mhd"])
    assert checkout.json("bundle/bundle.json")["decision"]["decoder"] == "argmax"
    checkout.run("python", "-m", "stages.params", "--restore")
    assert "# How probabilities become an answer" in (checkout.folder / "params.yaml").read_text()
    assert checkout.changed_stages() == [], "DVC compares parameters by value: writing their comments reruns nothing"
    checkout.restore()


def test_the_submission_can_be_scored_against_the_truth_of_the_reef(repro, capsys):
    checkout, _ = repro
    checkout.run("python", "-m", "stages.truth", "truth.csv")
    paths = {name: str(checkout.folder / name) for name in ("submission.csv", "truth.csv", "rows.csv")}
    taxonomy = str(checkout.folder / "cache/taxonomy_reference.json")
    scored = ["score", paths["submission.csv"], paths["truth.csv"], "--taxonomy", taxonomy]
    assert main([*scored, "--details", paths["rows.csv"]]) == 0
    rows = pd.read_csv(paths["rows.csv"])
    assert float(capsys.readouterr().out) == pytest.approx(rows["distance"].mean(), abs=1e-6)
    assert rows["truth"].to_dict() == dict(enumerate(Reef(FRAMES, seed=0).labels("test").values()))
    assert rows["distance"].mean() < 5, "far better than names at random"
    assert not checkout.git("status", "--porcelain"), "git ignores what the README's example writes"


def test_repeated_predictions_are_identical_byte_for_byte(repro):
    checkout, _ = repro
    paths = [checkout.folder / f"data/logits/{subset}.npz" for subset in ("train", "test")]
    before = [path.read_bytes() for path in paths]
    checkout.dvc("repro", "--single-item", "--force", "predict@train", "predict@test")
    assert [path.read_bytes() for path in paths] == before
    assert not list((checkout.folder / "cache/predict").iterdir())


def test_the_bundle_gives_the_answers_of_the_submission(repro, tmp_path):
    checkout, _ = repro
    shutil.copytree(checkout.folder / "bundle", tmp_path / "bundle")
    dataset = checkout.json("data/raw/test/dataset.json")
    boxes: dict[int, list] = {}
    for annotation in dataset["annotations"]:
        boxes.setdefault(annotation["image_id"], []).append(annotation)
    frames = [checkout.folder / f"data/raw/test/images/{image_id}.png" for image_id in boxes]
    model = fathomline.load(tmp_path / "bundle")
    predicted = model.predict(frames, [[annotation["bbox"] for annotation in of_frame] for of_frame in boxes.values()])
    ids = [annotation["id"] for of_frame in boxes.values() for annotation in of_frame]
    octopoda = model.taxonomy.lineage("Octopoda")
    assert octopoda.ancestor_ids == {"Animalia": 2, "Mollusca": 51, "Cephalopoda": 11707}, "the reef's WoRMS was asked"
    answers = pd.read_csv(checkout.folder / "submission.csv").set_index("annotation_id")["concept_name"]
    assert {number: one.name for number, one in zip(ids, predicted, strict=True)} == answers.to_dict()
    assert answers.nunique() > 3
    details = pd.read_csv(checkout.folder / "reports/predictions.csv").set_index("annotation_id").loc[ids]
    given = [annotation["bbox"] for of_frame in boxes.values() for annotation in of_frame]
    assert details[["x", "y", "w", "h"]].to_numpy().tolist() == given
    assert [one.confidence for one in predicted] == pytest.approx(details["confidence"].tolist(), abs=1e-4)

    test, output = checkout.folder / "data/raw/test", tmp_path / "answers.csv"
    inputs = [str(tmp_path / "bundle"), str(test / "dataset.json"), "--images", str(test / "images")]
    assert main(["predict", *inputs, "--output", str(output)]) == 0
    by_command = pd.read_csv(output).set_index("annotation_id")
    assert by_command["concept_name"].to_dict() == answers.to_dict()
    assert by_command["confidence"].loc[ids].tolist() == pytest.approx(details["confidence"].tolist(), abs=1e-4)


def test_a_corrected_lineage_is_kept_and_retrains_but_does_not_crop_again(repro):
    checkout, _ = repro
    path = checkout.folder / "cache/taxonomy_reference.json"
    reference = json.loads(path.read_text())
    old_hash = reference["hash"]
    reference["concepts"]["Aurelia aurita"]["family"] = "Cyaneidae"
    path.write_text(json.dumps(reference, indent=2))
    assert stages_run(checkout.dvc("repro", "taxonomy")) == ["taxonomy"]
    kept = checkout.json("cache/taxonomy_reference.json")
    assert kept["concepts"]["Aurelia aurita"]["family"] == "Cyaneidae"
    assert kept["hash"] != old_hash
    assert checkout.changed_stages() == [*AFTER_TRAINING, "train@1"]
    checkout.restore()


TWO_PROCESSES = {
    "FATHOMLINE_LAUNCHER": "torchrun --standalone --nproc-per-node 2",
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
}


def test_a_launcher_trains_with_two_processes_and_leaves_the_stage_up_to_date(repro):
    checkout, _ = repro
    runs = checkout.wandb_runs()
    checkout.set_params({"train": {"epochs": 2}})
    output = checkout.dvc("repro", "--single-item", "train@1", **TWO_PROCESSES)
    assert len(re.findall(r"^train fold 1: ", output, flags=re.MULTILINE)) == 1
    assert len(checkout.wandb_runs() - runs) == 1
    assert len(pd.read_csv(checkout.folder / "models/fold-1/history.csv")) == 2
    assert "train@1" not in checkout.changed_stages(), "DVC does not track the number of processes"
    checkout.restore()


def test_an_error_under_a_launcher_is_reported_once(repro):
    checkout, _ = repro
    checkout.set_params({"train": {"backbone": "resnet_51"}})
    output = checkout.dvc("repro", "--single-item", "train@1", fails=True, **TWO_PROCESSES)
    assert output.count("error: train.backbone is 'resnet_51'; expected a timm model") == 1
    checkout.restore()


def test_queued_experiments_rerun_what_they_change_and_leave_their_wandb_runs_in_the_checkout(repro):
    checkout, _ = repro
    before, runs = checkout.json("metrics.json")["mhd"], checkout.wandb_runs()
    training = with_values("train.lr=1e-5", "train.epochs=2")
    predicting = with_values("predict.transforms=mirror", "evaluate.test_time_augmentation=auto")
    checkout.dvc("exp", "run", "--queue", "--name", "trained", *training, *predicting)
    checkout.dvc("exp", "run", "--queue", "--name", "decided", *with_values("evaluate.decoder=threshold"))
    checkout.dvc("queue", "start")
    checkout.wait_for_queue()
    assert sorted(stages_run(checkout.dvc("queue", "logs", "trained"))) == [*AFTER_TRAINING, "train@1"]
    assert "evaluate" in stages_run(checkout.dvc("queue", "logs", "decided"))
    assert len(checkout.wandb_runs() - runs) == 3, "one training and two evaluations"
    assert {"trained", "decided"} <= set(re.findall(r"\w+", checkout.dvc("exp", "show", "--csv")))
    checkout.dvc("exp", "apply", "trained")
    assert before < checkout.json("metrics.json")["mhd"], "a low learning rate and two epochs learn next to nothing"
    decoders = pd.read_csv(checkout.folder / "reports/decoders.csv")
    assert decoders["transforms"].drop_duplicates().tolist() == ["auto", "none", "mirror"]
    chosen = checkout.json("reports/calibration.json")["transforms"]
    assert chosen in (["identity"], ["identity", "flip_left_right"])
    checkout.restore()


@pytest.mark.parametrize(
    ("stage", "change", "says"),
    [
        ("crop@train", {"crop": {"zoom": 3}}, "params.yaml: crop.zoom is not a parameter"),
        ("split", {"split": {"folds": 1}}, "params.yaml: split.folds is 1, expected greater than or equal to 2"),
    ],
)
def test_an_invalid_parameter_stops_its_stage_without_a_traceback(repro, stage, change, says):
    checkout, _ = repro
    checkout.set_params(change)
    output = checkout.dvc("repro", "--single-item", stage, fails=True)
    assert f"error: {says}" in output
    assert "Traceback" not in output
    checkout.restore()
