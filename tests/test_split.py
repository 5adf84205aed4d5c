import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathomline.errors import InputError, visible
from fathomline.split import SplitConfig, assign_folds, check_leakage, groups_of


def split_config(folds: int = 3, seed: int = 0) -> SplitConfig:
    return SplitConfig(folds=folds, seed=seed)


def rows(labels: list[str], groups: list[str]) -> pd.DataFrame:
    """One ROI per label, in the frame that `groups` names."""
    frames = pd.factorize(pd.Series(groups))[0]
    table = {"annotation_id": range(10, 10 + len(labels)), "label": labels, "image_id": frames, "frame_id": frames}
    return pd.DataFrame(table)


@pytest.fixture
def annotations() -> pd.DataFrame:
    """60 frames of three ROIs; every frame has two A and either a B or a C."""
    labels = [label for frame in range(60) for label in ("A", "A", "BC"[frame % 2])]
    return rows(labels, [f"frame-{place // 3}" for place in range(180)])


def test_a_frame_is_never_in_two_folds(annotations):
    folds = assign_folds(annotations, split_config())
    assert folds.columns.tolist() == ["annotation_id", "fold", "group"]
    assert folds["annotation_id"].tolist() == annotations["annotation_id"].tolist()
    assert annotations.assign(fold=folds["fold"]).groupby("frame_id")["fold"].nunique().max() == 1


def test_each_concept_is_spread_evenly_over_the_folds(annotations):
    folds = assign_folds(annotations, split_config())
    counts = pd.crosstab(annotations["label"], folds["fold"])
    assert counts.loc["A"].tolist() == [40, 40, 40]
    assert counts.loc["B"].tolist() == counts.loc["C"].tolist() == [10, 10, 10]


def test_the_same_seed_gives_the_same_folds_and_another_seed_others(annotations):
    first = assign_folds(annotations, split_config())
    pd.testing.assert_frame_equal(first, assign_folds(annotations, split_config()))
    assert (first["fold"] != assign_folds(annotations, split_config(seed=1))["fold"]).any()


def test_the_order_of_the_rows_does_not_matter(annotations):
    first = assign_folds(annotations, split_config()).set_index("annotation_id")["fold"]
    shuffled = annotations.sample(frac=1, random_state=5)
    folds = assign_folds(shuffled, split_config())
    assert folds["annotation_id"].tolist() == shuffled["annotation_id"].tolist()
    assert folds.set_index("annotation_id")["fold"].sort_index().equals(first)


def test_rare_concepts_are_named_with_their_counts(annotations, capsys):
    rare = rows(["Rare", "Rare", "Rare", "Rare"], ["frame-x", "frame-x", "frame-x", "frame-y"])
    rare = rare.assign(annotation_id=[1, 2, 3, 4], frame_id=rare["frame_id"] + 1000)
    together = pd.concat([annotations, rare])
    assign_folds(together, split_config())
    warnings = capsys.readouterr().err
    assert warnings.startswith("warning: split: 1 concept(s) have ROIs in fewer groups than the 3 folds")
    assert warnings.endswith("validate without them: Rare (4 in 2)\n")


def test_there_is_no_warning_without_rare_concepts(annotations, capsys):
    assign_folds(annotations, split_config())
    assert capsys.readouterr().err == ""


def test_fewer_groups_than_folds_are_an_error_with_a_remedy():
    with pytest.raises(InputError, match=r"2 group\(s\).* cannot fill 3 folds; lower `split.folds` to 2"):
        assign_folds(rows(["A"] * 6, ["x", "x", "x", "y", "y", "y"]), split_config())


def test_too_few_rois_of_every_concept_are_an_error_with_a_remedy():
    with pytest.raises(InputError, match=r"no concept has 3 ROIs .* lower `split.folds` to 2"):
        assign_folds(rows(["A", "A", "B", "B"], list("wxyz")), split_config())
    with pytest.raises(InputError, match=r"no concept has 3 ROIs \(the most common has 1\); add annotations$"):
        assign_folds(rows(["A", "B", "C"], ["x", "y", "z"]), split_config())


def test_rows_without_a_label_are_an_error_that_names_them(annotations):
    annotations.loc[3, "label"] = ""
    with pytest.raises(InputError, match=r"1 annotation\(s\) have no label: 13"):
        assign_folds(annotations, split_config())


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.integers(0, 12)), min_size=2, max_size=60), st.integers(2, 5))
def test_any_table_is_split_without_leaks_or_refused(pairs, folds):
    annotations = rows([label for label, _ in pairs], [str(group) for _, group in pairs])
    try:
        table = assign_folds(annotations, split_config(folds))
    except InputError:
        return
    check_leakage(annotations, table, folds)
    assert set(table["fold"]) == set(range(folds))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folds: folds.assign(fold=[0, 1, 2] * 60), r"60 group\(s\) are in more than one fold: 0"),
        (lambda folds: pd.concat([folds, folds.head(1)]), r"1 annotation\(s\) are in more than one fold: 10"),
        (lambda folds: folds.tail(-2), r"2 annotation\(s\) are in only one table: 10, 11"),
        (lambda folds: folds.assign(fold=folds["fold"] % 2), "these are empty or unknown: 2"),
        (lambda folds: folds.assign(fold=folds["fold"] + 1), "these are empty or unknown: 0, 3"),
    ],
)
def test_an_invalid_split_is_refused(annotations, change, message):
    folds = assign_folds(annotations, split_config())
    with pytest.raises(InputError, match=message):
        check_leakage(annotations, change(folds), 3)


def test_folds_share_no_value_of_the_named_field(annotations):
    dives = annotations.assign(**{"image.dive": (annotations["frame_id"] // 4).astype(str)})
    folds = assign_folds(dives, SplitConfig(folds=3, group="dive"))
    assert folds["group"].tolist() == dives["image.dive"].tolist()
    assert folds.groupby("group")["fold"].nunique().max() == 1


def test_values_that_share_a_frame_are_one_group():
    table = rows(["A"] * 6, list("uvwxyz")).assign(frame_id=[1, 2, 2, 3, 3, 4])
    table["image.dive"] = ["a", "b", "c", "c", "d", "e"]
    assert groups_of(table, "dive").tolist() == ["a", "b", "b", "b", "b", "e"]
    assert groups_of(table.iloc[::-1], "dive").tolist() == ["e", "b", "b", "b", "b", "a"]
    assert groups_of(table, None).tolist() == ["1", "2", "2", "3", "3", "4"]


def test_images_without_the_field_are_counted_and_named(annotations):
    lacking = annotations.assign(**{"image.dive": "7", "image.night": "true"})
    lacking.loc[lacking["frame_id"] < 2, "image.dive"] = ""
    with pytest.raises(
        InputError,
        match=r"2 of 60 images have no text or number in the field `dive` .*: images 0, 1; .*: dive, night",
    ):
        assign_folds(lacking, SplitConfig(folds=3, group="dive"))
    with pytest.raises(InputError, match=r"60 of 60 images have no text or number in the field `video`"):
        assign_folds(lacking, SplitConfig(folds=3, group="video"))


def test_a_field_with_an_unprintable_character_can_be_the_group(annotations):
    column = "image." + visible("\u30c0\u3000")  # the second character is a wide space
    dives = annotations.assign(**{column: (annotations["frame_id"] // 4).astype(str)})
    folds = assign_folds(dives, SplitConfig(folds=3, group="\u30c0\u3000"))
    assert folds["group"].nunique() == 15
