"""Tables of lineages for the user to complete."""

from pathlib import Path

import pytest

from fathomline.lineages import fgvc2025
from fathomline.lineages.fill_table import fill
from fathomline.lineages.lineage_table import lineage_table_text, read_lineage_table
from fathomline.machine import MachineConfig
from fathomline.taxonomy.ranks import Rank

FEW = MachineConfig(retries=1, connections=1)


@pytest.fixture
def read_back(tmp_path):
    def read(filled, **options):
        path = tmp_path / "filled.csv"
        path.write_text(lineage_table_text(filled.lineages), encoding="utf-8")
        return read_lineage_table(path, **options)

    return read


def paths(lineages) -> dict:
    return {name: (lineage.path, lineage.rank, lineage.aphia_id) for name, lineage in lineages.items()}


def test_what_the_csv_the_snapshot_and_worms_know_is_filled_in(write_table, stand_in, read_back):
    table = write_table("Selachii,7,infraclass,Animalia,Chordata,Elasmobranchii,,,,", "Caridea,,class,A,B,Caridea,,,,")
    names = ["Selachii", "Caridea", "Gastropoda", "Sebastomus ruberrimus", "Pleocyemata", "Nothing"]
    filled = fill(names, table, offline=False, worms_url=stand_in.url)
    assert list(filled.lineages) == sorted(names)
    assert {name: lineage and lineage.origin for name, lineage in filled.lineages.items()} == {
        **{"Selachii": "lineages", "Caridea": "lineages", "Gastropoda": "fgvc2025"},
        **{"Sebastomus ruberrimus": "worms", "Pleocyemata": "worms", "Nothing": None},
    }
    assert filled.suggestions == {"Nothing": []}
    assert filled.notes == ("'Sebastomus ruberrimus' is a synonym; WoRMS accepts 'Sebastes ruberrimus'",)
    known = {name: lineage for name, lineage in filled.lineages.items() if lineage is not None}
    assert paths(read_back(filled, skip_unfilled=True)) == paths(known)


def test_the_snapshot_comes_back_from_the_table(read_back):
    filled = fill([lineage.concept for lineage in fgvc2025.lineages()], None, offline=True)
    assert filled.notes == ()
    assert paths(read_back(filled)) == paths({lineage.concept: lineage for lineage in fgvc2025.lineages()})


def test_names_that_a_spreadsheet_would_run_come_back(read_back, write_table):
    table = write_table("=Aves,,class,Animalia,Chordata,=Aves,,,,")
    assert read_back(fill(["=Aves"], table, offline=True))["=Aves"].names[Rank.CLASS] == "=Aves"


def test_offline_nothing_is_asked_and_unknown_names_have_suggestions(stand_in):
    filled = fill(["Pandalus amplu", "Sebastes ruberrimus"], None, offline=True, worms_url=stand_in.url)
    assert filled.lineages == {"Pandalus amplu": None, "Sebastes ruberrimus": None}
    assert filled.suggestions["Pandalus amplu"][0] == "Pandalus amplus"
    assert stand_in.asked == []


def test_without_worms_the_other_sources_are_used_and_what_it_answered_is_kept(stand_in):
    names = ["Gastropoda", "Pandalus borealis", "Sebastes ruberrimus"]
    stand_in.faults["Sebastes ruberrimus"].extend([500, 500])
    filled = fill(names, None, offline=False, worms_url=stand_in.url, machine=FEW)
    known = {name: lineage is not None for name, lineage in filled.lineages.items()}
    assert known == {"Gastropoda": True, "Pandalus borealis": True, "Sebastes ruberrimus": False}
    assert len(filled.notes) == 1
    assert filled.notes[0].startswith(f"WoRMS at {stand_in.url} gave no usable answer: ")
    assert filled.notes[0].endswith("; 1 of 2 names were not looked up")
    nowhere = "http://127.0.0.1:9/worms"
    filled = fill(names, None, offline=False, worms_url=nowhere, machine=MachineConfig(retries=0))
    assert filled.lineages["Gastropoda"] is not None
    assert filled.notes[0].endswith("; 2 of 2 names were not looked up")


def test_rows_of_the_csv_that_are_not_filled_in_yet_count_as_unknown(write_table):
    table = write_table("Gastropoda,,,,,,,,,", "Mine,,,,,,,,,")
    filled = fill(["Gastropoda", "Mine"], table, offline=True)
    assert filled.lineages["Gastropoda"].origin == "fgvc2025"
    assert filled.lineages["Mine"] is None


def test_rows_that_contradict_each_other_are_told(stand_in):
    filled = fill(["Zoantharia", "Parazoanthus axinellae"], None, offline=False, worms_url=stand_in.url)
    assert "taxonomy.lineages will refuse it until it is corrected: row 3: 'Zoantharia'" in filled.notes[-1]


def test_a_csv_with_errors_is_refused(write_table):
    with pytest.raises(ValueError, match="`rank` of 'Mine' is empty"):
        fill(["Mine"], write_table("Mine,7,,,,,,,,"), offline=True)
    with pytest.raises(ValueError, match="no such file"):
        fill(["Mine"], Path("none.csv"), offline=True)


def test_taxa_above_the_concepts_of_the_snapshot_are_known_offline(read_back):
    filled = fill(["Teleostei", "Animalia", "Sebastidae", "Selachii"], None, offline=True)
    known = paths(read_back(filled, skip_unfilled=True))
    assert sorted(known) == ["Animalia", "Sebastidae", "Teleostei"]
    sebastes = next(lineage for lineage in fgvc2025.lineages() if lineage.concept == "Sebastes diploproa")
    assert known["Sebastidae"] == (sebastes.path[:5], "family", None)
    assert list(filled.suggestions) == ["Selachii"]
