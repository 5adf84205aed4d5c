import pytest

from fathomline.errors import InputError
from fathomline.lineages.lineage_table import read_lineage_table
from fathomline.taxonomy.ranks import Rank

SELACHII = "Selachii,,infraclass,Animalia,Chordata,Elasmobranchii,,,,"
FRATERCULA = "Fratercula,137127,genus,Animalia,Chordata,Aves,Charadriiformes,Alcidae,Fratercula,"


def test_rows_become_lineages(write_table):
    lineages = read_lineage_table(write_table(SELACHII, FRATERCULA))
    assert list(lineages) == ["Selachii", "Fratercula"]
    assert lineages["Selachii"].rank == "infraclass"
    assert list(lineages["Selachii"].names.values()) == ["Animalia", "Chordata", "Elasmobranchii"]
    assert lineages["Fratercula"].aphia_id == 137127
    assert lineages["Fratercula"].names[Rank.FAMILY] == "Alcidae"
    assert {lineage.origin for lineage in lineages.values()} == {"lineages"}


def test_names_that_look_like_missing_values_are_read_as_names(write_table):
    rows = ["NA,,genus,Animalia,None,null,n/a,nan,NA,", "NULL,,phylum,Animalia,NULL,,,,,"]
    lineages = read_lineage_table(write_table(*rows))
    assert list(lineages["NA"].names.values()) == ["Animalia", "None", "null", "n/a", "nan", "NA"]
    assert lineages["NULL"].accepted_name == "NULL"


def test_spaces_capitalised_ranks_and_float_aphia_ids_are_accepted(write_table):
    lineages = read_lineage_table(write_table(" Aves , 1836.0 , Class , Animalia , Chordata , Aves ,,,,"))
    assert lineages["Aves"].aphia_id == 1836
    assert lineages["Aves"].rank == "class"
    assert lineages["Aves"].names[Rank.KINGDOM] == "Animalia"


def test_a_concept_that_differs_from_the_name_at_its_rank_is_a_synonym(write_table):
    lineages = read_lineage_table(write_table("puffin,,genus,Animalia,Chordata,,,,Fratercula,"))
    assert lineages["puffin"].accepted_name == "Fratercula"


def test_an_empty_cell_skips_a_rank(write_table):
    lineages = read_lineage_table(write_table("G,,genus,Animalia,P,,,,G,"))
    assert list(lineages["G"].names) == [Rank.KINGDOM, Rank.PHYLUM, Rank.GENUS]


@pytest.mark.parametrize("rank", ["suborder", "subspecies", "superfamily", "gigaclass", "tribe", "section", "variety"])
def test_intermediate_ranks_are_accepted(write_table, rank):
    assert read_lineage_table(write_table(f"X,,{rank},Animalia,Chordata,,,,,"))["X"].rank == rank


FAULTY = {
    "a duplicate": ([SELACHII, FRATERCULA, SELACHII], "row 4: 'Selachii' is already in row 2"),
    "a bad AphiaID": (["Aves,x12,class,Animalia,Chordata,Aves,,,,"], "row 2: `aphia_id` of 'Aves' is 'x12'"),
    "a negative AphiaID": (["Aves,-2,class,Animalia,Chordata,Aves,,,,"], "is '-2', expected a positive integer"),
    "a fractional AphiaID": (["Aves,12.5,class,Animalia,Chordata,Aves,,,,"], "is '12.5'"),
    "no name": ([",,class,Animalia,Chordata,Aves,,,,"], "row 2: `concept_name` is empty"),
    "no rank": (["Aves,,,Animalia,Chordata,Aves,,,,"], "row 2: `rank` of 'Aves' is empty; fill it in"),
    "an empty column at its rank": (["Aves,,class,Animalia,Chordata,,,,,"], "its column `class` is empty"),
    "a name below its rank": (["Aves,,class,Animalia,Chordata,Aves,O,,,"], "row 2: lineage of 'Aves'"),
    "a misspelt rank": (
        ["Aves,,clas,Animalia,Chordata,Aves,,,,"],
        "row 2: the rank of 'Aves' is 'clas'; did you mean class?",
    ),
    "no path": (["Caridea,,infraorder,,,,,,,"], "row 2: lineage of 'Caridea'"),
    "two places": ([SELACHII, "X,,class,Animalia,Selachii,X,,,,"], "row 3: 'Selachii' is Animalia"),
    "two parents": (
        [FRATERCULA, "Alca,,genus,Animalia,Chordata,Aves,Other,Alcidae,Alca,"],
        "row 3: 'Alcidae' is Other",
    ),
}


@pytest.mark.parametrize("case", FAULTY)
def test_an_error_names_the_file_and_the_row(write_table, case):
    rows, fault = FAULTY[case]
    with pytest.raises(InputError) as raised:
        read_lineage_table(write_table(*rows))
    assert fault in str(raised.value)
    assert "lineages.csv: " in str(raised.value)


def test_up_to_ten_errors_are_reported_together(write_table):
    with pytest.raises(InputError) as raised:
        read_lineage_table(write_table(*[f"N{number},bad,class,A,B,N{number},,,," for number in range(14)]))
    assert len(str(raised.value).splitlines()) == 11
    assert str(raised.value).endswith("and 4 more")


def test_an_error_names_the_missing_columns(write_table):
    with pytest.raises(InputError, match=r"lineages.csv: lacks the column\(s\) rank, species"):
        read_lineage_table(write_table(header="concept_name,aphia_id,kingdom,phylum,class,order,family,genus"))


@pytest.mark.parametrize("name", ["AphiaID", "aphiaid", "APHIA_ID", " Aphia ID "])
def test_a_table_that_a_spreadsheet_saved_is_read(tmp_path, name):
    header = f"Concept_Name;{name};Rank;Kingdom;Phylum;Class;Order;Family;Genus;Species;;"
    path = tmp_path / "lineages.csv"
    path.write_bytes(f"{header}\r\n\r\nÆgla;1836,0;Class;Animalia;Chordata;Ægla;;;;;;\r\n;;;\r\n".encode("utf-16"))
    assert read_lineage_table(path)["Ægla"].aphia_id == 1836


def test_rows_are_numbered_as_in_a_spreadsheet(write_table):
    with pytest.raises(InputError) as raised:
        read_lineage_table(write_table("", "Aves,,class,Animalia,Chordata,,,,,", ",,,", f"{SELACHII},x"))
    assert "row 3: the rank of 'Aves' is class" in str(raised.value)
    assert "row 5: more cells than the header, such as 'x'" in str(raised.value)
