import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from fathomline.errors import InputError
from fathomline.lineages import fgvc2025
from fathomline.lineages.resolve import TaxonomyConfig, resolve, update_reference
from fathomline.taxonomy.ranks import Rank
from fathomline.taxonomy.reference import read_reference, write_reference
from fathomline.taxonomy.tree import Taxonomy

NOWHERE = "http://127.0.0.1:9/worms"
"""Nothing listens here, so every request fails."""

OFFLINE = TaxonomyConfig(offline=True)
SNAPSHOT = {lineage.concept: lineage for lineage in fgvc2025.lineages()}


def test_the_names_of_the_snapshot_need_no_network():
    resolution = resolve(SNAPSHOT, TaxonomyConfig(), cached={}, worms_url=NOWHERE)
    assert resolution.taxonomy.hash == Taxonomy(SNAPSHOT.values()).hash
    assert resolution.origins == {"fgvc2025": 79}
    assert resolution.notes == resolution.changes == ()


def test_the_csv_overrides_the_cache_and_the_cache_overrides_the_snapshot(write_table, make_lineage):
    table = write_table("Caridea,,order,Animalia,Table,Malacostraca,Caridea,,,")
    cached = {
        "Caridea": make_lineage("Animalia > Cache > C > Caridea", origin="worms"),
        "Porifera": make_lineage("Other > Porifera", origin="fgvc2025"),
    }
    names = ["Caridea", "Porifera", "Gastropoda"]
    taxonomy = resolve(names, TaxonomyConfig(offline=True, lineages=str(table)), cached=cached, worms_url=None).taxonomy
    assert taxonomy.lineage("Caridea").names[Rank.PHYLUM] == "Table"
    assert taxonomy.lineage("Porifera").names[Rank.KINGDOM] == "Other"
    assert taxonomy.lineage("Gastropoda").names[Rank.PHYLUM] == "Mollusca"
    assert [lineage.origin for lineage in taxonomy.lineages] == ["lineages", "fgvc2025", "fgvc2025"]


def test_worms_is_asked_only_for_names_that_no_other_source_has(stand_in):
    names = ["Gastropoda", "Sebastes ruberrimus"]
    resolution = resolve(names, TaxonomyConfig(), cached={}, worms_url=stand_in.url)
    assert resolution.origins == {"fgvc2025": 1, "worms": 1}
    assert not any("Gastropoda" in path for path in stand_in.asked)
    stand_in.asked.clear()
    cached = {lineage.concept: lineage for lineage in resolution.taxonomy.lineages}
    again = resolve(names, TaxonomyConfig(), cached=cached, worms_url=stand_in.url)
    assert again.taxonomy.hash == resolution.taxonomy.hash
    assert stand_in.asked == []


def test_an_edited_cache_precedes_the_snapshot_with_a_note():
    edited = replace(
        SNAPSHOT["Zoantharia"], rank="order", names=SNAPSHOT["Zoantharia"].names | {Rank.ORDER: "Zoantharia"}
    )
    resolution = resolve(SNAPSHOT, OFFLINE, cached=SNAPSHOT | {"Zoantharia": edited}, worms_url=None)
    assert resolution.taxonomy.lineage("Zoantharia") == edited
    assert resolution.notes == (
        "'Zoantharia': the cache differs from the bundled lineage of FathomNet 2025; using the cache",
    )


def test_other_concepts_of_the_cache_are_left_out(make_lineage):
    other = make_lineage("Animalia > Contradicting > Gastropoda > Other", origin="worms")
    taxonomy = resolve(["Gastropoda"], OFFLINE, cached={"Other": other}, worms_url=None).taxonomy
    assert taxonomy.concepts == ("Gastropoda",)
    assert not taxonomy.holds("Contradicting")


def test_a_cached_lineage_whose_csv_row_was_removed_is_dropped(make_lineage):
    cached = {"Gastropoda": make_lineage("Animalia > Other > Gastropoda", origin="lineages")}
    taxonomy = resolve(["Gastropoda"], OFFLINE, cached=cached, worms_url=None).taxonomy
    assert taxonomy.lineage("Gastropoda").names[Rank.PHYLUM] == "Mollusca"
    cached = {"Mine": make_lineage("Animalia > Mine", origin="lineages")}
    with pytest.raises(InputError, match="'Mine'\n"):  # and is not suggested for itself
        resolve(["Mine"], OFFLINE, cached=cached, worms_url=None)


@pytest.mark.parametrize(
    "written", ["pandalus_amplus", " Pandalus  amplus", "PANDALUS AMPLUS", "Pandalus amplus (Bate, 1888)"]
)
def test_another_spelling_of_a_name_in_the_snapshot_is_accepted_with_a_note(written):
    resolution = resolve([written], OFFLINE, cached={}, worms_url=None)
    assert resolution.taxonomy.lineage(written).accepted_name == "Pandalus amplus"
    assert resolution.notes == (f"{written!r} is read as 'Pandalus amplus'",)


def test_another_spelling_of_a_name_in_the_csv_is_accepted_with_a_note(write_table):
    table = write_table("Selachii,,infraclass,Animalia,Chordata,Elasmobranchii,,,,")
    resolution = resolve(["selachii "], TaxonomyConfig(offline=True, lineages=str(table)), cached={}, worms_url=None)
    assert resolution.taxonomy.lineage("selachii ").rank == "infraclass"
    assert resolution.notes == ("'selachii ' is read as 'Selachii'",)


def test_offline_all_unknown_names_are_reported_together_with_suggestions():
    with pytest.raises(InputError) as raised:
        resolve(["Pandalus amplu", "Gastropoda", "Qwxyz"], OFFLINE, cached={}, worms_url=NOWHERE)
    text = str(raised.value)
    assert "2 name(s) cannot be resolved; taxonomy.offline is true, so WoRMS was not asked:" in text
    assert "'Pandalus amplu': did you mean 'Pandalus amplus'" in text
    assert "'Qwxyz'" in text
    assert "Gastropoda" not in text


@pytest.mark.parametrize(("names", "fault"), [([], "no category"), (["A", " "], "' '"), ([""], "1 category name")])
def test_empty_names_are_refused(names, fault):
    with pytest.raises(InputError, match=fault):
        resolve(names, OFFLINE, cached={}, worms_url=None)


def test_when_worms_contradicts_the_snapshot_the_error_suggests_a_refresh(stand_in):
    with pytest.raises(InputError, match=r"Zoantharia has two places.*taxonomy.refresh: true"):
        resolve(["Zoantharia", "Parazoanthus axinellae"], TaxonomyConfig(), cached={}, worms_url=stand_in.url)
    taxonomy = resolve(
        ["Zoantharia", "Parazoanthus axinellae"], TaxonomyConfig(refresh=True), cached={}, worms_url=stand_in.url
    ).taxonomy
    assert taxonomy.distance("Zoantharia", "Parazoanthus axinellae") == 3


def test_refresh_asks_again_and_reports_changed_lineages(stand_in, make_lineage):
    old = "Animalia > Chordata > Teleostei > Perciformes > Scorpaenidae > Sebastes > Sebastes ruberrimus"
    cached = {"Sebastes ruberrimus": make_lineage(old, origin="worms", aphia_id=1)}
    names = ["Sebastes ruberrimus", "Sebastes diploproa", "Zoantharia", "Caridea"]
    resolution = resolve(names, TaxonomyConfig(refresh=True), cached=cached, worms_url=stand_in.url)
    assert resolution.origins == {"worms": 4}
    identifier = stand_in.nodes["Sebastes ruberrimus"]["aphiaId"]
    lines, moves = resolution.changes[:2], resolution.changes[2:]
    assert lines == (
        f"Sebastes ruberrimus: family Scorpaenidae -> Sebastidae; AphiaID 1 -> {identifier}",
        "Zoantharia: order none -> Zoantharia; own rank unranked -> order",
    )
    assert len(moves) == 1
    assert "the previous lineages do not form a tree: taxonomy: Sebastes has two places" in moves[0]


def test_refresh_reports_the_largest_changes_of_distance_first(stand_in, make_lineage):
    cached = {"Sebastes ruberrimus": make_lineage("Animalia > Mollusca > Sebastes ruberrimus", origin="worms")}
    names = ["Sebastes ruberrimus", "Gastropoda", "Acanthoptilum"]
    resolution = resolve(names, TaxonomyConfig(refresh=True), cached=cached, worms_url=stand_in.url)
    assert resolution.changes[-2:] == (
        "distance Sebastes ruberrimus - Gastropoda: 2 -> 8",
        "distance Sebastes ruberrimus - Acanthoptilum: 7 -> 11",
    )


def test_refresh_keeps_lineages_that_worms_does_not_know(stand_in):
    resolution = resolve(["Gastropoda", "Caridea"], TaxonomyConfig(refresh=True), cached={}, worms_url=stand_in.url)
    assert resolution.origins == {"fgvc2025": 1, "worms": 1}
    assert resolution.notes == ("WoRMS does not know 'Gastropoda'; keeping its previous lineage",)
    assert resolution.changes == ()


def test_refresh_does_not_ask_for_names_in_the_csv(stand_in, write_table):
    table = write_table("Caridea,,order,Animalia,Arthropoda,Malacostraca,Caridea,,,")
    taxonomy = resolve(
        ["Caridea"], TaxonomyConfig(refresh=True, lineages=str(table)), cached={}, worms_url=stand_in.url
    ).taxonomy
    assert taxonomy.lineage("Caridea").origin == "lineages"
    assert stand_in.asked == []


def test_offline_and_refresh_cannot_be_combined():
    with pytest.raises(ValidationError, match="exclude each other"):
        TaxonomyConfig(offline=True, refresh=True)


def test_the_reference_does_not_depend_on_what_earlier_runs_resolved(stand_in, tmp_path):
    names = ["Sebastes ruberrimus", "Caridea"]
    fresh, old = tmp_path / "fresh.json", tmp_path / "old.json"
    update_reference(names, TaxonomyConfig(), fresh, worms_url=stand_in.url)
    update_reference([*names, "Pandalus borealis", "Gastropoda"], TaxonomyConfig(), old, worms_url=stand_in.url)
    stand_in.asked.clear()
    update_reference(names, TaxonomyConfig(), old, worms_url=stand_in.url)
    assert old.read_bytes() == fresh.read_bytes()
    assert stand_in.asked == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fresh.json", "old.json"]


def test_an_edit_of_the_reference_is_applied(tmp_path):
    path = tmp_path / "reference.json"
    write_reference(Taxonomy(SNAPSHOT.values()), path)
    content = json.loads(path.read_text())
    content["concepts"]["Serpulidae"]["order"] = "Canalipalpata"
    path.write_text(json.dumps(content))
    update_reference(SNAPSHOT, TaxonomyConfig(), path, worms_url=NOWHERE)
    taxonomy = read_reference(path)
    assert taxonomy.lineage("Serpulidae").names[Rank.ORDER] == "Canalipalpata"
    assert taxonomy.hash != Taxonomy(SNAPSHOT.values()).hash


def test_a_failed_run_leaves_the_reference_unchanged(tmp_path):
    path = tmp_path / "reference.json"
    write_reference(Taxonomy(SNAPSHOT.values()), path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="'Qwxyz'"):
        update_reference(["Qwxyz"], TaxonomyConfig(offline=True), path, worms_url=None)
    assert path.read_bytes() == before


def test_aphia_ids_of_ancestors_come_from_the_rows_of_the_csv(write_table):
    table = write_table("Cnidaria,1267,phylum,Animalia,Cnidaria,,,,,", "Mine,,class,Animalia,Cnidaria,Mine,,,,")
    taxonomy = resolve(["Mine"], TaxonomyConfig(offline=True, lineages=str(table)), cached={}, worms_url=None).taxonomy
    assert taxonomy.concepts == ("Mine",)
    assert [taxonomy.aphia_ids[taxonomy.node(name)] for name in ("Cnidaria", "Mine")] == [1267, None]


def test_contradicting_aphia_ids_are_reported(make_lineage):
    cached = {
        name: make_lineage(f"Animalia > P > {name}", origin="worms", ancestor_ids={"P": aphia_id})
        for name, aphia_id in (("C", 7), ("D", 8))
    }
    resolution = resolve(cached, OFFLINE, cached=cached, worms_url=None)
    given = "7 in the lineage of 'C', 8 in the lineage of 'D'"
    assert resolution.notes == (f"'P' has more than one AphiaID: {given}; answers will give none for it",)
