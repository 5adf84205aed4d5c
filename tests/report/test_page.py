import html
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fathomline.decide.evaluate import evaluate
from fathomline.report.labels import WHOLE_TREE, visible
from fathomline.report.page import Results, write_report
from fathomline.report.raw_subset import RawSubset
from fathomline.report.tables import all_tables
from tests.report.conftest import EVALUATE
from tests.report.parsed_page import Page


def written(results: Results, crops: Path, raw: RawSubset, folder: Path) -> Page:
    write_report(folder / "report.html", results, crops, raw)
    return Page(folder / "report.html")


@pytest.fixture(scope="module")
def page(world, crops, raw, tmp_path_factory) -> Page:
    return written(world.results, crops, raw, tmp_path_factory.mktemp("page"))


def test_the_header_shows_the_metrics(world, page):
    assert page.figures == {name: f"{world.results.metrics[name]:.3f}" for name in page.figures}
    assert set(page.figures) == {
        "mhd",
        "mhd_low",
        "mhd_high",
        "mhd_constant",
        "accuracy",
        "ece",
        "temperature",
    }
    assert world.results.metrics["taxonomy_hash"] in page.text
    assert "lr: 0.1" in page.text, "the parameters of the run"
    assert "All figures are for the 60 ROIs from 20 frames that were held out, in the plain view" in page.text


def test_the_header_shows_the_data_set_its_dates_and_its_numbers(page):
    assert page.source.count("<title>Grey squares · a model</title>") == 1
    header = " ".join(page.text.split("All figures")[0].split())
    assert header.endswith(
        "Grey squares a model frames taken4 May 2019 to 12 August 2021 frames1,320 ROIs4,000 concepts7"
    )


def test_unknown_dates_are_left_out_of_the_header(world, crops, raw, tmp_path):
    undated = replace(world.results.data_set, date_label="", dates="")
    page = written(replace(world.results, data_set=undated), crops, raw, tmp_path)
    assert "frames taken" not in page.text


def test_the_tree_shows_the_support_and_the_mhd_of_each_clade(world, page):
    clades, taxonomy = world.results.tables["clades"].query("support > 0").set_index("taxon"), world.results.taxonomy
    (icicle,) = page.chart("tree")
    ids = [str(taxonomy.node(name)) for name in clades.index]
    assert icicle["ids"] == ["root", *ids]
    assert [html.unescape(label) for label in icicle["labels"]] == [WHOLE_TREE, *clades.index]
    assert icicle["values"][0] == 60
    assert icicle["values"][1:] == clades["support"].tolist()
    assert icicle["marker"]["colors"][0] == pytest.approx(world.results.metrics["mhd"])
    assert icicle["marker"]["colors"][1:] == clades["mhd"].tolist()
    assert icicle["parents"][1:] == [str(taxonomy.node(name)) if name else "root" for name in clades["parent"]]


def test_a_tree_of_one_kingdom_has_no_root(world, crops, raw, tmp_path):
    clades = world.results.tables["clades"]
    chromista = clades["taxon"].isin(["Chromista", "<b>Kelp</b> & </script>"])
    tables = {**world.results.tables, "clades": clades[~chromista]}
    (icicle,) = written(replace(world.results, tables=tables), crops, raw, tmp_path).chart("tree")
    assert icicle["labels"][0] == "Animalia"
    assert icicle["parents"][0] == ""


@pytest.mark.parametrize("rank", ["kingdom", "phylum", "species"])
def test_confusion_charts_show_the_counts_of_the_table(world, page, rank):
    table = world.results.tables["confusion"].query("rank == @rank").set_index(["truth", "prediction"])["rois"]
    (heatmap,) = page.chart(f"confusion_{rank}")
    shown = {
        (truth, prediction): count
        for truth, counts in zip(page.ticks(f"confusion_{rank}", "y"), heatmap["customdata"], strict=True)
        for prediction, count in zip(page.ticks(f"confusion_{rank}", "x"), counts, strict=True)
        if count is not None
    }
    assert shown == table.to_dict()
    for shares in heatmap["z"]:
        assert sum(share for share in shares if share is not None) == pytest.approx(1, abs=1e-3)


def test_names_in_a_confusion_chart_are_in_tree_order(page):
    names = page.ticks("confusion_species", "x")
    tree_order = [
        "Animalia (no species)",
        "Chordata (no species)",
        "Sebastes (no species)",
        "Sebastes diploproa",
        "Sebastes ruberrimus",
        "Gastropoda (no species)",
        "Porifera (no species)",
        "<b>Kelp</b> & </script> (no species)",
    ]
    assert [name for name in tree_order if name in names] == [name for name in names if name in tree_order]


def test_curves_and_bars_show_the_tables(world, page):
    tables = world.results.tables
    _, model = page.chart("reliability")
    assert [model["x"], model["y"]] == [tables["reliability"][name].tolist() for name in ("confidence", "right")]
    curve, risk, threshold, argmax = page.chart("thresholds")
    assert [curve["x"], curve["y"]] == [tables["thresholds"][name].tolist() for name in ("threshold", "mhd")]
    for line, name in ((risk, "risk"), (threshold, "threshold"), (argmax, "argmax")):
        assert set(line["y"]) == {world.results.metrics[f"mhd_{name}"]}
    (bars,) = page.chart("ranks")
    assert (bars["x"], bars["y"]) == tuple(tables["ranks"][name].tolist() for name in ("accuracy", "rank"))
    (bars,) = page.chart("mistakes")
    assert (bars["x"], bars["y"]) == tuple(tables["mistakes"][name].tolist() for name in ("mistakes", "meets_at"))
    names = [line["name"] for line in page.chart("history")]
    assert not [name for name in names if "degraded" in name], "the history has no degraded view"
    assert page.chart("history")[0]["y"] == [3.0, 1.5]
    assert page.chart("losses")[1]["y"] == [1.9, 1.1]


def test_concepts_and_decoders_show_their_tables(world, page):
    concepts = world.results.tables["concepts"].set_index("concept")
    shown = {row[0]: row[1:] for row in page.rows["concepts"][1:]}
    assert set(shown) == set(concepts.index)
    for name, row in concepts.iterrows():
        figures = [f"{row[column]:.3f}" if row["support"] else "no data" for column in ("mhd", "accuracy")]
        assert shown[name][0] == row["rank"]
        assert shown[name][1:5] == [str(row["support"]), str(row["answers"]), *figures]
        assert shown[name][5] == row["mistaken_for"]
    assert shown["Never seen"][3] == "no data"
    assert "so they have no data: Never seen." in page.text
    for shown, row in zip(page.rows["decoders"][1:], world.results.tables["decoders"].itertuples(), strict=True):
        assert shown == [
            row.decoder,
            row.candidates,
            row.thresholds,
            "yes" if row.calibrated else "no",
            row.transforms,
            f"{row.mhd:.3f}",
            f"{row.mhd_low:.3f} to {row.mhd_high:.3f}",
            f"{row.gain:.3f}",
            f"{row.accuracy:.3f}",
            f"{row.depth:.2f}",
        ]


def test_the_data_of_the_clades_are_those_of_the_table(world, page):
    table, taxonomy = world.results.tables["clades"], world.results.taxonomy
    for shown, row in zip(page.data["clades"], table.to_dict("records"), strict=True):
        parent = row.pop("parent")
        assert (shown.pop("id"), shown.pop("parent")) == (
            str(taxonomy.node(row["taxon"])),
            str(taxonomy.node(parent)) if parent else "",
        )
        assert shown == {name: None if pd.isna(value) else value for name, value in row.items()}


def test_cards_show_the_figures_of_their_rows(world, page):
    rows = world.results.tables["validation"].set_index("annotation_id")
    card = r"(\d+) steps? apart · confidence (\S+)$.*?(\S+ \d+\.jpg) · image (\d+) · annotation (\d+)"
    shown = re.findall(card, page.text, re.MULTILINE | re.DOTALL)
    for (distance, confidence, file, image, annotation), alt in zip(shown, page.pictures, strict=True):
        row = rows.loc[int(annotation)]
        assert (distance, confidence) == (str(row["distance"]), f"{row['confidence']:.3f}")
        assert (file, int(image)) == (row["image.file_name"], row["image_id"])
        assert alt == f"ROI of annotation {annotation}: {row['truth']}, mistaken for {row['prediction']}"
    wrong = rows[rows["distance"] > 0]
    assert f"of {len(wrong)} mistakes, largest distance first" in page.text


def test_hostile_names_are_shown_as_text(hostile, crops, raw, tmp_path):
    page, names = written(hostile.results, crops, raw, tmp_path), hostile.results.taxonomy.concepts
    assert {row[0] for row in page.rows["concepts"][1:]} == {visible(name) for name in names}
    assert {clade["taxon"] for clade in page.data["clades"]} >= {visible(name) for name in names}
    assert "<b>bold</b>" not in page.source
    assert any("<b>bold</b>" in alt for alt in page.pictures)
    assert "<b>{{ x }}</b>[U+202E]" in page.text
    assert not set(page.text) & set("\u202e\u2028\u200b\x00\t")
    assert all(re.match("data:|#", link) for link in page.links)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_shown_as_no_data(world, crops, raw, tmp_path, value):
    tables = {name: table.copy() for name, table in world.results.tables.items()}
    for name, column in (("clades", "mhd"), ("concepts", "mhd"), ("decoders", "mhd"), ("validation", "probability_1")):
        tables[name][column] = value
    metrics = {**world.results.metrics, "ece": value}
    page = written(replace(world.results, tables=tables, metrics=metrics), crops, raw, tmp_path)
    assert page.figures["ece"] == "no data"
    assert {row[4] for row in page.rows["concepts"][1:]} == {"no data"}
    assert {row[5] for row in page.rows["decoders"][1:]} == {"no data"}
    assert {clade["mhd"] for clade in page.data["clades"]} == {None}
    assert set(re.findall(r'<meter min="0" max="1" value="([^"]+)"[^>]+></meter> <span>no data', page.source)) == {
        "0.0"
    }


def test_the_page_is_self_contained_small_and_reproducible(world, page, crops, raw, tmp_path):
    assert len(page.source) < 8e6
    assert all(re.match("data:|#", link) for link in page.links)
    assert written(world.results, crops, raw, tmp_path).source == page.source


def test_the_gallery_offers_only_clades_with_a_card(world, crops, raw, tmp_path, monkeypatch):
    monkeypatch.setattr("fathomline.report.gallery.WORST", 1)
    source = written(world.results, crops, raw, tmp_path).source
    (path,) = re.findall(r'data-distance="\d+" data-clades="([^"]+)"', source.split('id="confident"')[0])
    options = source.split('<select id="gallery-clade">')[1].split("</select>")[0]
    assert re.findall(r'<option value="([^"]+)"', options) == path.split(" ")


def test_a_card_without_a_picture_says_so(world, own_crops, raw, tmp_path):
    for path in (own_crops / "rois").iterdir():
        path.unlink()
    page = written(world.results, own_crops, raw, tmp_path)
    assert page.pictures == []
    assert "No picture: the ROI file of annotation" in page.text


def test_cards_show_the_rank_of_the_truth_and_of_the_answer(page):
    taxon = r'<bdi>([^<]+)</bdi> <span class="rank">(\w+)</span>'
    heading = f"<h3>{taxon} .*? {taxon}</h3>"
    ranks = {name: rank for found in re.findall(heading, page.source) for name, rank in (found[:2], found[2:])}
    assert (ranks["Sebastes"], ranks["Sebastes diploproa"], ranks["Gastropoda"]) == ("genus", "species", "class")


def test_each_frame_is_embedded_once_for_all_cards_that_show_it(page, world):
    images = re.findall(r'data-image="(\d+)" data-box="10% 25% 50% 50%"', page.source)
    assert len(images) > len(set(images))
    assert set(page.frames) == set(images)
    assert len(images) == page.source.count('class="card"')
    for picture, *size in page.frames.values():
        assert page.source.count(picture) == 1
        assert size == [80, 60]


def test_frames_beyond_the_budget_are_left_out_and_the_page_says_so(world, page, crops, raw, tmp_path, monkeypatch):
    monkeypatch.setattr("fathomline.report.embedded_frames.BUDGET", 2 * len(page.frames["0"][0]) + 9)
    short = written(world.results, crops, raw, tmp_path)
    assert len(short.frames) == 2
    first = [
        re.search('data-image="([^"]+)"', page.source.split(f'id="gallery-{name}"')[1])[1]
        for name in ("worst", "confident")
    ]
    assert set(first) <= set(short.frames), "the first cards come first"
    assert f"{len(page.frames) - 2} frames are left out" in short.text
    assert "Frame left out to keep this report small." in short.text


def test_a_card_without_a_readable_frame_says_so_and_shows_its_roi(world, crops, own_raw, tmp_path, capsys):
    for path in (own_raw.folder / "images").iterdir():
        path.write_bytes(b"no picture")
    page = written(world.results, crops, own_raw, tmp_path)
    assert page.frames == {}
    assert page.text.count("The frame cannot be read.") == len(page.pictures) == page.source.count('class="card"')
    assert "Click a picture" not in page.text
    warned = capsys.readouterr().err
    assert "frame(s) cannot be read, the first of image" in warned
    assert "not an image" in warned


def test_the_page_of_one_correct_roi_says_what_is_missing(world, taxonomy, history, crops, raw, tmp_path):
    annotations = pd.DataFrame({"path": ["rois/0.png"], "annotation_id": [1], "image_id": [1], "group": [1]})
    annotations["label"], annotations["fold"] = "Porifera", 0
    config = replace(EVALUATE, calibrate=False)
    evaluation = evaluate(
        {"plain": {"none": np.zeros((1, 1))}}, "plain", annotations, ["Porifera"], taxonomy, config, "labels"
    )
    results = replace(world.results, metrics=evaluation.metrics, tables=all_tables(evaluation, taxonomy, [history]))
    page = written(results, crops, raw, tmp_path)
    for words in ("No mistakes.", "No such mistakes.", "no interval: all ROIs belong to one group"):
        assert words in page.text
    assert page.figures["mhd"] == "0.000"
    assert page.rows["decoders"][1][6] == "no data"
    assert "mistakes" not in page.data["charts"]
    assert "No data." in page.text


def test_a_card_shows_only_the_last_part_of_an_absolute_path(world, crops, raw, tmp_path):
    tables = {**world.results.tables}
    tables["validation"] = tables["validation"].assign(**{"image.file_name": "/home/ann/dive-7/a.jpg"})
    page = written(replace(world.results, tables=tables), crops, raw, tmp_path)
    assert "…/a.jpg · image" in page.text
    assert "/home/ann" not in page.source
