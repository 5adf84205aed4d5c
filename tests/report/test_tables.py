import json

import numpy as np
import pandas as pd
import pytest

from fathomline.report.tables import confusion_at_ranks, mean_history, write_tables
from fathomline.taxonomy.ranks import RANKS
from tests.report.conftest import taxonomy_of

TABLES = {
    "validation",
    "history",
    "confusion",
    "confusion_phylum",
    "confusion_class",
    "decoders",
    "concepts",
    "clades",
    "ranks",
    "mistakes",
    "thresholds",
    "reliability",
}


def test_every_table_is_written_unchanged(world, tmp_path):
    write_tables(tmp_path / "reports", world.results.tables)
    assert {path.stem for path in (tmp_path / "reports").iterdir()} == TABLES
    for name, table in world.results.tables.items():
        read = pd.read_csv(tmp_path / f"reports/{name}.csv", keep_default_na=False, na_values=[""])
        assert list(read.columns) == list(table.columns)
        for column in table.select_dtypes("number"):
            np.testing.assert_array_equal(read[column].to_numpy(float), table[column].to_numpy(float))


def test_tables_and_metrics_agree(world):
    figures, tables = world.results.metrics, world.results.tables
    rows, clades = tables["validation"], tables["clades"].set_index("taxon")
    kingdoms = clades[clades["parent"] == ""]
    assert figures["mhd"] == rows["distance"].mean()
    assert figures["mhd"] == pytest.approx(np.average(kingdoms["mhd"], weights=kingdoms["support"]))
    assert figures["rois"] == len(rows) == kingdoms["support"].sum() == tables["concepts"]["support"].sum()
    assert figures["accuracy"] == pytest.approx(1 - tables["mistakes"]["mistakes"].sum() / len(rows))
    ranks = tables["ranks"].set_index("rank")
    for rank in RANKS:
        assert figures.get(f"accuracy_{rank}", np.nan) == pytest.approx(ranks.loc[str(rank), "accuracy"], nan_ok=True)
        assert figures.get(f"ece_{rank}", np.nan) == pytest.approx(ranks.loc[str(rank), "ece"], nan_ok=True)
    for meeting in tables["mistakes"].itertuples():
        assert figures[f"mistakes_meet_at_{meeting.meets_at}"] == pytest.approx(meeting.share)
    gaps = (tables["reliability"]["confidence"] - tables["reliability"]["right"]).abs()
    assert figures["ece"] == pytest.approx(np.average(gaps, weights=tables["reliability"]["rois"]))
    chosen = tables["decoders"].query("calibrated and candidates == 'tree' and decoder == 'risk'").iloc[0]
    assert (chosen["mhd"], chosen["mhd_low"]) == (figures["mhd"], figures["mhd_low"])
    json.dumps(figures, allow_nan=False)


def test_confusion_tables_name_taxa_at_their_rank_and_count_every_roi(world):
    rows, table = world.results.tables["validation"], world.results.tables["confusion"]
    assert table.groupby("rank")["rois"].sum().to_dict() == dict.fromkeys(map(str, RANKS), len(rows))
    phylum = world.results.tables["confusion_phylum"]
    counted = table[table["rank"] == "phylum"].set_index(["truth", "prediction"])["rois"]
    assert phylum.value_counts().to_dict() == counted.to_dict()
    assert "Chordata" in set(phylum["truth"])
    stopped = rows["prediction"] == "Animalia"
    assert set(phylum["prediction"][stopped]) <= {"Animalia (no phylum)"}


def test_equal_marks_are_numbered():
    taxonomy = taxonomy_of({name: ["Animalia", name] for name in ("R", "R (no class)", "R (no class, 2)")})
    rows = pd.DataFrame({"truth": taxonomy.concepts, "prediction": ["Animalia"] * 3})
    table = confusion_at_ranks(rows, taxonomy).query("rank == 'class'")
    assert set(table["truth"]) == {"R (no class, 3)", "R (no class) (no class)", "R (no class, 2) (no class)"}


@pytest.mark.parametrize("rank", [str(rank) for rank in RANKS])
def test_at_every_rank_labels_and_taxa_match_one_to_one(hostile, rank):
    table = hostile.results.tables["confusion"].query("rank == @rank")
    labels = {*zip(table["truth_node"], table["truth"], strict=True)}
    labels |= {*zip(table["prediction_node"], table["prediction"], strict=True)}
    nodes, names = zip(*labels, strict=True)
    assert len(set(nodes)) == len(set(names)) == len(labels)
    for node, name in labels:
        assert name.startswith(hostile.results.taxonomy.nodes[node].name)


def test_the_history_is_the_mean_over_folds_up_to_the_last_epoch_of_all(tmp_path):
    for name, curve in {"one": "1,3.0\n2,1.5\n3,1.0\n", "two": "1,5.0\n2,2.5\n"}.items():
        (tmp_path / name).write_text(f"epoch,validation_mhd\n{curve}")
    table = mean_history([tmp_path / "one", tmp_path / "two"])
    assert table.to_numpy().tolist() == [[1, 4.0], [2, 2.0]], "only one fold reached the third epoch"
