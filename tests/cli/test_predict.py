"""`fathomline predict` from the command line, on a bundle of untrained models."""

import csv
import io
import json

import pytest

from fathomline.cli import main
from tests.bundle.world import BOXES


@pytest.fixture
def boxes(trained, tmp_path):
    """A CSV of boxes of the test subset."""
    path = tmp_path / "boxes.csv"
    with open(path, "w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["path", "x", "y", "w", "h"])
        rows.writerows([f"{number}.png", *box] for number, boxes in BOXES.items() for box in boxes)
    return path


def predicted(bundle, *arguments) -> int:
    return main(["predict", str(bundle), *map(str, arguments)])


def rows_of(path) -> list[dict[str, str]]:
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_answers_are_those_of_the_pipeline_and_one_box_is_skipped(trained, bundle, boxes, tmp_path, capsys):
    output = tmp_path / "out.csv"
    assert predicted(bundle, boxes, "--images", trained.raw / "images", "--output", output) == 3
    reason = "box lies outside the frame of 40x30 pixels"
    assert capsys.readouterr().out == f"{output}: 4 answers, 1 skipped ({reason}), see {output}.skipped.csv\n"
    expected = trained.answers().query("seen")
    assert [row["concept_name"] for row in rows_of(output)] == expected["concept_name"].tolist()
    assert [row["path"] for row in rows_of(tmp_path / "out.csv.skipped.csv")] == ["2.png"]


def test_a_single_answer_is_counted_in_the_singular(trained, bundle, tmp_path, capsys):
    output = tmp_path / "out.csv"
    assert predicted(bundle, trained.raw / "images/1.png", "--output", output) == 0
    assert capsys.readouterr().out == f"{output}: 1 answer\n"


def test_a_coco_file_gives_the_same_answers(trained, bundle, tmp_path):
    inputs = [trained.raw / "dataset.json", "--images", trained.raw / "images"]
    assert predicted(bundle, *inputs, "--output", tmp_path / "out.csv", "--top", 2) == 3
    answered = {int(row["annotation_id"]): row["concept_name"] for row in rows_of(tmp_path / "out.csv")}
    expected = trained.answers().query("seen")
    assert answered == dict(zip(expected["annotation_id"], expected["concept_name"], strict=True))
    assert float(rows_of(tmp_path / "out.csv")[0]["probability_2"]) > 0


def test_answers_are_limited_by_a_file_of_taxa_and_a_rank_floor(trained, bundle, boxes, tmp_path):
    (tmp_path / "taxa.txt").write_text("Sebastes\n\n")
    limits = ["--taxa", tmp_path / "taxa.txt", "--rank-floor", "genus", "--output", tmp_path / "out.jsonl"]
    assert predicted(bundle, boxes, "--images", trained.raw / "images", *limits) == 3
    answers = [json.loads(line)["answer"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {(answer["concept_name"], answer["rank"]) for answer in answers} == {("Sebastes", "genus")}


def test_a_long_list_of_taxa_is_not_taken_for_a_file(trained, bundle, boxes, tmp_path):
    limits = ["--taxa", ",".join(["Sebastes"] * 1000), "--output", tmp_path / "out.csv"]
    assert predicted(bundle, boxes, "--images", trained.raw / "images", *limits) == 3
    assert {row["genus"] for row in rows_of(tmp_path / "out.csv")} == {"Sebastes"}


def test_if_nothing_can_be_answered_the_status_is_two(bundle, tmp_path):
    assert predicted(bundle, tmp_path / "none.png", "--output", tmp_path / "out.csv") == 2
    assert rows_of(tmp_path / "out.csv") == []
    assert rows_of(tmp_path / "out.csv.skipped.csv")[0]["reason"] == "cannot be read: No such file or directory"


def test_a_usage_error_is_one_line_and_has_the_status_of_errors(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["predict", "bundle", "some.png"])
    assert stopped.value.code == 1
    message = "error: the following arguments are required: --output; see `fathomline predict --help`\n"
    assert capsys.readouterr().err == message


def test_ctrl_c_is_reported_without_a_traceback(bundle, tmp_path, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("fathomline.answers.predict_files.predict_files", interrupted)
    assert predicted(bundle, tmp_path / "none.png", "--output", tmp_path / "out.csv") == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_name_that_the_terminal_cannot_show_is_escaped(bundle, tmp_path, monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", terminal)
    assert predicted(bundle, tmp_path / "none.png", "--output", tmp_path / "fisk-ø.csv") == 2
    assert b"fisk-\\xf8.csv: 0 answers" in terminal.buffer.getvalue()


def test_a_report_shows_the_answers(trained, bundle, tmp_path):
    pictures = [trained.raw / f"images/{number}.png" for number in BOXES]
    assert predicted(bundle, *pictures, "--output", tmp_path / "out.csv", "--report", tmp_path / "report") == 0
    assert "test-model" in (tmp_path / "report/index.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--taxa", "Sebastse"], "cannot answer 'Sebastse' (nearest: Sebastes"),
        (["--taxa", " , "], "--taxa: ' , ' has no name"),
        (["--within", "Chordata", "--taxa", "Redsponge"], "none of Redsponge lies within Chordata"),
        (["--format", "dwc", "--metadata", "none.csv"], "none.csv: no such file"),
        (["--metadata", "none.csv"], "none.csv: no such file"),
        (["--images", "none"], "none: no such folder"),
    ],
)
def test_a_wrong_option_is_one_line_and_leaves_no_file(bundle, tmp_path, capsys, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    assert predicted(bundle, "some.png", "--output", "out.csv", *arguments) == 1
    message = capsys.readouterr().err
    assert says in message
    assert message.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "says"),
    [("missing", "no such file or folder"), ("photo.xlsx", "no such file or folder"), ("damaged", "damaged")],
)
def test_a_bundle_that_cannot_be_used_is_one_line(bundle, tmp_path, capsys, name, says):
    if name == "damaged":
        weights = bundle / "fold-0.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1] + b"x")
        tmp_path = bundle.parent
        bundle.rename(tmp_path / name)
    assert main(["predict", str(tmp_path / name), "some.png", "--output", str(tmp_path / "out.csv")]) == 1
    message = capsys.readouterr().err
    assert says in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out.csv").exists()
