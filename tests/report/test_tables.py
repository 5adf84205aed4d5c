import pandas as pd
import pytest

from fathomline.decide.evaluate import Evaluation
from fathomline.decide.rule import DecisionRule
from fathomline.report.tables import mean_history, write_tables
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy


@pytest.fixture
def taxonomy() -> Taxonomy:
    paths = {"Porifera": ["Animalia", "Porifera"], "Gastropoda": ["Animalia", "Mollusca", "Gastropoda"]}
    ranks = {"Porifera": "phylum", "Gastropoda": "class"}
    return Taxonomy(
        Lineage(name, name, ranks[name], dict(zip(RANKS, path, strict=False))) for name, path in paths.items()
    )


@pytest.fixture
def history(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,validation_mhd\n1,3.0\n2,1.5\n")
    return path


@pytest.fixture
def evaluation() -> Evaluation:
    rows = pd.DataFrame({"truth": ["Porifera", "Gastropoda"], "prediction": ["Gastropoda", "Animalia"]})
    rule = DecisionRule("risk", "tree", 1.0, dict.fromkeys(map(str, RANKS), 0.5), "Porifera", "none")
    return Evaluation({}, rows, pd.DataFrame({"decoder": ["risk"], "mhd": [2.5]}), rule)


def test_every_table_is_written(taxonomy, history, evaluation, tmp_path):
    write_tables(tmp_path / "reports", evaluation, taxonomy, [history])
    assert pd.read_csv(tmp_path / "reports/validation.csv").equals(evaluation.rows)
    assert pd.read_csv(tmp_path / "reports/decoders.csv").equals(evaluation.decoders)
    assert (tmp_path / "reports/history.csv").exists()


def test_the_confusion_table_names_phyla_one_row_an_roi(taxonomy, history, evaluation, tmp_path):
    write_tables(tmp_path / "reports", evaluation, taxonomy, [history])
    table = pd.read_csv(tmp_path / "reports/confusion_phylum.csv")
    assert table.to_numpy().tolist() == [["Porifera", "Mollusca"], ["Mollusca", "Animalia (no phylum)"]]


def test_the_history_is_the_mean_over_folds_one_row_an_epoch(history, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("epoch,validation_mhd\n1,5.0\n2,2.5\n")
    table = mean_history([history, other])
    assert table.to_numpy().tolist() == [[1, 4.0], [2, 2.0]]
