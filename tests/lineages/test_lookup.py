"""Names, synonyms and homonyms in various spellings, looked up in the stand-in."""

import pytest

from fathomline.errors import InputError
from fathomline.lineages.resolve import TaxonomyConfig, resolve


@pytest.fixture
def looked_up(stand_in):
    def look_up(*names: str):
        return resolve(names, TaxonomyConfig(), cached={}, worms_url=stand_in.url)

    return look_up


def joined_path(lineage) -> str:
    return " > ".join(node.name for node in lineage.path)


SEBASTES = "Animalia > Chordata > Teleostei > Perciformes > Sebastidae > Sebastes"


def test_the_path_of_a_species_has_the_seven_ranks_only(looked_up, stand_in):
    lineage = looked_up("Sebastes ruberrimus").taxonomy.lineage("Sebastes ruberrimus")
    assert joined_path(lineage) == f"{SEBASTES} > Sebastes ruberrimus"
    assert (lineage.rank, lineage.origin) == ("species", "worms")
    assert lineage.aphia_id == stand_in.nodes["Sebastes ruberrimus"]["aphiaId"]


def test_the_aphia_ids_of_ancestors_at_the_seven_ranks_are_kept(looked_up, stand_in):
    stand_in.nodes["Chordata"]["aphiaId"] = -3  # FathomNet's own, not an AphiaID
    taxonomy = looked_up("Sebastes ruberrimus", "Scorpaenoidei").taxonomy
    names = ["Animalia", "Teleostei", "Perciformes"]
    assert taxonomy.lineage("Scorpaenoidei").ancestor_ids == {name: stand_in.nodes[name]["aphiaId"] for name in names}
    assert taxonomy.aphia_ids[taxonomy.node("Sebastidae")] == stand_in.nodes["Sebastidae"]["aphiaId"]
    assert taxonomy.aphia_ids[taxonomy.node("Chordata")] is None


def test_a_taxon_of_an_intermediate_rank_is_a_leaf(looked_up):
    taxonomy = looked_up("Scorpaenoidei", "Pandalus borealis", "Pleocyemata", "Sebastes ruberrimus minor").taxonomy
    assert (
        joined_path(taxonomy.lineage("Scorpaenoidei"))
        == "Animalia > Chordata > Teleostei > Perciformes > Scorpaenoidei"
    )
    assert taxonomy.lineage("Scorpaenoidei").rank == "suborder"
    assert taxonomy.distance("Pleocyemata", "Pandalus borealis") == 4
    assert joined_path(taxonomy.lineage("Sebastes ruberrimus minor")).endswith(
        "Sebastes ruberrimus > Sebastes ruberrimus minor"
    )


def test_a_synonym_has_the_lineage_of_its_accepted_name(looked_up, stand_in):
    resolution = looked_up("Sebastomus ruberrimus")
    lineage = resolution.taxonomy.lineage("Sebastomus ruberrimus")
    assert (lineage.concept, lineage.accepted_name) == ("Sebastomus ruberrimus", "Sebastes ruberrimus")
    assert joined_path(lineage) == f"{SEBASTES} > Sebastes ruberrimus"
    assert lineage.aphia_id == stand_in.nodes["Sebastes ruberrimus"]["aphiaId"]
    assert resolution.notes == ("'Sebastomus ruberrimus' is a synonym; WoRMS accepts 'Sebastes ruberrimus'",)


def test_a_synonym_keeps_its_own_place_if_the_service_lacks_its_accepted_name(looked_up):
    resolution = looked_up("Sebastomus perditus")
    assert resolution.taxonomy.lineage("Sebastomus perditus").accepted_name == "Sebastomus perditus"
    assert "is a synonym of a name that the service lacks" in resolution.notes[0]


def test_two_names_of_one_taxon_are_reported(looked_up):
    resolution = looked_up("Sebastomus ruberrimus", "Sebastes ruberrimus")
    assert resolution.taxonomy.distance("Sebastomus ruberrimus", "Sebastes ruberrimus") == 0
    assert "'Sebastes ruberrimus', 'Sebastomus ruberrimus' are the same taxon" in resolution.notes[-1]


@pytest.mark.parametrize(
    "written",
    [
        "sebastes ruberrimus",
        " Sebastes  ruberrimus ",
        "Sebastes_ruberrimus",
        "SEBASTES RUBERRIMUS",
        "Sebastes ruberrimus (Cramer, 1895)",
    ],
)
def test_another_spelling_is_accepted_with_a_note(looked_up, written):
    resolution = looked_up(written)
    lineage = resolution.taxonomy.lineage(written)
    assert (lineage.concept, lineage.accepted_name) == (written, "Sebastes ruberrimus")
    assert resolution.notes == (f"{written!r} is read as 'Sebastes ruberrimus'",)


def test_a_synonym_in_another_spelling_is_resolved(looked_up):
    resolution = looked_up("sebastomus_ruberrimus")
    assert resolution.taxonomy.lineage("sebastomus_ruberrimus").accepted_name == "Sebastes ruberrimus"
    assert len(resolution.notes) == 2


def test_a_common_name_is_resolved_with_a_note(looked_up):
    resolution = looked_up("rockfish")
    assert joined_path(resolution.taxonomy.lineage("rockfish")) == SEBASTES
    assert resolution.notes == ("'rockfish' is another name of 'Sebastes'",)


def test_among_homonyms_an_animal_is_preferred(looked_up):
    resolution = looked_up("Morum")
    lineage = resolution.taxonomy.lineage("Morum")
    assert joined_path(lineage) == "Animalia > Morum 1"
    assert "using Animalia > Morum 1, not Plantae > Morum" in resolution.notes[-1]


def test_among_homonymous_animals_the_choice_of_the_service_is_used(looked_up):
    resolution = looked_up("Ctenophora")
    assert joined_path(resolution.taxonomy.lineage("Ctenophora")) == "Animalia > Ctenophora"
    assert resolution.notes == (
        "'Ctenophora' is the name of several taxa; using Animalia > Ctenophora, "
        "not Animalia > Arthropoda > … > Limoniidae > Ctenophora 1",
    )


def test_among_several_paths_to_a_name_an_animal_is_preferred(looked_up, stand_in):
    stand_in.nodes["Bifax"] = {
        "name": "Bifax",
        "rank": "Genus",
        "aphiaId": 7,
        "acceptedAphiaId": 7,
        "alternateNames": [],
    }
    leaf = {"name": "Bifax", "rank": "Genus", "aphiaId": 8}
    kingdoms = [{"name": name, "rank": "Kingdom", "children": [leaf]} for name in ("Plantae", "Animalia")]
    stand_in.overrides["taxa/ancestors/Bifax"] = {"name": "Biota", "children": kingdoms}
    stand_in.overrides["taxa/query/startswith/Bifax"] = []
    resolution = looked_up("Bifax")
    assert joined_path(resolution.taxonomy.lineage("Bifax")) == "Animalia > Bifax"
    assert "not Plantae > Bifax" in resolution.notes[0]


@pytest.mark.parametrize(
    "name", ["A/B", "what?", "a%", "a#b", "Ærgtania søda", "../names/count", "a&b=c", "%2e", "日本"]
)
def test_names_with_special_characters_reach_the_service_unchanged(looked_up, stand_in, name):
    with pytest.raises(InputError, match="cannot be resolved"):
        looked_up(name)
    assert f"taxa/info/{name}" in stand_in.asked


def test_a_name_beyond_ascii_is_found(looked_up):
    assert joined_path(looked_up("Ærgtania søde").taxonomy.lineage("Ærgtania søde")) == "Animalia > Ærgtania søde"


def test_the_service_is_not_asked_for_a_name_without_letters(looked_up, stand_in):
    with pytest.raises(InputError, match="cannot be resolved"):
        looked_up("..")
    assert not any(path.startswith("taxa/info") for path in stand_in.asked)


def test_a_name_without_any_of_the_seven_ranks_is_unknown(looked_up):
    with pytest.raises(InputError, match="'equipment'"):
        looked_up("equipment")


def test_all_unknown_names_are_reported_together_with_suggestions(looked_up, stand_in):
    with pytest.raises(InputError) as raised:
        looked_up("Sebastes diplopora", "Sebastez ruberrimus", "Qwxyz", "Pandalus borealis")
    text = str(raised.value)
    assert f"3 name(s) cannot be resolved; WoRMS at {stand_in.url} does not know them" in text
    assert "'Sebastes diplopora': did you mean 'Sebastes diploproa'" in text
    assert "'Sebastez ruberrimus': did you mean 'Sebastes ruberrimus'" in text
    assert "  'Qwxyz'\n" in text
    assert "taxonomy.lineages" in text
    assert "Pandalus borealis" not in text


def ancestors(*nodes: tuple[str, str]) -> dict:
    nested: list[dict] = []
    for name, rank in reversed(nodes):
        nested = [{"name": name, "rank": rank, "aphiaId": None, "children": nested}]
    return nested[0]


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ([("Animalia", "Kingdom"), ("X y", "Species"), ("Pandalus", "Genus")], "out of order: the genus Pandalus"),
        ([("Animalia", "Kingdom"), ("A", "Family"), ("B", "Family"), ("Pandalus", "Genus")], "the family B is below"),
        ([("Pandalus", "Genus"), ("B", "Tribe"), ("Pandalus", "Genus")], "form a cycle: Pandalus"),
        ([("Animalia", "Kingdom"), ("A", "Clade"), ("A", "Clade"), ("Pandalus", "Genus")], "form a cycle: A"),
    ],
)
def test_ancestors_that_form_no_lineage_are_refused(looked_up, stand_in, path, fault):
    stand_in.overrides["taxa/ancestors/Pandalus"] = ancestors(*path)
    with pytest.raises(InputError, match=fault):
        looked_up("Pandalus")
