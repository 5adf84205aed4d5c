"""A loaded bundle predicts the same as the pipeline."""

import doctest
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fathomline
from fathomline.errors import InputError
from fathomline.predictor.choice import Choice
from fathomline.predictor.prediction import Prediction
from fathomline.taxonomy.ranks import RANKS
from tests.bundle.world import BOXES
from tests.frames import picture

ROOT = Path(__file__).parents[2]


def same(predicted: list[Prediction], table) -> bool:
    """Whether predictions match the rows of predictions.csv."""
    rows = table.to_dict("records")
    assert len(predicted) == len(rows)
    for one, row in zip(predicted, rows, strict=True):
        assert (one.name, one.accepted_name, one.rank) == (row["concept_name"], row["accepted_name"], row["rank"])
        assert one.seen == row["seen"]
        assert one.lineage == {str(rank): row[rank] for rank in RANKS if row[rank]}
        if one.seen:
            assert one.confidence == pytest.approx(row["confidence"], abs=1e-5)
            expected = {rank: row[f"{rank}_probability"] for rank in one.lineage}
            assert one.probabilities == pytest.approx(expected, abs=1e-5)
    return True


def test_a_bundle_predicts_the_same_as_the_pipeline(trained, bundle):
    model = fathomline.load(bundle)
    frames = [trained.raw / f"images/{number}.png" for number in BOXES]
    predicted = model.predict(frames, list(BOXES.values()))
    assert same(predicted, trained.answers())
    assert [one.image for one in predicted] == [0, 0, 1, 1, 2]
    assert predicted[0].box == (2, 3, 12, 9)
    assert len({one.name for one in predicted if one.seen}) > 1, "equal answers would hide mixed-up rows"
    outside = predicted[3]
    assert not outside.seen
    assert (outside.name, outside.confidence, outside.probabilities) == ("Redsponge", None, {})
    assert outside.reason == "box lies outside the frame of 40x30 pixels"


def test_without_boxes_the_whole_picture_is_one_roi(trained, bundle):
    model = fathomline.load(bundle)
    path = trained.raw / "images/1.png"
    by_path, by_picture, by_array = model.predict([path, Image.open(path), np.asarray(Image.open(path))])
    boxed = model.predict([path], [[(0, 0, 40, 30)]])[0]
    assert by_path.probabilities == by_picture.probabilities == by_array.probabilities
    assert by_path.probabilities == pytest.approx(boxed.probabilities, abs=1e-6)
    assert (by_path.box, boxed.box) == (None, (0, 0, 40, 30))


def test_unreadable_pictures_and_invalid_boxes_get_a_reason(trained, bundle, tmp_path):
    model = fathomline.load(bundle)
    (tmp_path / "text.png").write_text("no picture")
    wrong = np.zeros((4, 4), dtype=np.uint8)
    predicted = model.predict(
        [
            tmp_path / "none.png",
            tmp_path / "text.png",
            wrong,
            trained.raw / "images/1.png",
            trained.raw / "images/1.png",
        ],
        [None, None, None, [(0, 0, float("nan"), 3)], []],
    )
    assert [one.seen for one in predicted] == [False] * 4
    reasons = ["No such file", "not an image", "array is uint8 of shape (4, 4)", "box has nan"]
    assert all(reason in one.reason for one, reason in zip(predicted, reasons, strict=True))
    assert model.predict([]) == []
    with pytest.raises(InputError, match="`boxes` has 1 entries for 2 images"):
        model.predict(["a", "b"], [None])


@pytest.mark.parametrize("kind", ["grey, 16 bits", "transparent", "on its side", "CMYK"])
def test_a_file_and_an_opened_picture_give_the_same_prediction(bundle, tmp_path, kind):
    model, path, original = fathomline.load(bundle), tmp_path / "picture.png", picture(40, 30, 7)
    if kind == "grey, 16 bits":
        Image.fromarray(np.asarray(original.convert("L")).astype(np.uint16) * 257).save(path)
    elif kind == "transparent":
        original.putalpha(Image.fromarray(np.tile(np.arange(40, dtype=np.uint8) * 6, (30, 1))))
        original.save(path)
    elif kind == "CMYK":
        path = tmp_path / "picture.jpg"
        original.convert("CMYK").save(path)
    else:
        exif = Image.Exif()
        exif[0x0112] = 6
        original.save(path, exif=exif)
    boxes = [[(3, 2, 20, 24)]] * 2
    for sizes in (None, [(40, 30)] * 2, np.array([[40, 30]] * 2)):
        by_path, opened = model.predict([path, Image.open(path)], boxes, sizes)
        assert by_path.seen
        assert by_path.probabilities == opened.probabilities


def test_boxes_may_be_any_iterables_of_numbers(trained, bundle):
    model, frame = fathomline.load(bundle), trained.raw / "images/1.png"
    plain = model.predict([frame], [BOXES[1]])
    for boxes in ([iter(BOXES[1])], iter([BOXES[1]]), np.array([BOXES[1]]), [list(map(np.array, BOXES[1]))]):
        given = model.predict(iter([frame]), boxes)
        assert [one.probabilities for one in given] == [one.probabilities for one in plain]
        assert json.dumps([one.box for one in given]) == json.dumps(BOXES[1])
    stacked = np.stack([np.asarray(Image.open(frame))] * 2)
    assert len(model.predict(stacked)) == 2


@pytest.mark.parametrize(
    ("images", "boxes", "says"),
    [
        ("frame.png", None, r"`images` is 'frame.png', expected a list of pictures"),
        (Path("frame.png"), None, r"`images` is .*expected a list of pictures"),
        (np.zeros((4, 4, 3), dtype=np.uint8), None, "expected a list of pictures"),
        (picture(), None, "expected a list of pictures"),
        (3, None, r"`images` is 3, expected a list"),
        ([b"bytes"], None, r"`images\[0\]` is b'bytes', expected a path"),
        ([None], None, r"`images\[0\]` is null, expected a path"),
        (["frame.png"], [3], "`boxes` has 3 for a picture, expected a list of boxes"),
        (["frame.png"], 3, "`boxes` is 3, expected a list"),
    ],
)
def test_arguments_of_the_wrong_type_are_refused(bundle, images, boxes, says):
    with pytest.raises(InputError, match=says) as error:
        fathomline.load(bundle).predict(images, boxes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"sizes": 3}, "`sizes` is 3, expected a list"),
        ({"sizes": [3]}, r"`sizes` has 3, expected \(width, height\)"),
        ({"sizes": [(float("nan"), 1)]}, r"`sizes` has \(nan, 1\)"),
        ({"choice": "Porifera"}, "`choice` is 'Porifera', expected a Choice"),
    ],
)
def test_sizes_and_a_choice_of_the_wrong_type_are_refused(bundle, arguments, says):
    with pytest.raises(InputError, match=says):
        fathomline.load(bundle).predict(["frame.png"], **arguments)


@pytest.mark.parametrize(
    ("source", "says"),
    [(None, "null, expected its path"), (3, "3, expected its path"), ("a" * 5000, "no such file")],
)
def test_what_is_no_path_of_a_bundle_is_refused(source, says):
    with pytest.raises(InputError, match=says):
        fathomline.load(source)


def test_boxes_that_are_not_nested_get_a_reason(trained, bundle):
    predicted = fathomline.load(bundle).predict([trained.raw / "images/1.png"], [[2, 3, 12, 9]])
    assert [one.seen for one in predicted] == [False] * 4
    assert predicted[0].reason == "box is 2, expected [x, y, width, height]"
    closed = Image.open(trained.raw / "images/1.png")
    closed.close()
    assert "broken image" in fathomline.load(bundle).predict([closed])[0].reason


def test_predictions_of_several_batches_keep_their_order(trained, bundle, monkeypatch):
    model = fathomline.load(bundle)
    frames = [trained.raw / f"images/{number}.png" for number in BOXES]
    single_batch = model.predict(frames, list(BOXES.values()))
    monkeypatch.setattr("fathomline.predictor.stream.LARGEST_CHUNK", 2)
    for one, other in zip(single_batch, model.predict(frames, list(BOXES.values())), strict=True):
        assert one.name == other.name
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_several_threads_get_the_answers_of_one(trained, bundle):
    model = fathomline.load(bundle)
    frames = [trained.raw / f"images/{number}.png" for number in BOXES]
    opened = [Image.open(frame) for frame in frames]
    expected = model.predict(frames, list(BOXES.values()))
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(model.predict, pictures, list(BOXES.values())) for pictures in [frames, opened] * 6]
    for future in futures:
        assert future.result() == expected


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not fork by default")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_gets_the_same_answers(trained, bundle):
    model = fathomline.load(bundle, "torch")
    frames = [trained.raw / "images/1.png"]
    expected = model.predict(frames)
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    process = fork.Process(target=lambda: answers.put(model.predict(frames)), daemon=True)
    process.start()
    try:
        assert answers.get(timeout=30) == expected
    finally:
        process.kill()


def test_predictions_become_a_table(trained, bundle):
    model = fathomline.load(bundle)
    frames = [trained.raw / "images/1.png", trained.raw / "images/2.png"]
    predicted = model.predict(frames, [BOXES[1], None], choice=Choice(top=2))
    table = predicted.to_pandas()
    assert table["image"].tolist() == [0, 0, 1]
    assert table["concept_name"].tolist() == [one.name for one in predicted]
    assert table["phylum_probability"].tolist() == [one.probabilities["phylum"] for one in predicted]
    assert [tuple(row) for row in table[["concept_2", "probability_2"]].to_numpy()] == [
        one.most_probable[1] for one in predicted
    ]
    assert table["w"].tolist()[:2] == [12, 30]
    assert np.isnan(table["w"][2])
    assert list(model.predict([]).to_pandas().columns) == list(model.predict(frames).to_pandas().columns)


def test_answers_can_be_limited_to_a_clade(trained, bundle, tmp_path):
    model = fathomline.load(bundle)
    pictures = [trained.raw / f"images/{number}.png" for number in BOXES] + [tmp_path / "none.png"]
    predicted = model.predict(pictures, choice=Choice(within="Sebastes"))
    assert all(one.lineage["genus"] == "Sebastes" for one in predicted)
    assert [one.seen for one in predicted] == [True, True, True, False]


def test_the_example_of_load_gives_what_it_shows(trained, bundle, monkeypatch):
    shutil.copy(trained.raw / "images/1.png", bundle.parent / "frame.png")
    monkeypatch.chdir(bundle.parent)
    results = doctest.testmod(fathomline)
    assert results.attempted > 4
    assert results.failed == 0


def test_importing_the_package_imports_nothing_that_takes_long():
    script = "import sys, fathomline; print(sorted({'numpy', 'pandas', 'pydantic', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_bundle_works_outside_the_repository(trained, bundle, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(bundle, elsewhere / "bundle")
    shutil.copy(trained.raw / "images/1.png", elsewhere / "1.png")
    script = (
        "import sys, fathomline\n"
        "answer = fathomline.load('bundle').predict(['1.png'], [[(2, 3, 12, 9)]])[0]\n"
        "unwanted = {'dvc', 'peft', 'sklearn', 'plotly'} & set(sys.modules)\n"
        "print(answer.name, sorted(unwanted))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=elsewhere, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"{trained.answers()['concept_name'][0]} []"
