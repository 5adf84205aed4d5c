import pytest

from fathomline.taxonomy.ranks import RANKS, Rank, rank_or_none


def test_the_seven_ranks_are_listed_from_the_root_down():
    assert [rank.value for rank in RANKS] == ["kingdom", "phylum", "class", "order", "family", "genus", "species"]
    assert [rank.depth for rank in RANKS] == [0, 1, 2, 3, 4, 5, 6]
    assert Rank.ORDER.below is Rank.FAMILY
    assert Rank.SPECIES.below is Rank.SPECIES


@pytest.mark.parametrize(
    ("text", "rank"), [("Genus", Rank.GENUS), (" phylum ", Rank.PHYLUM), ("SPECIES", Rank.SPECIES)]
)
def test_a_rank_is_recognised_in_any_case(text, rank):
    assert rank_or_none(text) is rank


@pytest.mark.parametrize("text", ["infraorder", "subphylum", "unranked", "", "superclass"])
def test_an_intermediate_rank_is_none(text):
    assert rank_or_none(text) is None
