import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from fathomline.errors import InputError
from fathomline.lineages import fgvc2025
from fathomline.lineages.resolve import resolve, update_reference
from fathomline.taxonomy.ranks import Rank
from fathomline.taxonomy.reference import read_reference, write_reference
from fathomline.taxonomy.tree import Taxonomy

NOWHERE = "http://127.0.0.1:9/worms"
"""Nobody listens there: whoever asks fails."""

SNAPSHOT = {lineage.concept: lineage for lineage in fgvc2025.lineages()}


@pytest.fixture
def offline(config):
    return lambda **changed: config(offline=True, **changed)


def test_the_snapshot_needs_no_network(config):
    resolution = resolve(SNAPSHOT, config(), cached={}, worms_url=NOWHERE)
    assert resolution.taxonomy.hash == Taxonomy(SNAPSHOT.values()).hash
    assert resolution.origins == {"fgvc2025": 79}
    assert resolution.notes == resolution.changes == ()


def test_the_csv_comes_before_the_cache_and_the_cache_before_the_snapshot(offline, write_table, make_lineage):
    table = write_table("Caridea,,order,Animalia,Table,Malacostraca,Caridea,,,")
    cached = {
        "Caridea": make_lineage("Animalia > Cache > C > Caridea", origin="worms"),
        "Porifera": make_lineage("Other > Porifera", origin="fgvc2025"),
    }
    names = ["Caridea", "Porifera", "Gastropoda"]
    taxonomy = resolve(names, offline(lineages=str(table)), cached=cached, worms_url=None).taxonomy
    assert taxonomy.lineage("Caridea").names[Rank.PHYLUM] == "Table"
    assert taxonomy.lineage("Porifera").names[Rank.KINGDOM] == "Other"
    assert taxonomy.lineage("Gastropoda").names[Rank.PHYLUM] == "Mollusca"
    assert [lineage.origin for lineage in taxonomy.lineages] == ["lineages", "fgvc2025", "fgvc2025"]


def test_worms_is_asked_for_the_rest_and_for_nothing_else(stand_in, config):
    names = ["Gastropoda", "Sebastes ruberrimus"]
    resolution = resolve(names, config(), cached={}, worms_url=stand_in.url)
    assert resolution.origins == {"fgvc2025": 1, "worms": 1}
    assert not any("Gastropoda" in path for path in stand_in.asked)
    stand_in.asked.clear()
    cached = {lineage.concept: lineage for lineage in resolution.taxonomy.lineages}
    assert resolve(names, config(), cached=cached, worms_url=stand_in.url).taxonomy.hash == resolution.taxonomy.hash
    assert stand_in.asked == []


def test_a_cache_that_was_edited_wins_over_the_snapshot_and_is_told(offline):
    edited = replace(
        SNAPSHOT["Zoantharia"], rank="order", names=SNAPSHOT["Zoantharia"].names | {Rank.ORDER: "Zoantharia"}
    )
    resolution = resolve(SNAPSHOT, offline(), cached=SNAPSHOT | {"Zoantharia": edited}, worms_url=None)
    assert resolution.taxonomy.lineage("Zoantharia") == edited
    assert resolution.notes == (
        "'Zoantharia': the cache differs from the bundled lineage of FathomNet 2025, and is taken",
    )


def test_strays_of_the_cache_are_left_out(offline, make_lineage):
    stray = make_lineage("Animalia > Contradicting > Gastropoda > Stray", origin="worms")
    taxonomy = resolve(["Gastropoda"], offline(), cached={"Stray": stray}, worms_url=None).taxonomy
    assert taxonomy.concepts == ("Gastropoda",)
    assert not taxonomy.holds("Contradicting")


def test_what_the_csv_holds_no_more_is_resolved_anew(offline, make_lineage):
    cached = {"Gastropoda": make_lineage("Animalia > Other > Gastropoda", origin="lineages")}
    taxonomy = resolve(["Gastropoda"], offline(), cached=cached, worms_url=None).taxonomy
    assert taxonomy.lineage("Gastropoda").names[Rank.PHYLUM] == "Mollusca"
    cached = {"Mine": make_lineage("Animalia > Mine", origin="lineages")}
    with pytest.raises(InputError, match="'Mine'"):
        resolve(["Mine"], offline(), cached=cached, worms_url=None)


@pytest.mark.parametrize(
    "written", ["pandalus_amplus", " Pandalus  amplus", "PANDALUS AMPLUS", "Pandalus amplus (Bate, 1888)"]
)
def test_the_snapshot_forgives_spelling_and_says_so(offline, written):
    resolution = resolve([written], offline(), cached={}, worms_url=None)
    assert resolution.taxonomy.lineage(written).accepted_name == "Pandalus amplus"
    assert resolution.notes == (f"{written!r} is read as 'Pandalus amplus'",)


def test_the_csv_forgives_spelling_too(offline, write_table):
    table = write_table("Selachii,,infraclass,Animalia,Chordata,Elasmobranchii,,,,")
    resolution = resolve(["selachii "], offline(lineages=str(table)), cached={}, worms_url=None)
    assert resolution.taxonomy.lineage("selachii ").rank == "infraclass"
    assert resolution.notes == ("'selachii ' is read as 'Selachii'",)


def test_offline_refuses_all_unknown_names_at_once_with_suggestions(offline):
    with pytest.raises(InputError) as raised:
        resolve(["Pandalus amplu", "Gastropoda", "Qwxyz"], offline(), cached={}, worms_url=NOWHERE)
    text = str(raised.value)
    assert "2 name(s) cannot be resolved; taxonomy.offline is true, so WoRMS was not asked for" in text
    assert "'Pandalus amplu': did you mean 'Pandalus amplus'" in text
    assert "'Qwxyz'" in text
    assert "Gastropoda" not in text


@pytest.mark.parametrize(("names", "fault"), [([], "no category"), (["A", " "], "' '"), ([""], "empty name")])
def test_empty_names_are_refused(offline, names, fault):
    with pytest.raises(InputError, match=fault):
        resolve(names, offline(), cached={}, worms_url=None)


def test_lineages_that_disagree_say_how_to_go_on(stand_in, config):
    with pytest.raises(InputError, match=r"Zoantharia stands at two places.*taxonomy.refresh: true takes every name"):
        resolve(["Zoantharia", "Parazoanthus axinellae"], config(), cached={}, worms_url=stand_in.url)
    taxonomy = resolve(
        ["Zoantharia", "Parazoanthus axinellae"], config(refresh=True), cached={}, worms_url=stand_in.url
    ).taxonomy
    assert taxonomy.distance("Zoantharia", "Parazoanthus axinellae") == 3


def test_refresh_asks_again_and_tells_what_changed_and_what_moved(stand_in, config, make_lineage):
    old = "Animalia > Chordata > Teleostei > Perciformes > Scorpaenidae > Sebastes > Sebastes ruberrimus"
    cached = {"Sebastes ruberrimus": make_lineage(old, origin="worms", aphia_id=1)}
    names = ["Sebastes ruberrimus", "Sebastes diploproa", "Zoantharia", "Caridea"]
    resolution = resolve(names, config(refresh=True), cached=cached, worms_url=stand_in.url)
    assert resolution.origins == {"worms": 4}
    identifier = stand_in.nodes["Sebastes ruberrimus"]["aphiaId"]
    lines, moves = resolution.changes[:2], resolution.changes[2:]
    assert lines == (
        f"Sebastes ruberrimus: family Scorpaenidae -> Sebastidae; AphiaID 1 -> {identifier}",
        "Zoantharia: order none -> Zoantharia; own rank unranked -> order",
    )
    assert moves == (
        "distances cannot be compared, since the lineages in use before were no tree: " + moves[0].split(": ", 1)[1],
    )


def test_the_longest_moves_are_told_first(stand_in, config, make_lineage):
    cached = {"Sebastes ruberrimus": make_lineage("Animalia > Mollusca > Sebastes ruberrimus", origin="worms")}
    names = ["Sebastes ruberrimus", "Gastropoda", "Acanthoptilum"]
    resolution = resolve(names, config(refresh=True), cached=cached, worms_url=stand_in.url)
    assert resolution.changes[-2:] == (
        "distance Sebastes ruberrimus - Gastropoda: 2 -> 8",
        "distance Sebastes ruberrimus - Acanthoptilum: 7 -> 11",
    )


def test_what_worms_does_not_know_stays_as_it_was_on_refresh(stand_in, config):
    resolution = resolve(["Gastropoda", "Caridea"], config(refresh=True), cached={}, worms_url=stand_in.url)
    assert resolution.origins == {"fgvc2025": 1, "worms": 1}
    assert resolution.notes == ("WoRMS does not know 'Gastropoda'; its lineage stays as it was",)
    assert resolution.changes == ()


def test_refresh_does_not_ask_for_the_csv(stand_in, config, write_table):
    table = write_table("Caridea,,order,Animalia,Arthropoda,Malacostraca,Caridea,,,")
    taxonomy = resolve(
        ["Caridea"], config(refresh=True, lineages=str(table)), cached={}, worms_url=stand_in.url
    ).taxonomy
    assert taxonomy.lineage("Caridea").origin == "lineages"
    assert stand_in.asked == []


def test_offline_and_refresh_exclude_each_other(config):
    with pytest.raises(ValidationError, match="exclude each other"):
        config(offline=True, refresh=True)


def test_the_reference_is_the_same_for_a_fresh_and_an_old_clone(stand_in, config, tmp_path, make_lineage):
    names = ["Sebastes ruberrimus", "Caridea"]
    fresh, old = tmp_path / "fresh.json", tmp_path / "old.json"
    update_reference(names, config(), fresh, worms_url=stand_in.url)
    update_reference([*names, "Pandalus borealis", "Gastropoda"], config(), old, worms_url=stand_in.url)
    stand_in.asked.clear()
    update_reference(names, config(), old, worms_url=stand_in.url)
    assert old.read_bytes() == fresh.read_bytes()
    assert stand_in.asked == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fresh.json", "old.json"]


def test_an_edit_in_the_reference_is_taken_in(config, tmp_path):
    path = tmp_path / "reference.json"
    write_reference(Taxonomy(SNAPSHOT.values()), path)
    content = json.loads(path.read_text())
    content["concepts"]["Serpulidae"]["order"] = "Canalipalpata"
    path.write_text(json.dumps(content))
    update_reference(SNAPSHOT, config(), path, worms_url=NOWHERE)
    taxonomy = read_reference(path)
    assert taxonomy.lineage("Serpulidae").names[Rank.ORDER] == "Canalipalpata"
    assert taxonomy.hash != Taxonomy(SNAPSHOT.values()).hash


def test_a_stop_leaves_the_reference_as_it_was(config, tmp_path):
    path = tmp_path / "reference.json"
    write_reference(Taxonomy(SNAPSHOT.values()), path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="'Qwxyz'"):
        update_reference(["Qwxyz"], config(offline=True), path, worms_url=None)
    assert path.read_bytes() == before
