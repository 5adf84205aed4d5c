"""The DAG as a user runs it: DVC on a copy of this checkout, with a small reef."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
import yaml

import fathomline
from fathomline.reef.reef import Reef

ROOT = Path(__file__).parent.parent
FRAMES = 64
SMALL = {
    "source": {"reef_frames": FRAMES},
    "split": {"folds": 3},
    "train": {"epochs": 24, "batch_size": 16, "folds": [1], "image_size": 32},
    "crop": {"size": 36},
}

OWN_LINEAGES = """\
concept_name,aphia_id,rank,kingdom,phylum,class,order,family,genus,species
Aurelia aurita,135306,species,Animalia,Cnidaria,Scyphozoa,Semaeostomeae,Ulmaridae,Aurelia,Aurelia aurita
Bathochordaeus,,genus,Animalia,Chordata,Appendicularia,Copelata,Oikopleuridae,Bathochordaeus,
Octopoda,,order,Animalia,Mollusca,Cephalopoda,Octopoda,,,
"""


class Checkout:
    """A git clone of its own, and the commands that a user types in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("stages", "fathomline", "presets"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("dvc.yaml", ".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        (folder / "params.yaml").write_text((ROOT / "presets/reef.yaml").read_text())
        self.set_params(SMALL)
        for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "start"]):
            self.git(*command)

    def set_params(self, changes: dict) -> None:
        params = yaml.safe_load((self.folder / "params.yaml").read_text())
        for section, values in changes.items():
            params[section] |= values
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    def run(self, *command: str, fails: bool = False, **variables: str) -> str:
        """Standard output and error of a command, as one text; its exit status must be as foretold."""
        hidden = ("DVC_", "WANDB_", "GIT_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        environment |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}",
            **variables,
            **{f"GIT_{role}_{field}": "a@b.c" for role in ("AUTHOR", "COMMITTER") for field in ("NAME", "EMAIL")},
        }
        done = subprocess.run(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert (done.returncode != 0) == fails, done.stdout
        return done.stdout

    def git(self, *arguments: str) -> str:
        return self.run("git", *arguments)

    def dvc(self, *arguments: str, fails: bool = False, **variables: str) -> str:
        return self.run("dvc", *arguments, fails=fails, **variables)

    def restore(self) -> None:
        """Back to the last commit, outputs included."""
        self.git("checkout", "--quiet", ".")
        self.dvc("checkout", "--quiet", "--force")

    def wait_for_queue(self, seconds: float = 180) -> None:
        deadline = time.monotonic() + seconds
        while re.search(r"Queued|Running", status := self.dvc("queue", "status")):
            assert time.monotonic() < deadline, status
            time.sleep(1)
        assert "Failed" not in status

    def json(self, name: str) -> dict:
        return json.loads((self.folder / name).read_text())


def stages_run(output: str) -> list[str]:
    return re.findall(r"^Running stage '(.+)':$", output, flags=re.MULTILINE)


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
    assert output.count("error: train.backbone is 'resnet_51'; expected a model of timm") == 1
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
        ("train@9", {"train": {"folds": [9]}}, "train.folds has 9, but split.csv holds the folds 0, 1, 2"),
    ],
)
def test_a_bad_parameter_stops_its_stage_with_one_plain_line(repro, stage, change, says):
    checkout, _ = repro
    checkout.set_params(change)
    output = checkout.dvc("repro", "--single-item", stage, fails=True)
    assert f"error: {says}" in output
    assert "Traceback" not in output
    checkout.restore()


@pytest.fixture
def served(tmp_path):
    """A folder with the reef as a COCO data set of files, and the URL at which it is served."""
    reef = Reef(12, seed=3)
    for subset in ("train", "test"):
        content = reef.coco(subset)
        (tmp_path / "images").mkdir(exist_ok=True)
        for image in content["images"]:
            frame = reef.frame(subset, image["id"])
            image["file_name"] = f"{subset}-{image['id']}.png"
            image["coco_url"] = f"images/{image['file_name']}"
            (tmp_path / "images" / image["file_name"]).write_bytes(frame)
        (tmp_path / f"{subset}.json").write_text(json.dumps(content))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield tmp_path, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_coco_file_of_ones_own_gives_the_same_crops_by_http_and_from_a_folder(served, tmp_path_factory):
    folder, url = served
    checkout = Checkout(tmp_path_factory.mktemp("own"))
    # The three names that the snapshot lacks are the user's own here: WoRMS is not asked.
    lineages = folder / "lineages.csv"
    lineages.write_text(OWN_LINEAGES)
    outputs = []
    roads = [
        {"train": f"{url}/train.json", "test": f"{url}/test.json", "images": None},
        {"train": f"{folder}/train.json", "test": f"{folder}/test.json", "images": f"{folder}/images"},
    ]
    for road in roads:
        checkout.set_params(
            {
                "source": {"name": "coco", **road},
                "download": {"allow_private_hosts": True},
                "taxonomy": {"lineages": str(lineages), "offline": True},
            }
        )
        assert {"download@train", "crop@train", "taxonomy"} <= set(
            stages_run(checkout.dvc("repro", "split", "taxonomy"))
        )
        crops = checkout.folder / "data/crops/train"
        outputs.append({path.relative_to(crops): path.read_bytes() for path in crops.rglob("*") if path.is_file()})
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) > 12
