import pytest

from fathomline.lineages.spelling import key, nearest, spellings, tidy


@pytest.mark.parametrize(
    "written",
    [
        "Sebastes diploproa",
        "  Sebastes   diploproa ",
        "Sebastes_diploproa",
        "sebastes diploproa",
        "SEBASTES DIPLOPROA",
        "Sebastes Diploproa",
        "Sebastes diploproa (Gilbert, 1890)",
        "sebastes_diploproa_(Gilbert,_1890)",
        "SEBASTES DIPLOPROA (GILBERT, 1890)",
        "Sebastes diploproa Gilbert, 1890",
        "Sebastes diploproa Gilbert",
        "Sebastes diploproa de Haan, 1833",
        "Sebastes diploproa S.S. Berry & Théel, 1912",
        "Sebastes diploproa (Lundsten et al., 2014)",
    ],
)
def test_the_usual_spelling_is_found(written):
    assert "Sebastes diploproa" in spellings(written)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Mycale Gray, 1867", "Mycale"),
        ("Mycale (Carmia) fibrexilis Wilson, 1894", "Mycale (Carmia) fibrexilis"),
        ("Asbestopluma (Asbestopluma) monticola", "Asbestopluma (Asbestopluma) monticola"),
        ("Ærgtania søde Müller, 1776", "Ærgtania søde"),
    ],
)
def test_authorship_is_removed_but_not_a_subgenus(written, name):
    assert name in spellings(written)


@pytest.mark.parametrize(
    "written", ["Marine Snow", "SEBASTES DIPLOPROA GILBERT, 1890", "Sebastes Diploproa (Gilbert, 1890)", "Ophiura sp."]
)
def test_a_part_that_may_not_be_an_author_is_not_removed(written):
    assert not {"Marine", "SEBASTES", "Sebastes", "Ophiura"} & set(spellings(written))


def test_the_most_literal_spelling_comes_first():
    assert spellings("Sebastes diploproa (Gilbert, 1890)")[0] == "Sebastes diploproa (Gilbert, 1890)"


def test_names_compare_equal_whatever_their_case_spaces_and_underscores():
    assert key(" sebastes_Diploproa") == key("Sebastes  diploproa")
    assert tidy("_a__b ") == "a b"


def test_similar_names_are_listed_best_first_and_dissimilar_ones_left_out():
    known = ["Sebastes diploproa", "Sebastes ruberrimus", "Sebastolobus", "Porifera"]
    assert nearest("sebastes diplopora", known)[0] == "Sebastes diploproa"
    assert nearest("Sebastes diplopora", reversed(known)) == nearest("Sebastes diplopora", known)
    assert nearest("xyz", known) == []
