import pytest

from fathomline.lineages.journal import Journal


@pytest.fixture
def lineages(make_lineage):
    return [make_lineage(f"Animalia > P > Ç{number}", origin="worms", aphia_id=number) for number in range(1, 4)]


def test_what_was_kept_is_there_after_a_kill(tmp_path, lineages):
    journal = Journal(tmp_path / "journal", "one service")
    for lineage in lineages:
        journal.keep(lineage)
    # A killed process closes nothing.
    again = Journal(tmp_path / "journal", "one service")
    assert list(again.lineages.values()) == lineages
    journal.close()
    again.remove()
    assert not list(tmp_path.iterdir())


def test_cut_at_any_byte_it_still_gives_the_whole_lines_and_goes_on(tmp_path, lineages):
    path = tmp_path / "journal"
    journal = Journal(path, "one service")
    ends = []
    for lineage in lineages:
        journal.keep(lineage)
        ends.append(path.stat().st_size)
    journal.close()
    whole = path.read_bytes()
    for length in range(0, len(whole) + 1, 7):
        path.write_bytes(whole[:length])
        again = Journal(path, "one service")
        assert list(again.lineages.values()) == lineages[: sum(end <= length for end in ends)]
        again.keep(lineages[2])
        again.close()
        once_more = Journal(path, "one service")
        assert once_more.lineages[lineages[2].concept] == lineages[2]
        once_more.close()


def test_another_purpose_forgets(tmp_path, lineages):
    journal = Journal(tmp_path / "journal", "one service")
    journal.keep(lineages[0])
    journal.close()
    other = Journal(tmp_path / "journal", "another service")
    other.close()
    assert other.lineages == {}


@pytest.mark.parametrize(
    "text", ["", "\n", "garbage", '{"purpose": "one service"}\n[]\n', '{"purpose": "one service"}\n{"concept": 3}\n']
)
def test_garbage_is_an_empty_journal(tmp_path, text):
    (tmp_path / "journal").write_text(text)
    journal = Journal(tmp_path / "journal", "one service")
    journal.close()
    assert journal.lineages == {}
