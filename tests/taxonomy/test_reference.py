import json
from dataclasses import replace

import pytest

from fathomline.errors import InputError
from fathomline.lineages import fgvc2025
from fathomline.taxonomy.reference import read_lineages, read_reference, write_reference
from fathomline.taxonomy.tree import Taxonomy


@pytest.fixture
def taxonomy(make_lineage) -> Taxonomy:
    synonym = make_lineage("Animalia > P > C > O > F > G > G s", concept="H s", aphia_id=12, origin="worms")
    return Taxonomy([synonym, make_lineage("Animalia > P", concept="Café", leaf_rank="subphylum", origin="fgvc2025")])


@pytest.fixture
def edited(taxonomy, tmp_path):
    """Write the reference, then change one entry without updating the hash."""

    def edit(concept: str, **changes):
        path = tmp_path / "reference.json"
        write_reference(taxonomy, path)
        content = json.loads(path.read_text())
        content["concepts"][concept] |= changes
        path.write_text(json.dumps(content))
        return path

    return edit


def test_a_written_taxonomy_reads_back_unchanged(tmp_path):
    taxonomy = Taxonomy(fgvc2025.lineages())
    write_reference(taxonomy, tmp_path / "reference.json")
    assert read_reference(tmp_path / "reference.json").lineages == taxonomy.lineages


def test_the_file_is_sorted_and_does_not_depend_on_the_order_of_lineages(taxonomy, tmp_path):
    write_reference(taxonomy, tmp_path / "one.json")
    write_reference(Taxonomy(reversed(taxonomy.lineages)), tmp_path / "other.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "other.json").read_bytes()
    content = json.loads((tmp_path / "one.json").read_text(encoding="utf-8"))
    assert content["hash"] == taxonomy.hash
    assert list(content["concepts"]) == ["Café", "H s"]
    ranks = {"kingdom": "Animalia", "phylum": "P", "class": "C", "order": "O", "family": "F", "genus": "G"}
    own = {"accepted_name": "G s", "rank": "species", "aphia_id": 12, "species": "G s", "origin": "worms"}
    assert content["concepts"]["H s"] == own | ranks
    assert '"Café"' in (tmp_path / "one.json").read_text(encoding="utf-8")


def test_an_edited_file_is_refused_until_the_stage_has_run(edited):
    path = edited("Café", phylum="Q")
    with pytest.raises(InputError, match=r"reference.json: `hash` is .*edited; run `dvc repro`"):
        read_reference(path)
    assert list(read_lineages(path)["Café"].names.values()) == ["Animalia", "Q"]


def test_an_edit_that_changes_no_distance_is_accepted(edited):
    assert read_reference(edited("H s", aphia_id=13)).lineage("H s").aphia_id == 13


MALFORMED = {
    "an unknown key": ({"phylm": "Q"}, "has the unknown key(s) phylm"),
    "an empty name": ({"phylum": ""}, "empty"),
    "a number for a name": ({"class": 7}, "`class` is 7"),
    "no rank": ({"rank": None}, "`rank` is null"),
    "an unknown origin": ({"origin": "hearsay"}, "`origin` is 'hearsay'"),
    "a negative AphiaID": ({"aphia_id": -1}, "`aphia_id` is -1"),
    "a boolean AphiaID": ({"aphia_id": True}, "`aphia_id` is True"),
    "a list of ancestors' AphiaIDs": ({"ancestor_ids": [2]}, "`ancestor_ids` is [2]"),
    "a text as an ancestor's AphiaID": ({"ancestor_ids": {"P": "2"}}, "`ancestor_ids` is {'P': '2'}"),
    "a contradiction": ({"species": "G t"}, "its species is 'G t', not 'G s'"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_an_error_names_the_malformed_entry(edited, case):
    changes, fault = MALFORMED[case]
    with pytest.raises(InputError, match=r"reference\.json") as raised:
        read_lineages(edited("H s", **changes))
    assert "'H s'" in str(raised.value)
    assert fault in str(raised.value)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"hash": "", "concepts": {}}', '{"hash": "", "concepts": {"A": []}}']
)
def test_a_file_of_another_structure_is_refused(tmp_path, text):
    path = tmp_path / "reference.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"reference\.json"):
        read_lineages(path)


def test_an_error_names_the_missing_key(taxonomy, tmp_path):
    path = tmp_path / "reference.json"
    write_reference(taxonomy, path)
    content = json.loads(path.read_text())
    del content["concepts"]["H s"]["genus"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="concept 'H s' lacks genus"):
        read_lineages(path)


def test_the_hash_depends_on_the_place_of_a_concept_and_not_on_its_origin(taxonomy, make_lineage, tmp_path):
    moved = make_lineage("Animalia > Q", concept="Café", leaf_rank="subphylum")
    write_reference(Taxonomy([moved, taxonomy.lineage("H s")]), tmp_path / "moved.json")
    write_reference(Taxonomy([replace(one, origin="lineages") for one in taxonomy.lineages]), tmp_path / "same.json")
    assert read_reference(tmp_path / "moved.json").hash != taxonomy.hash
    assert read_reference(tmp_path / "same.json").hash == taxonomy.hash


def test_aphia_ids_of_ancestors_are_stored_by_name_and_only_where_known(make_lineage, tmp_path):
    known = make_lineage("Animalia > P > C", aphia_id=12, ancestor_ids={"P": 7, "Animalia": 2})
    taxonomy = Taxonomy([known, make_lineage("Animalia > Q")])
    write_reference(taxonomy, tmp_path / "reference.json")
    concepts = json.loads((tmp_path / "reference.json").read_text())["concepts"]
    assert list(concepts["C"]["ancestor_ids"].items()) == [("Animalia", 2), ("P", 7)]
    assert "ancestor_ids" not in concepts["Q"], "as in files of earlier versions"
    assert read_reference(tmp_path / "reference.json").lineages == taxonomy.lineages


def test_a_corrected_name_loses_the_aphia_id_of_the_name_before(make_lineage, tmp_path):
    path = tmp_path / "reference.json"
    write_reference(Taxonomy([make_lineage("Animalia > P > C", ancestor_ids={"P": 7, "Animalia": 2})]), path)
    content = json.loads(path.read_text())
    content["concepts"]["C"]["phylum"] = "Q"
    path.write_text(json.dumps(content))
    corrected = Taxonomy(read_lineages(path).values())
    assert dict(zip([node.name for node in corrected.nodes], corrected.aphia_ids, strict=True)) == {
        "Animalia": 2,
        "Q": None,
        "C": None,
    }
    write_reference(corrected, path)
    assert read_reference(path).lineage("C").ancestor_ids == {"Animalia": 2}
