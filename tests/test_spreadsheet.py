"""Tables as spreadsheets save them."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathomline.errors import InputError
from fathomline.files import without_formula
from fathomline.spreadsheet import read_table


@pytest.fixture
def table(tmp_path):
    def read(content: str | bytes, known: tuple[str, ...] = ()):
        path = tmp_path / "table.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(path, "a table", known)

    return read


def cells(table) -> list[dict[str, str]]:
    return [row.cells for row in table.rows()]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_table_is_read_in_each_separator_and_encoding(table, separator, encoding, capsys):
    text = '"Ärt; x, y";b\r\n"1\r\n2";"say ""é"""\r\n'.replace('";', f'"{separator}')
    found = table(text.encode(encoding))
    assert (found.columns, found.separator) == (("Ärt; x, y", "b"), separator)
    assert cells(found) == [{"Ärt; x, y": "1\r\n2", "b": 'say "é"'}]
    assert capsys.readouterr().err == ""


def test_windows_1252_is_read_and_told_once_with_the_first_text_that_may_be_wrong(table, capsys):
    content = 'path;label\na.png;"Ærø, Læsø"\nb.png;Møn\n'.encode("cp1252")
    assert cells(table(content))[0] == {"path": "a.png", "label": "Ærø, Læsø"}
    table(content)
    err = capsys.readouterr().err
    assert err.count("warning") == 1
    assert (
        "table.csv: not in UTF-8; read as Windows-1252, such as 'Ærø'; if that reads wrong, save it as CSV UTF-8" in err
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04 and more", r"a workbook \(.xlsx, .ods, .numbers\) or a .zip, expected a table; open it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", r"a workbook \(.xls\), expected a table; open it"),
        (b"path\n\x8d\xff\n", "not in UTF-8, UTF-16 or Windows-1252; save it as CSV UTF-8"),
        ("path\na\n".encode("utf-32"), "not text in UTF-8, UTF-16 or Windows-1252; save it as CSV UTF-8"),
        ("path\na\n".encode("utf-16")[:-1], "damaged text in UTF-16; save it as CSV UTF-8"),
        (b"", "the file is empty; expected a table"),
        (b";;\n \n", "the header has no names; expected a table"),
        (b'path,label\na,b\n"c,d\n', "not a CSV: line 3: unexpected end of data; check the quotes"),
        (b"Aphia ID,aphia_id\n1,2\n", r"repeats the column\(s\) aphia id, aphia_id"),
    ],
)
def test_what_is_no_table_is_refused_with_the_remedy(table, content, message):
    with pytest.raises(InputError, match=message):
        cells(table(content))


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"none.csv: no such file; expected a table"):
        read_table(tmp_path / "none.csv", "a table")
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\); expected a table"):
        read_table(tmp_path, "a table")


def test_empty_rows_are_skipped_and_the_others_numbered_as_in_the_spreadsheet(table):
    found = table("\n;;\nname;depth;\n\n; ;\na;1;\n;;\nb;2\n;;\n\n")
    assert [(row.number, row.cells) for row in found.rows()] == [
        (6, {"name": "a", "depth": "1"}),
        (8, {"name": "b", "depth": "2"}),
    ]


def test_the_line_that_tells_excel_the_separator_is_not_a_row(table):
    found = table("sep=;\r\na,b;c\r\n1;2\r\n")
    assert found.columns == ("a,b", "c")
    assert [row.number for row in found.rows()] == [2]


def test_a_row_may_be_shorter_than_the_header_and_cells_beyond_it_are_told(table):
    found = table("a,b,c\n1\n1,2,3,,4, 5\n")
    assert [(row.cells, row.extra) for row in found.rows()] == [
        ({"a": "1", "b": "", "c": ""}, []),
        ({"a": "1", "b": "2", "c": "3"}, ["4", " 5"]),
    ]


@pytest.mark.parametrize("name", ["AphiaID", " aphia_id ", "APHIA ID", "aphia-id"])
def test_columns_are_found_in_any_case_with_spaces_or_underscores(table, name):
    found = table(f"{name},other\n7,8\n")
    assert found.find("id", "aphia_id") == name.strip()
    assert found.lacking(["aphia_id", "rank"]) == ["rank"]
    assert [row.cells for row in found.rows(["rank", "aphia_id"])] == [{"aphia_id": "7"}]


def test_known_columns_decide_between_separators(table):
    content = "path;x,y;w,h;note, other\n"
    assert table(content).separator == ","
    assert table(content, known=("path",)).separator == ";"


@pytest.mark.parametrize(
    ("text", "with_comma", "with_semicolon"),
    [
        *(("1.5", 1.5, 1.5), ("-4e1", -40, -40), ("1,5", None, 1.5), (",5", None, 0.5), ("-2,", None, -2)),
        *(("1.234,5", None, None), ("1,234,5", None, None), ("1_0", None, None), (",", None, None)),
        *(("nan", None, None), ("inf", None, None), ("1e999", None, None), ("1,0e999", None, None), ("", None, None)),
    ],
)
def test_a_decimal_comma_is_read_unless_commas_separate_the_cells(table, text, with_comma, with_semicolon):
    assert table("a,b\n").number(text) == with_comma
    assert table("a;b\n").number(text) == with_semicolon


@pytest.mark.parametrize("text", ["=1+1", " -a", "@b", "＋c", "'=d", "it's", "'quoted'"])  # noqa: RUF001
def test_the_apostrophe_before_a_formula_in_our_own_tables_is_removed(table, text):
    found = table(f"a,b\n{without_formula(text)},1\n")
    assert cells(found)[0]["a"] == ("=d" if text == "'=d" else text)


printable = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])).filter(lambda text: text[:1] != "'")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(printable | st.just('"\n,;\t'), min_size=2, max_size=2), min_size=1),
    st.sampled_from(",;\t"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_cells_come_back_whatever_they_contain(tmp_path_factory, rows, separator, encoding):
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=separator).writerows([["one", "two"], *rows])
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(stream.getvalue().encode(encoding))
    stripped = [[cell.strip() for cell in row] for row in rows]
    assert [list(row.cells.values()) for row in read_table(path, "a table").rows()] == [
        row for row in stripped if any(row)
    ]


def test_a_cell_may_hold_the_outline_of_a_large_mask(table):
    outline = "1234.5," * 100_000
    assert cells(table(f'path,points\na.png,"{outline}"\n')) == [{"path": "a.png", "points": outline}]
