import pandas as pd
import pytest

from fathomline.errors import InputError
from fathomline.files import write_csv
from fathomline.images.annotations import COLUMNS, read_annotations

ROWS = [
    ("rois/1_5.png", "NA", 5, 1, "NA", 0.1, 2.0, 3.0, 4.0, 20, 16),
    ("rois/1_6.png", "None", 6, 1, "7", 0.0, 2.0, 3.0, 4.0, 20, 16),
    ("rois/2_7.png", "", 7, 2, "null", 1 / 3, 2.0, 3.0, 4.0, 20, 16),
]


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=COLUMNS)


def test_what_was_written_is_read_back_whatever_the_taxa_are_called(table, tmp_path):
    write_csv(table, tmp_path / "annotations.csv")
    read = read_annotations(tmp_path / "annotations.csv")
    assert list(read.itertuples(index=False, name=None)) == ROWS
    assert [str(kind) for kind in read.dtypes[["annotation_id", "x", "frame_w"]]] == ["int64", "float64", "int64"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="group"), "lacks the column"),
        (lambda table: table.head(0), "no rows"),
        (lambda table: table.assign(annotation_id=5), r"2 annotation\(s\) occur twice: 5, 5"),
        (lambda table: table.assign(x="wide"), "a column holds something else than numbers"),
        (lambda table: table.assign(image_id=""), "a column holds something else than numbers"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(table, tmp_path, change, message):
    write_csv(change(table), tmp_path / "annotations.csv")
    with pytest.raises(InputError, match=message):
        read_annotations(tmp_path / "annotations.csv")
