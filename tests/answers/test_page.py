"""The page of answers as files: every answer is on it, an earlier page is replaced, and other folders are untouched."""

import errno
import json
import re
import threading
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fathomline.answers.page import AnswerPage
from fathomline.errors import InputError
from fathomline.inputs.requests import RoiRequest
from fathomline.report.labels import visible
from fathomline.taxonomy.ranks import RANKS
from tests.answers.page_world import KEY, ROIS, observe_all, tables, views, write_page
from tests.frames import tree
from tests.report.conftest import HOSTILE_PATHS, PATHS, taxonomy_of

TAXONOMY = taxonomy_of(PATHS)
FRAMES = ["dive/one.jpg", "dive/two.jpg"]


def data_of(folder: Path) -> dict:
    text = (folder / "index.html").read_text(encoding="utf-8")
    return json.loads(text.split('id="data">')[1].split("</script>")[0])


def columns_of(folder: Path, kind: str) -> list[list]:
    """The columns of all files of a kind, with their texts in place."""
    files = sorted((folder / "data").glob(f"{kind}-*.js"), key=lambda file: int(file.stem.split("-")[1]))
    columns: list[list] = []
    for number, file in enumerate(files):
        found = re.fullmatch(rf'loaded\("{kind}",{number},(.*)\);\n', file.read_text(encoding="utf-8"))
        read = json.loads(found[1])
        columns = columns or [[] for _ in read]
        for column, values in zip(columns, read, strict=True):
            packed = len(values) == 2 and isinstance(values[0], list)
            column += [values[0][place] for place in values[1]] if packed else values
    return columns


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "answers"
    write_page(folder, TAXONOMY, FRAMES)
    return folder


@pytest.fixture(scope="module")
def answered() -> pd.DataFrame:
    return pd.concat([table.answered for table in tables(TAXONOMY, FRAMES)], ignore_index=True)


def test_every_answer_is_on_the_page(page, answered):
    rows, answers, confidences, paths, boxes, ids, tracks, names, ranks, _, pictures = columns_of(page, "answers")
    data = data_of(page)
    assert rows == answered["row"].tolist()
    assert [data["answers"][answer][0] for answer in answers] == answered["concept_name"].tolist()
    assert confidences == pytest.approx(answered["confidence"].tolist(), abs=5e-5)
    assert paths == answered["path"].tolist()
    assert boxes[:4] == ["1.2 2 30 40", "2.2 2 30 40", "3.2 2 30 40", ""]
    assert ids == [str(number) for number in answered["annotation_id"]]
    assert tracks == answered["track"].fillna("").tolist()
    assert names == answered["track_concept_name"].fillna("").tolist()
    assert ranks == answered["track_rank"].fillna("").tolist()
    assert [row for row, picture in zip(rows, pictures, strict=True) if not picture] == [7]


def test_the_tree_counts_the_answers_of_each_clade(page, answered):
    taxa = data_of(page)["taxa"]
    assert {taxon[0] for taxon in taxa} == set(answered[[*map(str, RANKS)]].to_numpy().ravel()) - {""}
    for number, (name, rank, parent, last, rois, mean) in enumerate(taxa):
        within = answered[answered[rank] == name]
        assert rois == len(within)
        assert mean == pytest.approx(within["confidence"].mean(), abs=5e-5)
        assert (parent < 0) == (rank == "kingdom")
        below = {number}
        for other, taxon in enumerate(taxa):
            below |= {other} if taxon[2] in below else set()
        assert below == set(range(number, last + 1))


def test_probabilities_and_skipped_rows_are_in_the_order_of_the_input(page, answered):
    details = columns_of(page, "details")
    assert details[0] == pytest.approx(answered["kingdom_probability"].tolist(), abs=5e-5)
    assert details[7] == answered["concept_1"].tolist()
    assert details[12] == pytest.approx(answered["probability_3"].tolist(), abs=5e-5)
    skipped = pd.concat([table.skipped for table in tables(TAXONOMY, FRAMES)])
    paths, _, ids, reasons = columns_of(page, "skipped")
    assert paths == skipped["path"].tolist()
    assert ids == [str(number) for number in skipped["annotation_id"]]
    assert set(reasons) == {"<i>bad</i> box"}


def test_pictures_show_the_first_view(tmp_path):
    page = AnswerPage(tmp_path / "page", "model")
    page.begin(KEY)
    large = views(100).repeat(20, axis=1).repeat(20, axis=2)
    threads = [threading.Thread(target=page.observe, args=(RoiRequest(row), large)) for row in (5, 1005, 2005)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    folder = tmp_path / "page/unfinished/pictures"
    pictures = sorted(folder.rglob("*.jpg"))
    assert [path.relative_to(folder).as_posix() for path in pictures] == ["0/5.jpg", "1/1005.jpg", "2/2005.jpg"]
    with Image.open(pictures[0]) as picture:
        assert picture.size == (128, 128)
        assert picture.getpixel((64, 64)) == (200, 200, 200)


def test_the_same_answers_give_the_same_bytes_in_chunks_of_any_size(page, tmp_path):
    write_page(tmp_path / "page", TAXONOMY, FRAMES, chunk=33)
    assert tree(tmp_path / "page") == tree(page)


def test_rows_are_split_into_files(page, tmp_path, monkeypatch):
    monkeypatch.setattr("fathomline.answers.page.ANSWERS_PER_FILE", 7)
    monkeypatch.setattr("fathomline.answers.page.DETAILS_PER_FILE", 4)
    write_page(tmp_path / "page", TAXONOMY, FRAMES)
    assert data_of(tmp_path / "page")["files"] == 13
    assert data_of(tmp_path / "page")["skippedFiles"] == 3
    for kind in ("answers", "details", "skipped"):
        assert columns_of(tmp_path / "page", kind) == columns_of(page, kind)


def test_an_interrupted_run_keeps_its_pictures_and_the_earlier_page(page, tmp_path):
    folder = tmp_path / "page"
    write_page(folder, TAXONOMY, ["earlier.jpg"], key="earlier")
    earlier = tree(folder)
    interrupted = AnswerPage(folder, "a <b>model</b>")
    interrupted.begin(KEY)
    observe_all(interrupted, range(50))
    for table in islice(tables(TAXONOMY, FRAMES), 3):
        interrupted.add(table)
    assert earlier.items() <= tree(folder).items()
    resumed = AnswerPage(folder, "a <b>model</b>")
    resumed.begin(KEY)
    observe_all(resumed, range(50, ROIS))
    for table in tables(TAXONOMY, FRAMES):
        resumed.add(table)
    resumed.finish()
    (folder / "pictures/0/7.jpg").unlink()  # `write_page` leaves it out
    assert tree(folder).keys() == tree(page).keys()
    assert "have no picture" not in (folder / "index.html").read_text(encoding="utf-8")


def test_pictures_of_other_inputs_are_not_shown(tmp_path):
    folder = tmp_path / "page"
    for key in ("finished", "interrupted"):
        page = AnswerPage(folder, "model")
        page.begin(key)
        observe_all(page)
        if key == "finished":
            page.finish()
    page = AnswerPage(folder, "model")
    page.begin(KEY)
    for table in tables(TAXONOMY, FRAMES):
        page.add(table)
    page.finish()
    assert set(columns_of(folder, "answers")[-1]) == {0}
    assert list(folder.rglob("*.jpg")) == []


def test_a_run_that_was_interrupted_after_the_page_was_finished_keeps_its_pictures(page, tmp_path):
    folder = tmp_path / "page"
    write_page(folder, TAXONOMY, FRAMES)
    again = AnswerPage(folder, "a <b>model</b>")
    again.begin(KEY)
    for table in tables(TAXONOMY, FRAMES):
        again.add(table)
    again.finish()
    assert tree(folder) == tree(page)


def test_a_folder_with_other_files_is_refused_and_kept(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/page.json").write_text("[]")
    (tmp_path / "notes.txt").write_text("mine")
    before = tree(tmp_path)
    for name, found in (("photos", "other files"), ("notes.txt", "a file")):
        with pytest.raises(InputError, match=rf"{name}: expected a new or empty folder.* found {found}; choose"):
            AnswerPage(tmp_path / name, "model")
    assert tree(tmp_path) == before
    (tmp_path / "empty").mkdir()
    AnswerPage(tmp_path / "empty", "model")


def test_files_that_others_put_beside_the_page_are_kept(tmp_path):
    write_page(tmp_path / "page", TAXONOMY, FRAMES)
    (tmp_path / "page/notes.txt").write_text("mine")
    write_page(tmp_path / "page", TAXONOMY, FRAMES, key="two")
    assert (tmp_path / "page/notes.txt").read_text() == "mine"


def test_hostile_names_stay_text_in_every_file(tmp_path):
    paths = ["</script><script>alert(1)</script>.jpg", "a\u202eb\x00.jpg"]
    write_page(tmp_path / "page", taxonomy_of(HOSTILE_PATHS), paths)
    texts = [
        file.read_text(encoding="utf-8") for file in (tmp_path / "page").rglob("*") if file.suffix in (".js", ".html")
    ]
    assert not any(character in text for text in texts for character in "\u202e\x00\u2028")
    assert not any("<b>bold" in text or "alert(1)</script>" in text for text in texts)
    assert "a &lt;b&gt;model&lt;/b&gt;" in (tmp_path / "page/index.html").read_text(encoding="utf-8")
    names = {answer[0] for answer in data_of(tmp_path / "page")["answers"]}
    assert names == {visible(name) for name in HOSTILE_PATHS}
    assert set(columns_of(tmp_path / "page", "answers")[3]) == {visible(path) for path in paths}


def test_a_page_without_answers_can_be_written(tmp_path):
    page = AnswerPage(tmp_path / "page", "model")
    page.begin(KEY)
    first = next(tables(TAXONOMY, FRAMES, chunk=1))
    assert len(first.answered) == 0
    page.add(first)
    page.finish()
    assert data_of(tmp_path / "page")["taxa"] == []
    assert columns_of(tmp_path / "page", "answers") == []


def test_on_a_full_disk_the_error_names_the_picture(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    page = AnswerPage(tmp_path / "page", "model")
    page.begin("key")
    monkeypatch.setattr("PIL.Image.Image.save", full)
    with pytest.raises(OSError, match="No space left") as raised:
        page.observe(RoiRequest(5), np.zeros((1, 16, 16, 3), dtype=np.uint8))
    assert raised.value.filename == str(tmp_path / "page/unfinished/pictures/0/5.jpg")
