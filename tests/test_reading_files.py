"""JSON and CSV are read strictly, and no cell of a report runs as a formula."""

import errno
import json
from pathlib import Path

import pandas as pd
import pytest

from fathomline.errors import InputError
from fathomline.files import read_csv, read_json, write_csv, write_report_csv

DANGEROUS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"]  # noqa: RUF001


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a": NaN}', "NaN is not a valid JSON number"),
        ("[-Infinity]", "-Infinity is not a valid JSON number"),
        ("1e999", "1e999 is not a valid JSON number"),
        ("1" * 5000, "4300 digits"),
        ('{"a": 1, "b": {"c": 1, "c": 1}}', r"repeats the key\(s\) c"),
        (r'["\ud800"]', "surrogates not allowed"),
        ("", "Expecting value"),
        ("\ufeff{}", "BOM"),
    ],
)
def test_invalid_json_is_refused_in_one_line_with_the_file(tmp_path, text, says):
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=rf"^{tmp_path}/a\.json: not JSON.*{says}") as raised:
        read_json(tmp_path / "a.json")
    assert "\n" not in str(raised.value)


def test_a_surrogate_pair_is_read_as_one_character(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps("🐟"))
    assert read_json(tmp_path / "a.json") == "🐟"


@pytest.mark.parametrize("read", [read_json, lambda path: read_csv(path, [])])
def test_a_file_without_read_permission_is_refused(tmp_path, monkeypatch, read):
    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refused)
    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(InputError, match=r"a\.txt: cannot be read: Permission denied; expected a file"):
        read(tmp_path / "a.txt")


def test_a_header_that_repeats_a_column_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbf"x",y,x\n1,2,3\n')
    with pytest.raises(InputError, match=r"a\.csv: the header repeats the column\(s\) x; expected each name once"):
        read_csv(tmp_path / "a.csv", ["x"])


def test_column_names_that_only_look_repeated_are_read(tmp_path):
    (tmp_path / "a.csv").write_text("x,x.1\n1,2\n")
    assert read_csv(tmp_path / "a.csv", ["x"]).loc[0].tolist() == [1, 2]


def test_formulas_in_a_report_are_escaped(tmp_path):
    harmless = ["Porifera", "a=b", "", "'", "1-2", "Sebastes", "é", "x"]
    table = pd.DataFrame({"=name": DANGEROUS, "other": harmless, "number": [-1.5] * 8, "count": [-1] * 8})
    table["kind"] = pd.Categorical(DANGEROUS)
    write_report_csv(table, tmp_path / "report.csv")
    read = pd.read_csv(tmp_path / "report.csv", keep_default_na=False)
    assert read.columns.tolist() == ["'=name", "other", "number", "count", "kind"]
    inert = ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", r"'\r=1", "' =1", "'＝1"]  # noqa: RUF001
    assert read["'=name"].tolist() == read["kind"].tolist() == inert
    assert read["other"].tolist() == harmless
    assert read["number"].tolist() == [-1.5] * 8
    assert table["=name"].tolist() == DANGEROUS, "the table itself must not change"


def test_a_table_that_a_stage_reads_back_is_not_escaped(tmp_path):
    names = [name for name in DANGEROUS if "\r" not in name]
    write_csv(pd.DataFrame({"=name": names}), tmp_path / "split.csv")
    assert (tmp_path / "split.csv").read_text().splitlines() == ["=name", *names]


def test_integers_beside_missing_cells_stay_integers_in_a_report(tmp_path):
    table = pd.DataFrame({"annotation_id": pd.Series([1, None, "a"], dtype=object)})
    write_report_csv(table.iloc[:2], tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == 'annotation_id\n1\n""\n'
