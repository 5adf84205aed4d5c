"""The DAG as a user runs it: DVC on a copy of this checkout, with a small reef."""

import json
import re
import shutil

import pandas as pd
import pytest

import fathomline
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


def test_the_first_run_runs_every_stage(repro):
    assert sorted(stages_run(repro[1])) == sorted(EVERY_STAGE)


def test_each_stage_says_what_it_did_in_one_line_and_nobody_warns(repro):
    of_stages = repro[1].split("To track the changes")[0].splitlines()
    spoken = [line for line in of_stages if line and not re.match(r"Running|> python|> sh|Updating|Generating", line)]
    assert [line.split(":")[0] for line in spoken] == [
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


def test_metrics_are_of_the_held_out_folds_and_agree_with_the_rows(repro):
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


def test_no_output_holds_a_path_of_this_machine_or_a_port(repro):
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


def test_git_is_clean_after_a_run_but_for_what_it_should_track(repro):
    checkout, _ = repro
    assert checkout.git("status", "--porcelain") == ""
    assert {"metrics.json", "dvc.lock"} <= set(checkout.git("ls-files").split())
    assert "submission.csv" not in checkout.git("ls-files")


def test_a_wandb_run_is_kept_offline_for_the_training_and_for_the_evaluation(repro):
    training, evaluation = sorted((repro[0].folder / "wandb").glob("offline-run-*/run-*.wandb"))
    assert b"model.safetensors" in training.read_bytes()
    assert b"report.html" in evaluation.read_bytes()
    assert b"worst_mistakes" in evaluation.read_bytes()


def test_nothing_runs_again_when_nothing_changed(repro):
    output = repro[0].dvc("repro")
    assert stages_run(output) == []
    assert "Data and pipelines are up to date." in output


def test_another_learning_rate_trains_and_reruns_what_follows_and_both_mhd_are_shown(repro):
    checkout, _ = repro
    before = checkout.json("metrics.json")["mhd"]
    output = checkout.dvc("exp", "run", "-S", "train.lr=1e-5")
    assert sorted(stages_run(output)) == [*AFTER_TRAINING, "train@1"]
    after = checkout.json("metrics.json")["mhd"]
    assert before < after, "a thousandth of the learning rate learns next to nothing"
    difference = json.loads(checkout.dvc("metrics", "diff", "--json"))["metrics.json"]["mhd"]
    assert (difference["old"], difference["new"]) == (before, after)
    checkout.restore()


def test_another_decoder_runs_no_model(repro):
    checkout, _ = repro
    checkout.set_params({"evaluate": {"decoder": "argmax"}, "submit": {"candidates": "tree"}})
    output = checkout.dvc("repro")
    assert sorted(stages_run(output)) == ["bundle", "evaluate", "submit"]
    metrics = checkout.json("metrics.json")
    assert metrics["mhd"] == metrics["mhd_argmax"]
    assert checkout.json("bundle/bundle.json")["decision"]["decoder"] == "argmax"
    checkout.restore()


def test_other_transforms_predict_again_but_do_not_train(repro):
    checkout, _ = repro
    checkout.set_params({"predict": {"transforms": "mirror"}, "evaluate": {"test_time_augmentation": "auto"}})
    assert sorted(stages_run(checkout.dvc("repro"))) == AFTER_TRAINING
    decoders = pd.read_csv(checkout.folder / "reports/decoders.csv")
    assert decoders["transforms"].drop_duplicates().tolist() == ["auto", "none", "mirror"]
    chosen = checkout.json("reports/calibration.json")["transforms"]
    assert chosen in (["identity"], ["identity", "flip_left_right"])
    checkout.restore()


def test_a_prediction_run_again_gives_the_same_bytes(repro):
    checkout, _ = repro
    paths = [checkout.folder / f"data/logits/{subset}.npz" for subset in ("train", "test")]
    before = [path.read_bytes() for path in paths]
    checkout.dvc("repro", "--single-item", "--force", "predict@train", "predict@test")
    assert [path.read_bytes() for path in paths] == before
    assert not list((checkout.folder / "cache/predict").iterdir())


def test_the_bundle_answers_for_the_test_frames_as_the_submission_does(repro, tmp_path):
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
    answers = pd.read_csv(checkout.folder / "submission.csv").set_index("annotation_id")["concept_name"]
    assert {number: one.name for number, one in zip(ids, predicted, strict=True)} == answers.to_dict()
    assert answers.nunique() > 3
    details = pd.read_csv(checkout.folder / "reports/predictions.csv").set_index("annotation_id").loc[ids]
    assert [one.confidence for one in predicted] == pytest.approx(details["confidence"].tolist(), abs=1e-4)


def test_a_touched_lineage_trains_again_but_does_not_crop(repro):
    checkout, _ = repro
    path = checkout.folder / "cache/taxonomy_reference.json"
    reference = json.loads(path.read_text())
    old_hash = reference["hash"]
    reference["concepts"]["Aurelia aurita"]["family"] = "Cyaneidae"
    path.write_text(json.dumps(reference, indent=2))
    output = checkout.dvc("repro")
    assert sorted(stages_run(output)) == [*AFTER_TRAINING, "taxonomy", "train@1"]
    kept = checkout.json("cache/taxonomy_reference.json")
    assert kept["concepts"]["Aurelia aurita"]["family"] == "Cyaneidae"
    assert kept["hash"] == checkout.json("metrics.json")["taxonomy_hash"] != old_hash
    checkout.restore()


TWO_PROCESSES = {
    "FATHOMLINE_LAUNCHER": "torchrun --standalone --nproc-per-node 2",
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
}


def test_a_launcher_trains_with_several_processes_of_which_one_speaks_and_writes(repro):
    checkout, _ = repro
    runs = set((checkout.folder / "wandb").glob("offline-run-*"))
    output = checkout.dvc("repro", "--single-item", "--force", "train@1", **TWO_PROCESSES)
    assert len(re.findall(r"^train fold 1: ", output, flags=re.MULTILINE)) == 1
    assert len(set((checkout.folder / "wandb").glob("offline-run-*")) - runs) == 1
    assert len(pd.read_csv(checkout.folder / "models/fold-1/history.csv")) == SMALL["train"]["epochs"]
    checkout.restore()
    output = checkout.dvc("repro")
    assert stages_run(output) == [], "how many processes trained is no part of the recipe"


def test_a_fault_under_a_launcher_is_told_once(repro):
    checkout, _ = repro
    checkout.set_params({"train": {"backbone": "resnet_51"}})
    output = checkout.dvc("repro", "--single-item", "train@1", fails=True, **TWO_PROCESSES)
    assert output.count("error: train.backbone is 'resnet_51'; expected a timm model") == 1
    checkout.restore()


def test_queued_experiments_run_and_keep_their_wandb_runs(repro):
    checkout, _ = repro
    runs = set((checkout.folder / "wandb").glob("offline-run-*"))
    for lr in ("0.01", "0.02"):
        checkout.dvc("exp", "run", "--queue", "-S", f"train.lr={lr}")
    checkout.dvc("queue", "start")
    checkout.wait_for_queue()
    shown = checkout.dvc("exp", "show", "--csv", "--only-changed")
    assert {"0.01", "0.02"} <= set(re.findall(r"0\.0\d", shown))
    assert len(set((checkout.folder / "wandb").glob("offline-run-*")) - runs) == 4, "two of each"


@pytest.mark.parametrize(
    ("stage", "change", "says"),
    [
        ("train@1", {"train": {"lr": "fast"}}, "params.yaml: train.lr is 'fast', expected a valid number"),
        ("crop@train", {"crop": {"zoom": 3}}, "params.yaml: crop.zoom is not a parameter"),
        ("split", {"split": {"folds": 1}}, "params.yaml: split.folds is 1, expected greater than or equal to 2"),
        ("train@9", {"split": {"held_out": [9]}}, "split.held_out has 9, but the folds in split.csv are 0, 1, 2"),
    ],
)
def test_a_bad_parameter_stops_its_stage_with_one_plain_line(repro, stage, change, says):
    checkout, _ = repro
    checkout.set_params(change)
    output = checkout.dvc("repro", "--single-item", stage, fails=True)
    assert f"error: {says}" in output
    assert "Traceback" not in output
    checkout.restore()
