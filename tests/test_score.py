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


def test_whole_numbers_keep_all_their_digits_and_may_end_with_point_zero(answers, taxonomy):
    truth = answers("999999999999999999,Porifera\n9007199254740993,Porifera\n7.0,Porifera\n-4,Porifera\n")
    submission = answers("-4.,Porifera\n007,Porifera\n 9007199254740993 ,Porifera\n999999999999999999,Porifera\n")
    rows = score(submission, truth, taxonomy)
    assert rows["annotation_id"].tolist() == [999999999999999999, 9007199254740993, 7, -4]
    assert rows["annotation_id"].dtype == "int64"


IDS = ["b7a9-4c1d", "dive 3/0001.JPG", "1", "18446744073709551616", "0x1F"]


def test_ids_that_are_not_all_whole_numbers_are_compared_as_text_without_spaces_around(answers, taxonomy):
    truth = answers("".join(f"{identity},Porifera\n" for identity in IDS))
    submission = answers("".join(f"  {identity} ,Sebastes\n" for identity in reversed(IDS)))
    assert score(submission, truth, taxonomy)["annotation_id"].tolist() == IDS


def test_one_id_of_either_file_that_is_no_number_makes_all_text_and_the_error_says_so(answers, taxonomy):
    numbers, mixed = answers("1.0,Porifera\n2,Porifera\n"), answers("1,Porifera\nx,Porifera\n")
    for submission, truth, culprit in ((numbers, mixed, "truth has 'x'"), (mixed, numbers, "submission has 'x'")):
        with pytest.raises(
            InputError, match=r"submission: 2 row\(s\) are missing: .*; 2 row\(s\) match no ROI: "
        ) as error:
            score(submission, truth, taxonomy)
        assert f"(ids are compared as text, because not all are whole numbers: {culprit})" in str(error.value)


@pytest.mark.parametrize("rows", ["1,Porifera\n1.0,Porifera\n", "a,Porifera\n a,Sebastes\n"])
@pytest.mark.parametrize("repeats", ["submission", "truth"])
def test_an_id_that_appears_twice_is_refused(answers, taxonomy, rows, repeats):
    once = answers(rows.splitlines()[0] + "\n")
    tables = {"submission": once, "truth": once, repeats: answers(rows)}
    with pytest.raises(InputError, match=rf"^{repeats}: 1 annotation_id\(s\) appear more than once.*: [1a]$"):
        score(tables["submission"], tables["truth"], taxonomy)


def test_a_row_without_an_id_is_refused_by_line(answers):
    with pytest.raises(
        InputError, match=r"answers.csv: annotation_id is empty in 2 row\(s\): line 2, 4; expected the id"
    ):
        answers(" ,A\n2,B\n,C\n")


def test_blank_lines_are_skipped(answers):
    assert answers("1,A\n\n2,B\n\n")["annotation_id"].tolist() == ["1", "2"]


@pytest.mark.parametrize("row", ["1,Sebastes,\n", "1,5,Sebastes\n", "2,B\n1,5,Sebastes\n"])
def test_a_row_with_an_extra_comma_is_refused(answers, row):
    with pytest.raises(InputError, match=r"answers.csv: not a CSV, or a row is longer than the header"):
        answers(row)


def test_a_truth_without_rows_is_refused(answers, taxonomy):
    with pytest.raises(InputError, match="truth: no rows, expected one for each ROI"):
        score(answers("1,A\n"), answers(""), taxonomy)
