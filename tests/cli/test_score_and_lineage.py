import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import fathomline
from fathomline.cli import main
from fathomline.lineages import fgvc2025
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import Rank
from fathomline.taxonomy.reference import write_reference
from fathomline.taxonomy.tree import Taxonomy

ROOT = Path(__file__).parents[2]
TRUTH = [(1, "Pandalus amplus"), (2, "Sebastes"), (3, "Porifera"), (4, "Sebastes diploproa")]


@pytest.fixture
def file(tmp_path):
    """Write rows of annotation_id and concept_name to a CSV and return its path."""

    def write(rows: list[tuple], name: str = "answers.csv") -> str:
        path = tmp_path / name
        pd.DataFrame(rows, columns=["annotation_id", "concept_name"]).to_csv(path, index=False)
        return str(path)

    return write


@pytest.fixture
def truth(file) -> str:
    return file(TRUTH, "truth.csv")


def test_a_perfect_submission_scores_zero_in_any_order(file, truth, capsys):
    assert main(["score", file(TRUTH[::-1]), truth]) == 0
    assert capsys.readouterr().out == "0.000000\n"


def test_the_score_is_the_mean_of_the_official_distances(file, truth, capsys, tmp_path):
    answers = [(1, "Caridea"), (2, "Sebastes diploproa"), (3, "Porifera"), (4, "Porifera")]
    assert main(["score", file(answers), truth, "--details", str(tmp_path / "details.csv")]) == 0
    assert float(capsys.readouterr().out) == (4 + 1 + 0 + 7) / 4
    details = pd.read_csv(tmp_path / "details.csv")
    assert list(details.columns) == ["annotation_id", "truth", "prediction", "distance"]
    assert details["distance"].tolist() == [4, 1, 0, 7]
    assert details["annotation_id"].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("answer", ["", "Decapoda", "Animalia", "pandalus amplus", "Pandalus amplus ", "NA"])
def test_a_name_outside_the_reference_costs_twelve_and_is_reported(file, truth, capsys, answer):
    assert main(["score", file([(1, answer), *TRUTH[1:]]), truth]) == 0
    out, err = capsys.readouterr()
    assert float(out) == 12 / 4
    assert f"1 answer(s) are not among the 79 concepts of the taxonomy and cost 12 each: {answer!r} (1)" in err


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (TRUTH[:2], "submission: 2 row(s) are missing: 3, 4; expected one row for each of the 4 ROIs"),
        ([*TRUTH, (9, "Porifera")], "submission: 1 row(s) match no ROI: 9"),
        ([*TRUTH, (4, "Porifera")], "1 annotation_id(s) appear more than once, expected one row each: 4"),
        ([("x", "Porifera"), *TRUTH], "submission: 1 row(s) match no ROI: x (ids are compared as text"),
        ([("", "Porifera"), *TRUTH], "answers.csv: annotation_id is empty in 1 row(s): line 2"),
    ],
)
def test_missing_extra_repeated_and_malformed_rows_are_refused(file, truth, capsys, rows, says):
    assert main(["score", file(rows), truth]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err


def test_ids_of_ones_own_such_as_uuids_are_accepted(file, capsys, tmp_path):
    rows = [("6f1c-02", "Porifera"), ("6f1c-01", "Sebastes")]
    details = tmp_path / "details.csv"
    assert main(["score", file(rows[::-1]), file(rows, "truth.csv"), "--details", str(details)]) == 0
    assert capsys.readouterr().out == "0.000000\n"
    assert pd.read_csv(details)["annotation_id"].tolist() == ["6f1c-02", "6f1c-01"]


def test_a_truth_outside_the_taxonomy_is_refused_with_the_nearest_name(file, capsys):
    truth = file([(1, "Sebastess")], "truth.csv")
    assert main(["score", file([(1, "Sebastes")]), truth]) == 1
    expected = "1 name(s) are not among the 79 concepts of the taxonomy: 'Sebastess' (did you mean Sebastes?)"
    assert expected in capsys.readouterr().err


def test_a_missing_column_or_file_is_refused_by_name(truth, tmp_path, capsys):
    (tmp_path / "narrow.csv").write_text("annotation_id\n1\n")
    assert main(["score", str(tmp_path / "narrow.csv"), truth]) == 1
    assert "narrow.csv: lacks the column(s) concept_name" in capsys.readouterr().err
    assert main(["score", str(tmp_path / "none.csv"), truth]) == 1
    assert "none.csv: no such file" in capsys.readouterr().err


def test_another_taxonomy_can_be_used(file, tmp_path, capsys):
    few = [lineage for lineage in fgvc2025.lineages() if lineage.concept in ("Porifera", "Sebastes")]
    write_reference(Taxonomy(few), tmp_path / "reference.json")
    truth, answers = file([(1, "Porifera")], "truth.csv"), file([(1, "Sebastes")])
    assert main(["score", answers, truth, "--taxonomy", str(tmp_path / "reference.json")]) == 0
    assert float(capsys.readouterr().out) == 6
    assert main(["score", file([(1, "Caridea")]), truth, "--taxonomy", str(tmp_path / "reference.json")]) == 0
    assert float(capsys.readouterr().out) == 12


def test_a_lineage_is_shown_rank_by_rank(capsys):
    assert main(["lineage", "Caridea", "sebastes_diploproa"]) == 0
    assert capsys.readouterr().out.split() == [
        "Caridea",
        "kingdom",
        "Animalia",
        "phylum",
        "Arthropoda",
        "class",
        "Malacostraca",
        "order",
        "Decapoda",
        "infraorder",
        "Caridea",
        "sebastes_diploproa:",
        "Sebastes",
        "diploproa",
        "kingdom",
        "Animalia",
        "phylum",
        "Chordata",
        "class",
        "Teleostei",
        "order",
        "Perciformes",
        "family",
        "Sebastidae",
        "genus",
        "Sebastes",
        "species",
        "Sebastes",
        "diploproa",
    ]


def test_a_taxon_above_the_concepts_has_a_lineage_too(capsys):
    assert main(["lineage", "Decapoda"]) == 0
    assert capsys.readouterr().out.split()[-2:] == ["order", "Decapoda"]


def test_a_lineage_has_the_aphia_ids_that_the_taxonomy_knows(tmp_path, capsys):
    names = {Rank.KINGDOM: "Animalia", Rank.PHYLUM: "Cnidaria"}
    lineages = [
        Lineage("moon jelly", "Cnidaria", "phylum", names, aphia_id=1267),
        Lineage("Anthozoa", "Anthozoa", "subphylum", names, aphia_id=1292),
        Lineage("Chordata", "Chordata", "phylum", {Rank.KINGDOM: "Animalia", Rank.PHYLUM: "Chordata"}),
    ]
    write_reference(Taxonomy(lineages), tmp_path / "reference.json")
    assert main(["lineage", "Anthozoa", "Chordata", "--taxonomy", str(tmp_path / "reference.json")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Anthozoa",
        "  kingdom     Animalia",
        "  phylum      Cnidaria (AphiaID 1267)",
        "  subphylum   Anthozoa (AphiaID 1292)",
        "Chordata",
        "  kingdom     Animalia",
        "  phylum      Chordata",
    ]


def test_known_names_are_printed_before_unknown_ones_are_refused_with_the_nearest(capsys):
    assert main(["lineage", "Sebastess", "Porifera", "Xyz"]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == ["Porifera", "  kingdom     Animalia", "  phylum      Porifera"]
    assert err.startswith(
        "error: 2 name(s) are not in the taxonomy of FathomNet 2025: 'Sebastess' (nearest: Sebastes, Sebastidae, "
        "Sebastolobus), 'Xyz' (nearest: none); for names of your own, add --taxonomy cache/taxonomy_reference.json"
    )


def test_an_unknown_name_is_refused_with_the_file_of_the_taxonomy(tmp_path, capsys):
    write_reference(Taxonomy(fgvc2025.lineages()), tmp_path / "reference.json")
    assert main(["lineage", "Sebastess", "--taxonomy", str(tmp_path / "reference.json")]) == 1
    assert capsys.readouterr().err == (
        f"error: 1 name(s) are not in {tmp_path}/reference.json: 'Sebastess' (nearest: Sebastes, Sebastidae, "
        "Sebastolobus)\n"
    )


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"fathomline {fathomline.__version__}\n"


@pytest.mark.parametrize("command", [["lineage", "Porifera"], ["score", "{answers}", "{answers}"]])
def test_commands_do_not_import_torch(file, command):
    words = [word.format(answers=file(TRUTH)) for word in command]
    program = (
        "import sys; from fathomline.cli import main; status = main(sys.argv[1:]); "
        "sys.exit(status or ('torch loaded' if 'torch' in sys.modules else 0))"
    )
    subprocess.run([sys.executable, "-c", program, *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_scoring_the_competition_answers_agrees_with_the_official_matrix(file, tmp_path, capsys):
    shared = ROOT.parent / "shared/competition"
    if not shared.exists():
        pytest.skip("the competition's labels are not in ../shared on this machine")
    labels = pd.read_csv(shared / "train_labels.csv")
    matrix = pd.read_csv(shared / "distance_matrix.csv", index_col=0)
    shuffled = labels.assign(concept_name=labels["concept_name"].sample(frac=1, random_state=0).to_numpy())
    shuffled.to_csv(tmp_path / "shuffled.csv", index=False)
    assert main(["score", str(tmp_path / "shuffled.csv"), str(shared / "train_labels.csv")]) == 0
    official = [
        matrix.at[truth, answer] for truth, answer in zip(labels["concept_name"], shuffled["concept_name"], strict=True)
    ]
    assert float(capsys.readouterr().out) == pytest.approx(sum(official) / len(official), abs=1e-6)
