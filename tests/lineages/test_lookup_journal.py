import pytest

from fathomline.lineages.lookup_journal import LookupJournal


@pytest.fixture
def lineages(make_lineage):
    known = {"origin": "worms", "ancestor_ids": {"P": 9}}
    return [make_lineage(f"Animalia > P > Ç{number}", aphia_id=number, **known) for number in range(1, 4)]


def test_lineages_survive_a_kill(tmp_path, lineages):
    journal = LookupJournal(tmp_path / "journal", "one service")
    for lineage in lineages:
        journal.add(lineage)
    # Like a killed process, the first journal stays open.
    again = LookupJournal(tmp_path / "journal", "one service")
    assert list(again.lineages.values()) == lineages
    journal.close()
    again.remove()
    assert not list(tmp_path.iterdir())


def test_a_journal_cut_at_any_byte_keeps_its_complete_lines_and_accepts_more(tmp_path, lineages):
    path = tmp_path / "journal"
    journal = LookupJournal(path, "one service")
    ends = []
    for lineage in lineages:
        journal.add(lineage)
        ends.append(path.stat().st_size)
    journal.close()
    complete = path.read_bytes()
    for length in range(0, len(complete) + 1, 7):
        path.write_bytes(complete[:length])
        again = LookupJournal(path, "one service")
        assert list(again.lineages.values()) == lineages[: sum(end <= length for end in ends)]
        again.add(lineages[2])
        again.close()
        once_more = LookupJournal(path, "one service")
        assert once_more.lineages[lineages[2].concept] == lineages[2]
        once_more.close()


def test_a_journal_for_another_purpose_is_discarded(tmp_path, lineages):
    journal = LookupJournal(tmp_path / "journal", "one service")
    journal.add(lineages[0])
    journal.close()
    other = LookupJournal(tmp_path / "journal", "another service")
    other.close()
    assert other.lineages == {}


@pytest.mark.parametrize(
    "text", ["", "\n", "garbage", '{"purpose": "one service"}\n[]\n', '{"purpose": "one service"}\n{"concept": 3}\n']
)
def test_malformed_content_is_an_empty_journal(tmp_path, text):
    (tmp_path / "journal").write_text(text)
    journal = LookupJournal(tmp_path / "journal", "one service")
    journal.close()
    assert journal.lineages == {}
