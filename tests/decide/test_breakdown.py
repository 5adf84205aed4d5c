import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathomline.decide.breakdown import by_clade, by_concept, by_meeting_rank, by_rank
from fathomline.taxonomy.tree import Taxonomy
from tests.decide.conftest import lineage, random_taxonomies

TRUTH = ["Sebastes diploproa"] * 3 + ["Sebastes"] * 2 + ["Porifera"]
PREDICTION = ["Sebastes diploproa", "Sebastes", "Porifera", "Sebastes", "Sebastes ruberrimus", "Porifera"]


def test_a_concept_has_its_support_figures_and_most_frequent_mistakes(taxonomy):
    table = by_concept(taxonomy, taxonomy.concepts, TRUTH, PREDICTION).set_index("concept")
    split_nose = table.loc["Sebastes diploproa"]
    assert split_nose[["taxon", "rank", "support", "answers", "mistakes"]].tolist() == [
        "Sebastes diploproa",
        "species",
        3,
        1,
        2,
    ]
    assert split_nose["mhd"] == (0 + 1 + 7) / 3
    assert split_nose["accuracy"] == pytest.approx(1 / 3)
    assert split_nose["mistaken_for"] == "Porifera 1; Sebastes 1"
    assert table.loc["Porifera", "mistaken_for"] == ""
    assert table.loc["Tunicata", "rank"] == "subphylum", "between the seven ranks"


def test_a_concept_without_rois_has_a_row_with_nan_figures(taxonomy):
    row = by_concept(taxonomy, taxonomy.concepts, TRUTH, PREDICTION).set_index("concept").loc["Sebastes ruberrimus"]
    assert (row["support"], row["answers"], row["mistakes"]) == (0, 1, 0)
    assert np.isnan(row["mhd"])
    assert np.isnan(row["accuracy"])


def test_the_three_most_frequent_mistakes_are_listed_ties_in_alphabetical_order(taxonomy):
    answers = ["Tunicata", "Tunicata", "Sebastes", "Porifera", "Chordata", "Chordata", "Sebastes ruberrimus"]
    table = by_concept(taxonomy, ["Sebastes diploproa"], ["Sebastes diploproa"] * 7, answers)
    assert table.loc[0, "mistaken_for"] == "Chordata 2; Tunicata 2; Porifera 1"


def test_two_names_of_one_taxon_have_a_row_each_and_are_never_mistaken_for_each_other():
    kelp = lineage("Animalia > Porifera", "phylum")
    taxonomy = Taxonomy([kelp, kelp.__class__("Sponges", "Porifera", "phylum", kelp.names)])
    table = by_concept(taxonomy, taxonomy.concepts, ["Porifera", "Sponges", "Sponges"], ["Porifera"] * 3)
    assert table["support"].tolist() == [1, 2]
    assert table["answers"].tolist() == [3, 3], "an answer counts for both names of its taxon"
    assert table["mhd"].tolist() == [0, 0]


def test_a_clade_counts_everything_below_it_and_the_share_answered_outside_it(taxonomy):
    table = by_clade(taxonomy, TRUTH, PREDICTION).set_index("taxon")
    assert table.loc[["Animalia", "Chordata", "Sebastes", "Sebastes diploproa"], "support"].tolist() == [6, 5, 5, 3]
    assert table.loc[["Animalia", "Chordata", "Sebastes", "Sebastes diploproa"], "leaving"].tolist() == [
        0,
        0.2,
        0.2,
        pytest.approx(2 / 3),
    ]
    assert table.loc["Sebastes", "mhd"] == (0 + 1 + 7 + 0 + 1) / 5
    assert table.loc["Animalia", "parent"] == ""
    assert table.loc["Sebastes", "parent"] == "Sebastidae"
    assert table.loc[["Sebastes", "Tunicata"], "rank"].tolist() == ["genus", "subphylum"]
    assert np.isnan(table.loc["Demospongiae", "mhd"])
    assert np.isnan(table.loc["Demospongiae", "leaving"])


@given(st.data())
def test_clade_figures_equal_a_brute_force_count(data):
    taxonomy = data.draw(random_taxonomies())
    names = st.sampled_from([node.name for node in taxonomy.nodes])
    pairs = data.draw(st.lists(st.tuples(st.sampled_from(taxonomy.concepts), names), min_size=1, max_size=20))
    truth, prediction = zip(*pairs, strict=True)
    table = by_clade(taxonomy, truth, prediction)
    assert table["taxon"].tolist() == [node.name for node in taxonomy.nodes]
    for node, row in enumerate(table.itertuples()):
        inside = [pair for pair in pairs if node in taxonomy.paths[taxonomy.node(pair[0])]]
        assert row.support == len(inside)
        assert row.mistakes == sum(taxonomy.node(here) != taxonomy.node(there) for here, there in inside)
        if inside:
            assert row.mhd == pytest.approx(np.mean([taxonomy.distance(*pair) for pair in inside]))
            left = [pair for pair in inside if node not in taxonomy.paths[taxonomy.node(pair[1])]]
            assert row.leaving == pytest.approx(len(left) / len(inside))


def nodes(taxonomy: Taxonomy, names: list[str]) -> np.ndarray:
    return np.array([taxonomy.node(name) for name in names])


def test_a_rank_that_no_truth_or_no_answer_reaches_has_nan_figures(taxonomy):
    truth, prediction = nodes(taxonomy, ["Porifera", "Sebastes"]), nodes(taxonomy, ["Porifera", "Porifera"])
    masses = np.array([[1.0, 0.75] + [np.nan] * 5, [1.0, 0.5] + [np.nan] * 5])
    table = by_rank(taxonomy, truth, prediction, masses).set_index("rank")
    assert table["known"].tolist() == [2, 2, 1, 1, 1, 1, 0]
    assert table.loc["phylum", ["accuracy", "ece"]].tolist() == [0.5, (0.25 + 0.5) / 2]
    assert table.loc["genus", "accuracy"] == 0
    assert table.loc[["class", "genus"], "ece"].isna().all()
    assert np.isnan(table.loc["species", "accuracy"])


def test_shares_are_nan_without_mistakes(taxonomy):
    some = nodes(taxonomy, TRUTH)
    table = by_meeting_rank(taxonomy, some, some)
    assert table["mistakes"].sum() == 0
    assert pd.isna(table["share"]).all()


def test_mistakes_are_counted_by_the_lowest_rank_that_they_share_with_their_truth(taxonomy):
    truth = nodes(taxonomy, ["Sebastes diploproa", "Sebastes diploproa", "Porifera", "Sebastes", "Tunicata"])
    prediction = nodes(taxonomy, ["Sebastes ruberrimus", "Sebastes", "Sebastes", "Sebastes", "Sebastes"])
    table = by_meeting_rank(taxonomy, truth, prediction).set_index("meets_at")
    assert table[table["mistakes"] > 0].to_dict() == {
        "mistakes": {"kingdom": 1, "phylum": 1, "genus": 2},
        "share": {"kingdom": 0.25, "phylum": 0.25, "genus": 0.5},
    }
    assert table.index.tolist() == ["none", "kingdom", "phylum", "class", "order", "family", "genus", "species"]


def test_two_kingdoms_meet_at_none():
    trees = Taxonomy(lineage(kingdom, "kingdom") for kingdom in ("Animalia", "Chromista"))
    table = by_meeting_rank(trees, np.array([0, 1]), np.array([1, 1])).set_index("meets_at")
    assert table.loc["none", "share"] == 1.0
