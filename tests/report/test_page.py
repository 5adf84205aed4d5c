import html
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fathomline.decide.evaluate import evaluate
from fathomline.report.figures import WHOLE_TREE, visible
from fathomline.report.page import write_report
from fathomline.report.tables import all_tables
from tests.report.conftest import EVALUATE


class Page(HTMLParser):
    """What a report says: figures by the metric they show, rows of tables, pictures, and the data of the charts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.figures: dict[str, str] = {}
        self.rows: dict[str, list[list[str]]] = {}
        self.pictures: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self._section, self._metric, self._script, self._data = "", None, None, ""
        self.feed(path.read_text(encoding="utf-8"))
        self.data = json.loads(self._data)

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self._script = known.get("id", "code") if tag in ("script", "style") else self._script
        self._metric = known.get("data-metric")
        if tag == "section":
            self._section = known["id"]
        elif tag == "tr":
            self.rows.setdefault(self._section, []).append([])
        elif tag in ("td", "th"):
            self.rows[self._section][-1].append("")
        elif tag == "img":
            self.pictures.append(known["alt"])
        self.links += [known[name] for name in ("src", "href") if name in known]

    def handle_endtag(self, tag):
        self._script = None if tag in ("script", "style") else self._script
        if tag == "table":
            self._section += " after"

    def handle_data(self, data):
        if self._script:
            self._data += data if self._script == "data" else ""
            return
        self.text += data
        if self._metric:
            self.figures[self._metric] = data
            self._metric = None
        if self._section in self.rows and self.rows[self._section][-1]:
            self.rows[self._section][-1][-1] += data.strip()

    def chart(self, name: str) -> list[dict]:
        return self.data["charts"][name]["data"]

    def ticks(self, name: str, axis: str) -> list[str]:
        """The names along an axis as plotly draws them."""
        layout = self.data["charts"][name]["layout"][f"{axis}axis"]
        assert layout["tickvals"] == self.chart(name)[0][axis]
        return [html.unescape(text) for text in layout["ticktext"]]


@pytest.fixture
def page(world, crops, tmp_path) -> Page:
    write_report(tmp_path / "report.html", world.results, crops)
    return Page(tmp_path / "report.html")


def test_the_numbers_are_those_of_metrics(world, page):
    assert page.figures == {name: f"{world.results.metrics[name]:.3f}" for name in page.figures}
    assert set(page.figures) == {
        "mhd",
        "mhd_low",
        "mhd_high",
        "mhd_constant",
        "mhd_plain",
        "accuracy",
        "ece",
        "temperature",
    }
    assert world.results.metrics["taxonomy_hash"] in page.text
    assert "lr: 0.1" in page.text
    assert "60 ROIs on 20 frames" in page.text
    assert "7 concepts" in page.text
    assert "All figures are for the plain view." in page.text


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


def test_a_tree_of_one_kingdom_needs_no_root(world, crops, taxonomy, tmp_path):
    clades = world.results.tables["clades"]
    chromista = clades["taxon"].isin(["Chromista", "<b>Kelp</b> & </script>"])
    tables = {**world.results.tables, "clades": clades[~chromista]}
    write_report(tmp_path / "report.html", replace(world.results, tables=tables), crops)
    (icicle,) = Page(tmp_path / "report.html").chart("tree")
    assert icicle["labels"][0] == "Animalia"
    assert icicle["parents"][0] == ""


@pytest.mark.parametrize("rank", ["kingdom", "phylum", "species"])
def test_confusion_charts_hold_the_counts_of_the_table(world, page, rank):
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


def test_names_of_a_confusion_chart_stand_in_the_order_of_the_tree(page):
    names = page.ticks("confusion_species", "x")
    places = [
        "Animalia (no species)",
        "Chordata (no species)",
        "Sebastes (no species)",
        "Sebastes diploproa",
        "Sebastes ruberrimus",
        "Gastropoda (no species)",
        "Porifera (no species)",
        "<b>Kelp</b> & </script> (no species)",
    ]
    assert [name for name in places if name in names] == [name for name in names if name in places]


def test_curves_hold_the_tables(world, page):
    tables = world.results.tables
    _, model = page.chart("reliability")
    assert [model["x"], model["y"]] == [tables["reliability"][name].tolist() for name in ("confidence", "right")]
    curve, risk, threshold, argmax = page.chart("thresholds")
    assert [curve["x"], curve["y"]] == [tables["thresholds"][name].tolist() for name in ("threshold", "mhd")]
    for line, name in ((risk, "risk"), (threshold, "threshold"), (argmax, "argmax")):
        assert set(line["y"]) == {world.results.metrics[f"mhd_{name}"]}
    (bars,) = page.chart("ranks")
    assert bars["y"] == tables["ranks"]["accuracy"].tolist()
    (bars,) = page.chart("mistakes")
    assert bars["y"] == tables["mistakes"]["mistakes"].tolist()
    names = [line["name"] for line in page.chart("history")]
    assert not [name for name in names if "degraded" in name], "there was none"
    assert page.chart("history")[0]["y"] == [3.0, 1.5]
    assert page.chart("losses")[1]["y"] == [1.9, 1.1]


def test_tables_hold_the_tables_and_no_data_where_there_is_none(world, page):
    concepts = world.results.tables["concepts"].set_index("concept")
    shown = {row[0]: row[1:] for row in page.rows["concepts"][1:]}
    assert set(shown) == set(concepts.index)
    for name, row in concepts.iterrows():
        figures = [f"{row[column]:.3f}" if row["support"] else "no data" for column in ("mhd", "accuracy")]
        assert shown[name][1:5] == [str(row["support"]), str(row["answers"]), *figures]
        assert shown[name][5] == row["mistaken_for"]
    assert shown["Never seen"][3] == "no data"
    assert "no held-out ROI shows them: Never seen." in page.text
    for shown, row in zip(page.rows["decoders"][1:], world.results.tables["decoders"].itertuples(), strict=True):
        assert shown == [
            row.transforms,
            row.decoder,
            row.candidates,
            row.thresholds,
            "yes" if row.calibrated else "no",
            f"{row.mhd:.3f}",
            f"{row.mhd_low:.3f} to {row.mhd_high:.3f}",
            f"{row.gain:.3f}",
            f"{row.accuracy:.3f}",
            f"{row.depth:.2f}",
        ]


def test_the_clades_below_the_tree_are_those_of_the_table(world, page):
    table, taxonomy = world.results.tables["clades"], world.results.taxonomy
    for shown, row in zip(page.data["clades"], table.to_dict("records"), strict=True):
        parent = row.pop("parent")
        assert (shown.pop("id"), shown.pop("parent")) == (
            str(taxonomy.node(row["taxon"])),
            str(taxonomy.node(parent)) if parent else "",
        )
        assert shown == {name: None if pd.isna(value) else value for name, value in row.items()}


def test_cards_tell_the_figures_of_their_rows(world, page):
    rows = world.results.tables["validation"].set_index("annotation_id")
    told = re.findall(r"(\d+) steps? apart · confidence (\S+) · annotation (\d+)", page.text)
    assert len(told) == len(page.pictures)
    for distance, confidence, annotation in told:
        row = rows.loc[int(annotation)]
        assert (distance, confidence) == (str(row["distance"]), f"{row['confidence']:.3f}")
    wrong = rows[rows["distance"] > 0]
    assert f"of {len(wrong)} mistakes, farthest first" in page.text


def test_names_are_never_markup(page, tmp_path):
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<b>Kelp</b>" not in text
    assert any("<b>Kelp</b> & </script>" in alt for alt in page.pictures), "and are shown as they are"
    assert "<b>Kelp</b> & </script>" in [clade["taxon"] for clade in page.data["clades"]]


def test_a_page_of_hostile_names_shows_all_of_them_as_text(hostile, crops, tmp_path):
    write_report(tmp_path / "report.html", hostile.results, crops)
    page, names = Page(tmp_path / "report.html"), hostile.results.taxonomy.concepts
    assert {row[0] for row in page.rows["concepts"][1:]} == {visible(name) for name in names}
    assert {clade["taxon"] for clade in page.data["clades"]} >= {visible(name) for name in names}
    assert "<b>{{ x }}</b>[U+202E]" in page.text
    assert not set(page.text) & set("\u202e\u2028\u200b\x00\t")
    assert all(re.match("data:|#", link) for link in page.links)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_figures_that_are_not_finite_read_no_data(world, crops, tmp_path, value):
    tables = {name: table.copy() for name, table in world.results.tables.items()}
    for name, column in (("clades", "mhd"), ("concepts", "mhd"), ("decoders", "mhd"), ("validation", "probability_1")):
        tables[name][column] = value
    metrics = {**world.results.metrics, "ece": value}
    write_report(tmp_path / "report.html", replace(world.results, tables=tables, metrics=metrics), crops)
    page = Page(tmp_path / "report.html")
    assert page.figures["ece"] == "no data"
    assert {row[4] for row in page.rows["concepts"][1:]} == {"no data"}
    assert {row[5] for row in page.rows["decoders"][1:]} == {"no data"}
    assert {clade["mhd"] for clade in page.data["clades"]} == {None}
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert set(re.findall(r'<li><meter min="0" max="1" value="([^"]+)"[^>]+></meter> <span>no data', text)) == {"0.0"}


def test_the_page_is_whole_in_itself_small_and_the_same_each_time(world, page, crops, tmp_path):
    first = (tmp_path / "report.html").read_bytes()
    assert len(first) < 8e6
    assert all(re.match("data:|#", link) for link in page.links)
    write_report(tmp_path / "report.html", world.results, crops)
    assert (tmp_path / "report.html").read_bytes() == first


def test_the_gallery_offers_only_clades_that_it_has_a_card_of(world, crops, tmp_path, monkeypatch):
    monkeypatch.setattr("fathomline.report.gallery.WORST", 1)
    write_report(tmp_path / "report.html", world.results, crops)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    (path,) = re.findall(r'data-distance="\d+" data-clades="([^"]+)"', text.split('id="confident"')[0])
    chooser = text.split('<select id="gallery-clade">')[1].split("</select>")[0]
    assert re.findall(r'<option value="([^"]+)"', chooser) == path.split(" ")


def test_every_picture_says_what_it_shows(page):
    assert page.pictures
    assert all(re.fullmatch(r"ROI of annotation \d+: .+, mistaken for .+", alt) for alt in page.pictures)


def test_a_missing_picture_is_said_in_its_place(world, crops, tmp_path):
    for path in (crops / "rois").iterdir():
        path.unlink()
    write_report(tmp_path / "report.html", world.results, crops)
    page = Page(tmp_path / "report.html")
    assert page.pictures == []
    assert "No picture: the ROI file of annotation" in page.text


def test_a_model_that_is_always_right_about_one_class_of_one_frame_has_an_honest_page(
    world, taxonomy, history, crops, tmp_path
):
    annotations = pd.DataFrame({"path": ["rois/0.png"], "annotation_id": [1], "image_id": [1], "group": [1]})
    annotations["label"], annotations["fold"] = "Porifera", 0
    config = replace(EVALUATE, calibrate=False)
    evaluation = evaluate(
        {"plain": {"none": np.zeros((1, 1))}}, "plain", annotations, ["Porifera"], taxonomy, config, "labels"
    )
    results = replace(world.results, metrics=evaluation.metrics, tables=all_tables(evaluation, taxonomy, [history]))
    write_report(tmp_path / "report.html", results, crops)
    page = Page(tmp_path / "report.html")
    for words in ("No mistakes.", "No such mistakes.", "no interval: all ROIs belong to one group"):
        assert words in page.text
    assert page.figures["mhd"] == "0.000"
    assert page.rows["decoders"][1][6] == "no data"
    assert "mistakes" not in page.data["charts"]
    assert "No data." in page.text
