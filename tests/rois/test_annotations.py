import pandas as pd
import pytest

from fathomline.errors import InputError
from fathomline.files import write_csv
from fathomline.rois.annotations import COLUMNS, QUARANTINE_COLUMNS, read_annotations, read_quarantine

ROWS = [
    ("rois/1_5.png", "NA", 5, 1, 0.1, 2.0, 3.0, 4.0, 20, 16, 1),
    ("rois/1_6.png", "None", 6, 1, 0.0, 2.0, 3.0, 4.0, 20, 16, 1),
    ("rois/2_7.png", "", 7, 2, 1 / 3, 2.0, 3.0, 4.0, 20, 16, 2),
]


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=COLUMNS)


def test_taxa_called_na_or_none_are_read_back_as_written(table, tmp_path):
    write_csv(table, tmp_path / "annotations.csv")
    read = read_annotations(tmp_path / "annotations.csv")
    assert list(read.itertuples(index=False, name=None)) == ROWS
    assert [str(kind) for kind in read.dtypes[["annotation_id", "x", "frame_w"]]] == ["int64", "float64", "int64"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="frame_id"), r"lacks the column\(s\) frame_id; the file has path, label"),
        (lambda table: table.assign(annotation_id=5), r"2 row\(s\) repeat an annotation_id, expected each once: 5, 5"),
        (lambda table: table.assign(x="wide"), r"3 cell\(s\) of `x` should be a finite number: row 2 has 'wide'"),
        (
            lambda table: table.assign(image_id=""),
            r"3 cell\(s\) of `image_id` should be a 64-bit integer: row 2",
        ),
        (lambda table: table.assign(w=[3.0, 20.1, 3.0]), r"1 row\(s\) have a box that extends beyond its frame: row 3"),
    ],
)
def test_an_invalid_table_is_refused_with_its_name_and_fault(table, tmp_path, change, message):
    write_csv(change(table), tmp_path / "annotations.csv")
    with pytest.raises(InputError, match=rf"annotations\.csv: {message}.*; run `dvc repro --force crop`, which"):
        read_annotations(tmp_path / "annotations.csv")


def test_only_the_training_subset_needs_labels(table, tmp_path):
    write_csv(table, tmp_path / "annotations.csv")
    with pytest.raises(InputError, match=r"1 row\(s\) of the training subset have no label: row 4"):
        read_annotations(tmp_path / "annotations.csv", labelled=True)


def test_only_the_table_of_a_test_subset_may_be_empty(table, tmp_path):
    path = tmp_path / "annotations.csv"
    write_csv(table.head(0), path)
    assert list(read_annotations(path).columns) == COLUMNS
    assert len(read_annotations(path)) == 0
    with pytest.raises(
        InputError, match=r"annotations\.csv: no rows, expected at least one; run `dvc repro --force crop"
    ):
        read_annotations(path, labelled=True)


@pytest.mark.parametrize("rows", [[], [(5, 1, "zero bytes"), (6, 1, "NA")]])
def test_a_quarantine_is_read_back_as_written(tmp_path, rows):
    path = tmp_path / "quarantine.csv"
    write_csv(pd.DataFrame(rows, columns=QUARANTINE_COLUMNS), path)
    assert list(read_quarantine(path).itertuples(index=False, name=None)) == rows


def test_a_quarantine_without_a_reason_is_refused(tmp_path):
    write_csv(pd.DataFrame([(5, 1, "")], columns=QUARANTINE_COLUMNS), tmp_path / "quarantine.csv")
    with pytest.raises(InputError, match=r"quarantine\.csv: 1 cell\(s\) of `reason` should be non-empty text: row 2"):
        read_quarantine(tmp_path / "quarantine.csv")


def test_a_box_may_end_at_the_edge_of_its_frame_despite_rounding(table, tmp_path):
    write_csv(table.assign(x=0.1 + 0.2, w=20 - 0.3, y=0.7, h=16 - 0.7), tmp_path / "annotations.csv")
    assert len(read_annotations(tmp_path / "annotations.csv")) == 3
