import pytest

from fathomline.errors import InputError
from fathomline.score import read_answers, score
from tests.decide.conftest import taxonomy  # noqa: F401 (a fixture)


@pytest.fixture
def answers(tmp_path):
    def read(text: str):
        path = tmp_path / "answers.csv"
        path.write_text("annotation_id,concept_name\n" + text)
        return read_answers(path)

    return read


def test_rows_come_in_the_order_of_the_truth(answers, taxonomy):
    truth = answers("3,Sebastes\n1,Porifera\n2,Tunicata\n")
    rows = score(answers("1,Porifera\n2,Sebastes\n3,Sebastes\n"), truth, taxonomy)
    assert rows.to_numpy().tolist() == [
        [3, "Sebastes", "Sebastes", 0],
        [1, "Porifera", "Porifera", 0],
        [2, "Tunicata", "Sebastes", 5],
    ]


def test_ids_keep_all_their_digits_and_may_end_with_point_zero(answers):
    table = answers("999999999999999999,A\n9007199254740993,B\n7.0,C\n-4,D\n")
    assert table["annotation_id"].tolist() == [999999999999999999, 9007199254740993, 7, -4]


@pytest.mark.parametrize("wrong", ["18446744073709551615", "1e30", "x", "1.5", "0x1F"])
def test_an_id_that_is_not_a_whole_number_is_refused_by_line(answers, wrong):
    with pytest.raises(InputError, match=rf"answers.csv: annotation_id is not a whole number.*line 4 \('{wrong}'\)"):
        answers(f"1,A\n\n{wrong},B\n")


def test_blank_lines_are_skipped(answers):
    assert answers("1,A\n\n2,B\n\n")["annotation_id"].tolist() == [1, 2]


@pytest.mark.parametrize("row", ["1,Sebastes,\n", "1,5,Sebastes\n", "2,B\n1,5,Sebastes\n"])
def test_a_row_with_an_extra_comma_is_refused(answers, row):
    with pytest.raises(InputError, match=r"answers.csv: not a CSV, or a row is longer than the header"):
        answers(row)


def test_a_truth_without_rows_is_refused(answers, taxonomy):
    with pytest.raises(InputError, match="truth: no rows, expected one for each ROI"):
        score(answers("1,A\n"), answers(""), taxonomy)
