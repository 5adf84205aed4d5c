"""Every ROI is answered or named, in the order of the input, even after interruptions."""

import errno
import os
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fathomline.answers.csv_writer import write_csv_answers
from fathomline.answers.page import AnswerPage
from fathomline.answers.predict_files import Counts, Job, predict_files
from fathomline.answers.table import AnswerTables
from fathomline.dataset.image_file import decode_image
from fathomline.decide.rule import DecisionRule
from fathomline.errors import InputError
from fathomline.inputs.pictures import read_picture
from fathomline.inputs.requests import FrameRequest, RoiRequest
from fathomline.predictor.choice import Choice
from fathomline.predictor.predictor import Predictor
from fathomline.rois.preprocessing import Preprocessing
from fathomline.taxonomy.ranks import RANKS
from tests.colored_crops import CLASSES
from tests.frames import tree

CHUNK = 4
COLOURS = {"Redsponge": (250, 10, 10), "Greenfish": (10, 250, 10), "Bluefish": (10, 10, 250)}


@dataclass
class ColourEngine:
    """Recognises the dominant colour of an ROI. Stops with an error at a given call, as if it was killed."""

    name: str = "colour"
    calls: int = 0
    fails_at: int | None = None

    def prepared(self, views: np.ndarray) -> np.ndarray:
        return views

    def logits(self, rois: np.ndarray, orientations: list[str]) -> dict[str, np.ndarray]:
        self.calls += 1
        if self.calls == self.fails_at:
            raise KeyboardInterrupt
        channels = rois.mean(axis=(1, 2, 3))[:, ::-1]  # blue, green, red, as in CLASSES
        return {"fold-0": (channels / 20)[None].astype(np.float32)}


@dataclass
class World:
    """Frames of 4 coloured squares of 10 px side by side, and what was opened and computed."""

    folder: Path
    taxonomy: object
    engine: ColourEngine = field(default_factory=ColourEngine)
    opened: Counter[str] = field(default_factory=Counter)

    def frame(self, name: str, *colours: str) -> str:
        pixels = np.concatenate([np.full((10, 10, 3), COLOURS[colour], dtype=np.uint8) for colour in colours], axis=1)
        path = self.folder / name
        Image.fromarray(pixels).save(path)
        return str(path)

    def open(self, request: FrameRequest):
        self.opened[Path(request.location).name] += 1
        return decode_image(read_picture(request.location))

    def job(self, frames: list[FrameRequest], **choice) -> Job:
        rule = DecisionRule("risk", "labels", 1.0, dict.fromkeys(map(str, RANKS), 0.5), "Bluefish", ["identity"])
        preprocessing = Preprocessing(views=(1.0,), size=16, square=False, padding="edge")
        bundle = SimpleNamespace(classes=CLASSES, decision=rule, preprocessing=preprocessing)
        return Job(Predictor(bundle, self.taxonomy, self.engine), frames, self.open, Choice(**choice))


@pytest.fixture
def world(tmp_path, taxonomy, monkeypatch) -> World:
    monkeypatch.setattr("fathomline.predictor.stream.LARGEST_CHUNK", CHUNK)
    return World(tmp_path, taxonomy)


def squares(path: str, rows: dict[int, int], **more) -> FrameRequest:
    """A frame with a box around its square `place` for each row -> place."""
    rois = tuple(RoiRequest(row, [10 * place, 0, 10, 10], **more) for row, place in rows.items())
    return FrameRequest(Path(path).name, path, rois)


@pytest.fixture
def frames(world) -> list[FrameRequest]:
    """Three frames with eleven ROIs, whose rows are mixed."""
    one = world.frame("one.png", "Redsponge", "Greenfish", "Bluefish", "Redsponge")
    two = world.frame("two.png", "Greenfish", "Greenfish", "Redsponge", "Bluefish")
    three = world.frame("three.png", "Bluefish", "Redsponge", "Greenfish")
    return [
        squares(one, {0: 0, 9: 1, 2: 2, 3: 3}),
        squares(two, {1: 0, 4: 1, 8: 2, 10: 3}),
        squares(three, {5: 0, 6: 1, 7: 2}),
    ]


IN_ORDER = ["Redsponge", "Greenfish", "Bluefish", "Redsponge", "Greenfish", "Bluefish", "Redsponge", "Greenfish"]
IN_ORDER += ["Redsponge", "Greenfish", "Bluefish"]


def answered(path: Path) -> list[str]:
    return pd.read_csv(path)["concept_name"].tolist()


def test_answers_are_in_the_order_of_the_input_and_a_frame_is_opened_once(world, frames, tmp_path):
    counts = predict_files(world.job(frames), tmp_path / "out.csv", write_csv_answers)
    assert counts == Counts(11, 0)
    assert answered(tmp_path / "out.csv") == IN_ORDER
    assert world.opened == {"one.png": 1, "two.png": 1, "three.png": 1}
    assert world.engine.calls == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "out.csv", "three.png", "two.png"]


@pytest.mark.parametrize("stopped_at", [1, 2, 3])
def test_a_run_that_was_stopped_continues_and_ends_in_the_same_bytes(world, frames, tmp_path, stopped_at):
    predict_files(world.job(frames), tmp_path / "whole.csv", write_csv_answers)
    world.engine = ColourEngine(fails_at=stopped_at)
    with pytest.raises(KeyboardInterrupt):
        predict_files(world.job(frames), tmp_path / "out.csv", write_csv_answers)
    assert not (tmp_path / "out.csv").exists()
    world.engine = ColourEngine()
    predict_files(world.job(frames), tmp_path / "out.csv", write_csv_answers)
    assert world.engine.calls == 4 - stopped_at
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_what_was_predicted_before_a_picture_changed_is_not_used(world, frames, tmp_path):
    world.engine.fails_at = 3
    with pytest.raises(KeyboardInterrupt):
        predict_files(world.job(frames), tmp_path / "out.csv", write_csv_answers)
    world.frame("one.png", "Bluefish", "Bluefish", "Bluefish", "Bluefish")
    os.utime(tmp_path / "one.png", ns=(0, 0))
    predict_files(world.job(frames), tmp_path / "out.csv", write_csv_answers)
    assert answered(tmp_path / "out.csv")[:3] == ["Bluefish", "Greenfish", "Bluefish"]


def test_a_damaged_chunk_is_predicted_again(world, frames, tmp_path):
    world.engine.fails_at = 3
    with pytest.raises(KeyboardInterrupt):
        predict_files(world.job(frames), tmp_path / "out.csv", write_csv_answers)
    (tmp_path / "out.csv.partial/chunk-0000001.npz").write_bytes(b"PK damaged")
    predict_files(world.job(frames), tmp_path / "out.csv", write_csv_answers)
    assert answered(tmp_path / "out.csv") == IN_ORDER


def test_rows_that_cannot_be_answered_are_named_with_a_reason(world, frames, tmp_path):
    unusable = [
        FrameRequest("none.png", str(tmp_path / "none.png"), (RoiRequest(11), RoiRequest(12, [0, 0, 1, 1]))),
        FrameRequest("one.png", frames[0].location, (RoiRequest(13, [50, 0, 5, 5]), RoiRequest(14, None, 7, "t"))),
        FrameRequest("one.png", frames[0].location, (RoiRequest(15, [0, 0, 5, 5], reason="row 3 has no width"),)),
    ]
    counts = predict_files(world.job([*frames, *unusable]), tmp_path / "out.csv", write_csv_answers)
    assert counts == Counts(12, 4, "cannot be read: No such file or directory")
    skipped = pd.read_csv(tmp_path / "out.csv.skipped.csv", keep_default_na=False)
    assert skipped["path"].tolist() == ["none.png", "none.png", "one.png", "one.png"]
    assert skipped["reason"].tolist() == [
        "cannot be read: No such file or directory",
        "cannot be read: No such file or directory",
        "box lies outside the frame of 40x10 pixels",
        "row 3 has no width",
    ]
    last = pd.read_csv(tmp_path / "out.csv").iloc[-1]
    assert (last["annotation_id"], last["track"], last["frame_w"]) == (7, "t", 40)
    assert np.isnan(last["x"]), "the whole picture"
    predict_files(world.job(frames), tmp_path / "out.csv", write_csv_answers, overwrite=True)
    assert not (tmp_path / "out.csv.skipped.csv").exists(), "none was skipped this time"


def test_other_answers_are_replaced_only_on_request_and_nothing_is_computed_twice(world, frames, tmp_path, capsys):
    predict_files(world.job(frames), tmp_path / "out.csv", write_csv_answers)
    before = (tmp_path / "out.csv").read_bytes()
    predict_files(world.job(frames), tmp_path / "out.csv", write_csv_answers)
    assert "it will not be replaced by other answers without --overwrite" in capsys.readouterr().err
    calls = world.engine.calls
    with pytest.raises(InputError, match=r"out.csv: exists and has other content; add --overwrite"):
        predict_files(world.job(frames, within="Redsponge"), tmp_path / "out.csv", write_csv_answers)
    assert (tmp_path / "out.csv").read_bytes() == before
    predict_files(world.job(frames, within="Redsponge"), tmp_path / "out.csv", write_csv_answers, overwrite=True)
    assert set(answered(tmp_path / "out.csv")) == {"Redsponge"}
    assert world.engine.calls == calls + 3, "the second choice uses what the first one predicted"


def test_two_runs_never_write_one_file_at_once(world, frames, tmp_path):
    def start_another(tables, path):
        with pytest.raises(InputError, match=r"out.csv.partial: another run is writing there"):
            predict_files(world.job(frames[:1]), tmp_path / "out.csv", write_csv_answers)
        write_csv_answers(tables, path)

    predict_files(world.job(frames), tmp_path / "out.csv", start_another)
    assert answered(tmp_path / "out.csv") == IN_ORDER
    predict_files(world.job(frames[:1]), tmp_path / "out.csv", write_csv_answers, overwrite=True)


@pytest.mark.parametrize("name", ["out.csv", "out.csv.skipped.csv"])
def test_a_folder_in_place_of_the_answers_is_refused_before_anything_is_predicted(world, frames, tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=f"{name} is a folder, expected a file"):
        predict_files(world.job(frames), tmp_path / "out.csv", write_csv_answers)
    assert world.engine.calls == 0
    assert not (tmp_path / "out.csv.partial").exists()


def test_files_of_others_in_place_of_the_finished_chunks_are_left_alone(world, frames, tmp_path):
    (tmp_path / "out.csv.partial").mkdir()
    (tmp_path / "out.csv.partial/thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"found thesis.txt; move it away"):
        predict_files(world.job(frames), tmp_path / "out.csv", write_csv_answers)
    assert (tmp_path / "out.csv.partial/thesis.txt").read_text() == "mine"
    (tmp_path / "page").write_text("mine")
    with pytest.raises(InputError, match=r"page: expected a folder, found a file"):
        predict_files(replace(world.job(frames), page=Page(tmp_path / "page")), tmp_path / "c.csv", write_csv_answers)
    assert not (tmp_path / "c.csv.partial").exists()
    (tmp_path / "b.csv.partial").write_text("mine")
    with pytest.raises(InputError, match=r"b.csv.partial: expected a folder, found a file; move it away"):
        predict_files(world.job(frames), tmp_path / "b.csv", write_csv_answers)


def test_a_full_disk_leaves_no_file_and_loses_nothing(world, frames, tmp_path):
    def full(tables, path):
        path.write_bytes(b"begun")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        predict_files(world.job(frames), tmp_path / "out.csv", full)
    assert not (tmp_path / "out.csv").exists()
    predict_files(world.job(frames), tmp_path / "out.csv", write_csv_answers)
    assert world.engine.calls == 3
    assert answered(tmp_path / "out.csv") == IN_ORDER


def test_rois_of_a_track_share_one_answer(world, tmp_path):
    path = world.frame("one.png", "Greenfish", "Greenfish", "Redsponge", "Bluefish")
    tracked = [squares(path, {0: 0}, track="a"), squares(path, {1: 3}), squares(path, {2: 1, 3: 2}, track="a")]
    predict_files(world.job(tracked), tmp_path / "out.csv", write_csv_answers)
    table = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert table["concept_name"].tolist() == ["Greenfish", "Bluefish", "Greenfish", "Redsponge"]
    assert table["track_concept_name"].tolist() == ["Greenfish", "", "Greenfish", "Greenfish"]
    logits = np.array([[0.5, 12.5, 0.5]] * 2 + [[0.5, 0.5, 12.5]])
    mean = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).mean(axis=0)
    share = np.exp(mean[1]) / np.exp(mean).sum()
    assert float(table["track_confidence"][0]) == pytest.approx(share, abs=1e-3), "squares blend at their edges"


def test_a_frame_with_more_boxes_than_a_chunk_is_cut_in_parts(world, tmp_path):
    path = world.frame("one.png", "Redsponge", "Greenfish", "Bluefish", "Redsponge")
    many = [squares(path, {row: row % 4 for row in range(11)})]
    assert predict_files(world.job(many), tmp_path / "out.csv", write_csv_answers) == Counts(11, 0)
    assert world.engine.calls == 3


@pytest.mark.parametrize(
    ("box", "fractions"), [([0, 0, 1e308, 1e308], True), ([-1e308, -1e308, 1.7e308, 1.7e308], False)]
)
def test_a_box_whose_size_or_area_no_format_can_hold_is_skipped(world, tmp_path, box, fractions):
    path = world.frame("one.png", "Redsponge", "Greenfish")
    rois = (RoiRequest(0, box), RoiRequest(1, None))
    counts = predict_files(
        world.job([replace(squares(path, {}), rois=rois, fractions=fractions)]), tmp_path / "out.csv", write_csv_answers
    )
    assert counts == Counts(1, 1, f"box is {box}, which is too large")
    assert pd.read_csv(tmp_path / "out.csv.skipped.csv")["reason"][0] == f"box is {box}, which is too large"


def test_boxes_may_be_fractions_of_the_picture(world, tmp_path):
    path = world.frame("one.png", "Redsponge", "Greenfish", "Bluefish", "Redsponge")
    frame = replace(squares(path, {}), rois=(RoiRequest(0, [0.25, 0, 0.25, 1]),), fractions=True)
    predict_files(world.job([frame]), tmp_path / "out.csv", write_csv_answers)
    row = pd.read_csv(tmp_path / "out.csv").iloc[0]
    assert (row["concept_name"], *row[["x", "y", "w", "h"]]) == ("Greenfish", 10, 0, 10, 10)


@dataclass
class Page:
    """Notes what it is given."""

    folder: Path
    keys: list[str] = field(default_factory=list)
    seen: dict[int, tuple[int, ...]] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)
    finished: bool = False

    def begin(self, key: str) -> None:
        self.keys.append(key)

    def observe(self, request: RoiRequest, views: np.ndarray) -> None:
        self.seen[request.row] = views.shape

    def add(self, tables: AnswerTables) -> None:
        self.rows += [*tables.answered["row"], *tables.skipped["row"]]

    def finish(self) -> None:
        self.finished = True


def test_a_page_receives_each_roi_with_its_views_and_its_answer(world, frames, tmp_path):
    page = Page(tmp_path / "page")
    predict_files(replace(world.job(frames), page=page), tmp_path / "out.csv", write_csv_answers)
    assert page.seen == dict.fromkeys(range(11), (1, 16, 16, 3))
    assert sorted(page.rows) == list(range(11))
    assert page.finished
    assert len(page.keys) == 1


def test_the_page_of_a_run_that_was_stopped_is_the_same(world, frames, tmp_path):
    for name, stopped_at in (("whole", None), ("stopped", 2)):
        world.engine.calls, world.engine.fails_at = 0, stopped_at
        job = replace(world.job(frames), page=AnswerPage(tmp_path / name, "model"))
        if stopped_at is not None:
            with pytest.raises(KeyboardInterrupt):
                predict_files(job, tmp_path / f"{name}.csv", write_csv_answers)
            job = replace(job, page=AnswerPage(tmp_path / name, "model"))
        predict_files(job, tmp_path / f"{name}.csv", write_csv_answers)
    whole, stopped = tree(tmp_path / "whole"), tree(tmp_path / "stopped")
    assert whole.pop("page.json") != stopped.pop("page.json")  # its key depends on the folder
    assert whole == stopped
    assert sum(name.endswith(".jpg") for name in whole) == 11


def test_an_input_without_rois_is_refused(world, tmp_path):
    with pytest.raises(InputError, match="no pictures and no boxes; nothing was written"):
        predict_files(world.job([]), tmp_path / "out.csv", write_csv_answers)
    assert list(tmp_path.iterdir()) == []
