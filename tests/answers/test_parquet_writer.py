import io

import pandas as pd
import pytest

from fathomline.answers.formats import writer
from fathomline.errors import InputError
from tests.answers.world import CONTEXT, boxed, row, table, written


def test_parquet_has_types_that_do_not_depend_on_the_answers(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    schemas = []
    for tables in ([table()], [table(boxed(0, annotation_id=3, image_id=4))], [table(row(annotation_id="c"))]):
        content = written("parquet", tmp_path, *tables)
        schemas.append(parquet.read_schema(io.BytesIO(content)))
    assert schemas[0] == schemas[1] == schemas[2]
    assert str(schemas[0].field("aphia_id").type) == "int64"
    assert str(schemas[0].field("annotation_id").type) == "string"


def test_parquet_reads_back_with_nulls_for_what_is_missing(tmp_path):
    pytest.importorskip("pyarrow")
    written("parquet", tmp_path, table(row(concept_name="Aurelia labiata"), boxed(1, annotation_id=5)))
    found = pd.read_parquet(tmp_path / ".answers.part")
    assert found["x"].isna().tolist() == [True, False]
    assert found["aphia_id"].isna().tolist() == [True, False]
    assert found["annotation_id"].tolist()[1] == "5"
    assert found["species"].tolist() == ["Aurelia labiata", "Aurelia aurita"]
    assert not {"row", "location"} & set(found.columns)


def test_parquet_has_groups_of_rows(tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("fathomline.answers.parquet_writer.ROWS_PER_GROUP", 4)
    rows = [boxed(number) for number in range(11)]
    written("parquet", tmp_path, table(*rows[:3]), table(*rows[3:]))
    found = parquet.ParquetFile(tmp_path / ".answers.part").metadata
    assert [found.row_group(group).num_rows for group in range(found.num_row_groups)] == [4, 4, 3]


def test_parquet_without_pyarrow_says_what_to_install_before_anything_is_predicted(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install 'fathomline\[parquet\]'"):
        writer("parquet", CONTEXT)
