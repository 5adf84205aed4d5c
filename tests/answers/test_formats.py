import csv
import io
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fathomline.answers.darwin_core.metadata import Metadata
from fathomline.answers.formats import FormatName, format_of, writer
from fathomline.answers.table import ROI
from fathomline.errors import InputError
from tests.answers.world import CONTEXT, boxed, many, row, table, written

FORMATS: tuple[FormatName, ...] = ("csv", "jsonl", "coco", "parquet", "dwc")


WEIRD = 'a\tb\n"c",d é.png'


def as_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def as_lines(content: bytes) -> list[dict]:
    def refuse(number: str) -> float:
        raise AssertionError(number)

    return [json.loads(line, parse_constant=refuse) for line in content.splitlines()]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", "csv"),
        ("a.JSONL", "jsonl"),
        ("a.ndjson", "jsonl"),
        ("a.json", "coco"),
        ("a.parquet", "parquet"),
        ("a.b.zip", "dwc"),
    ],
)
def test_the_ending_of_a_file_chooses_its_format(name, expected):
    assert format_of(Path(name)) == expected


def test_a_given_format_counts_more_than_the_ending():
    assert format_of(Path("a.csv"), "dwc") == "dwc"


def test_an_unknown_ending_or_format_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"a\.xlsx: unknown file ending; expected \.csv \(csv\).*--format"):
        format_of(Path("a.xlsx"))
    with pytest.raises(InputError, match="'xml' is not a format; expected one of csv, jsonl, coco, parquet, dwc"):
        format_of(Path("a.csv"), "xml")


def test_metadata_is_refused_by_a_format_that_has_no_place_for_it():
    with pytest.raises(InputError, match="--metadata: only the format dwc can include it, not csv"):
        writer("csv", replace(CONTEXT, metadata=Metadata("m.csv", (), {})))


@pytest.mark.parametrize("name", FORMATS)
def test_equal_answers_give_equal_bytes_however_they_are_split_into_tables(name, tmp_path, warnings):
    rows = [boxed(number, path=f"{number}.png", annotation_id=number) for number in range(5)]
    once = written(name, tmp_path, table(*rows))
    assert once == written(name, tmp_path, table(), table(*rows[:2]), table(*rows[2:]), table())


@pytest.mark.parametrize("name", FORMATS)
def test_memory_does_not_grow_with_the_rows(name, tmp_path, warnings):
    def peak(rows: int) -> int:
        tracemalloc.start()
        writer(name, CONTEXT)(many(rows, per_table=100), tmp_path / "a")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    writer(name, CONTEXT)(many(100, per_table=100), tmp_path / "a")  # what is imported and cached once
    per_row = (peak(900) - peak(300)) / 600
    assert per_row < 500  # bytes; a row as Python objects has several thousand


def test_csv_has_a_header_and_all_columns_but_those_for_writers(tmp_path):
    rows = as_csv(written("csv", tmp_path, table(), table(boxed(0, track="t"), row(annotation_id="b7"))))
    assert tuple(rows[0])[: len(ROI)] == ROI
    assert not {"row", "location"} & set(rows[0])
    assert rows[0]["x"] == "1.0"
    assert (rows[1]["x"], rows[1]["annotation_id"], rows[1]["aphia_id"]) == ("", "b7", "135306")


def test_csv_of_no_answers_is_a_header(tmp_path):
    assert written("csv", tmp_path, table(), table()).count(b"\n") == 1


def test_a_spreadsheet_runs_no_cell_of_the_csv_as_a_formula_and_paths_stay_usable(tmp_path):
    names = ["=1+1.png", "-a.png", " +b.png", "@c", "\td.png", "'e.png", "f.png", "g.png"]
    content = written("csv", tmp_path, table(*(row(path=name, track="=cmd") for name in names)))
    found = as_csv(content)
    assert {cells["track"] for cells in found} == {"'=cmd"}
    assert [cells["path"] for cells in found] == [
        "./=1+1.png",
        "./-a.png",
        "./ +b.png",
        "./@c",
        "./\td.png",
        *names[5:],
    ]
    assert all(
        (tmp_path / cells["path"]).resolve() == tmp_path / name for cells, name in zip(found, names, strict=True)
    )


@pytest.mark.parametrize("name", ["csv", "jsonl"])
def test_tabs_quotes_and_line_breaks_in_a_path_survive(name, tmp_path):
    content = written(name, tmp_path, table(row(path=WEIRD)))
    assert (as_csv(content) if name == "csv" else as_lines(content))[0]["path"] == WEIRD


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_name_that_is_not_utf8_does_not_stop_the_answers(name, tmp_path, warnings):
    odd = pd.Series(["caf\udce9.png"], dtype=object)
    content = written(name, tmp_path, table(row()).assign(path=odd))
    assert name in ("parquet", "dwc") or b"caf\\" in content


def test_json_lines_nest_the_answer_and_its_lineage(tmp_path):
    content = written("jsonl", tmp_path, table(boxed(0, concept_name="Caridea", image_id=4, annotation_id=9), row()))
    first, second = as_lines(content)
    assert first == {
        "path": "a.png",
        "image_id": 4,
        "width": 20,
        "height": 16,
        "annotation_id": 9,
        "box": [1.0, 2.0, 5.0, 6.5],
        "track": None,
        "answer": {
            "concept_name": "Caridea",
            "accepted_name": "Caridea",
            "rank": "infraorder",
            "aphia_id": 106674,
            "confidence": 0.75,
        },
        "lineage": [
            {"rank": "kingdom", "name": "Animalia", "probability": 0.75},
            {"rank": "phylum", "name": "Arthropoda", "probability": 0.75},
            {"rank": "class", "name": "Malacostraca", "probability": 0.75},
            {"rank": "order", "name": "Decapoda", "probability": 0.75},
        ],
    }
    assert (second["box"], second["annotation_id"], second["lineage"][-1]["name"]) == (None, None, "Aurelia aurita")


def test_json_lines_list_the_most_probable_concepts_and_the_answer_of_the_track(tmp_path):
    extra = {"concept_1": "Moon jelly", "probability_1": 0.75, "concept_2": "Caridea", "probability_2": 0.25}
    track = {"track_concept_name": "Caridea", "track_accepted_name": "Caridea", "track_rank": "infraorder"}
    track |= {"track_aphia_id": 106674, "track_confidence": 0.5}
    without = dict.fromkeys(track) | {"track_confidence": np.nan}
    first, second = as_lines(
        written("jsonl", tmp_path, table(row(track="t", **extra, **track), row(**extra, **without)))
    )
    assert first["most_probable"] == [
        {"concept_name": "Moon jelly", "probability": 0.75},
        {"concept_name": "Caridea", "probability": 0.25},
    ]
    assert first["track_answer"]["confidence"] == 0.5
    assert "track_answer" not in second
