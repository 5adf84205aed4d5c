"""The report in Chromium with names that look like markup, templates or keys, and with very long names.

Loading a page takes about a second, so the tests share one; each sets the controls that it depends on.
"""

import html
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Locator, Page, expect

from fathomline.report.labels import chart_label, visible
from fathomline.report.page import write_report
from tests.browser import NARROW, WIDE, needs_chromium
from tests.report.browser import bar, clade_rows, opened, option_of, selected
from tests.report.conftest import HOSTILE_BELOW_ANIMALIA

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def hostile_report(hostile, crops, raw, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "report.html"
    write_report(path, hostile.results, crops, raw)
    return path


@pytest.fixture(scope="module")
def hostile_page(browser, hostile_report) -> Iterator[Page]:
    with opened(browser, hostile_report, viewport=WIDE, color_scheme="light") as page:
        yield page


RECEIVES_POINTER = """(tick) => {
  tick.scrollIntoView({ block: "center" });
  const { x, y, width, height } = tick.getBoundingClientRect();
  return tick.contains(document.elementFromPoint(x + width / 2, y + height / 2));
}"""


OVERLAPS = """(names) => {
  const boxes = names.map((name) => name.getBoundingClientRect()).sort((a, b) => a.top - b.top);
  return boxes.slice(1).filter((box, place) => box.top < boxes[place].bottom - 1).length;
}"""

BEYOND_THEIR_BARS = """(texts) => texts.filter((text) => {
  const name = text.getBoundingClientRect();
  const bar = text.closest(".slice").querySelector("path").getBoundingClientRect();
  return text.textContent.trim() !== "" && (name.right > bar.right || name.bottom > bar.bottom + 1);
}).map((text) => text.textContent)"""


@pytest.mark.parametrize("window", [WIDE, NARROW], ids=["wide", "narrow"])
def test_names_overlap_neither_each_other_nor_the_next_bar(hostile_page, window):
    hostile_page.set_viewport_size(window)
    hostile_page.locator("#rank").select_option("phylum")
    names = hostile_page.locator("#chart-confusion .ytick text")
    assert names.count() > 20
    assert names.evaluate_all(OVERLAPS) == 0
    texts = hostile_page.locator("#chart-tree .slicetext")
    assert "constructor" in texts.all_text_contents(), "each clade has room for its name"
    assert texts.evaluate_all(BEYOND_THEIR_BARS) == []
    hostile_page.set_viewport_size(WIDE)


def test_names_that_charts_cut_or_hide_have_titles(hostile_page, hostile):
    page = hostile_page
    page.locator("#clade").select_option("")
    page.locator("#rank").select_option("phylum")
    long = next(name for name in HOSTILE_BELOW_ANIMALIA if name.startswith("Long"))
    for axis in "xy":
        titles = page.locator(f"#chart-confusion .{axis}tick title").all_text_contents()
        assert visible(long) in titles
        tick = page.locator(f"#chart-confusion .{axis}tick").filter(has_text=long[-30:]).first
        assert tick.evaluate(RECEIVES_POINTER), "or the title would never be seen"
    bars = page.locator("#chart-tree .slice title").all_text_contents()
    assert set(bars) <= {visible(name) for name in hostile.results.tables["clades"]["taxon"]}
    assert visible(long) in bars


@pytest.mark.parametrize("window", [WIDE, NARROW], ids=["wide", "narrow"])
def test_long_names_do_not_widen_the_page(hostile_page, window):
    hostile_page.set_viewport_size(window)
    assert hostile_page.evaluate("document.documentElement.scrollWidth") <= window["width"]
    hostile_page.set_viewport_size(WIDE)


def drawn(texts: Locator) -> set[str]:
    """Texts in a chart, where plotly draws non-breaking spaces."""
    return {text.replace("\u00a0", " ") for text in texts.all_text_contents()}


def decoded(name: str) -> str:
    """The label of a name in a chart, decoded as plotly does."""
    return html.unescape(chart_label(name))


def test_charts_draw_hostile_names_as_text(hostile_page, hostile):
    page = hostile_page
    page.locator("#clade").select_option("")
    for rank in ("kingdom", "class", "phylum"):
        page.locator("#rank").select_option(rank)
        table = hostile.results.tables["confusion"].query("rank == @rank")
        truths = dict(zip(table["truth_node"], table["truth"], strict=True))
        predictions = truths | dict(zip(table["prediction_node"], table["prediction"], strict=True))
        for axis, names in (("y", truths), ("x", predictions)):
            texts = page.locator(f"#chart-confusion .{axis}tick text")
            expect(texts).to_have_count(len(names))
            assert drawn(texts) == {decoded(name) for name in names.values()}
    assert {decoded(name) for name in HOSTILE_BELOW_ANIMALIA} & drawn(page.locator("#chart-tree .slice text"))
    assert page.locator(".chart a[href]").count() == 0
    assert page.locator(".chart tspan[style*=bold], .chart tspan[dy='-0.6em']").count() == 0


HOVER_TEXTS = """async (cells) => {
  const chart = document.getElementById("chart-confusion");
  const texts = [];
  for (const [x, y] of cells) {
    await new Promise((done) => setTimeout(done, 60)); // plotly ignores hovers in quick succession
    Plotly.Fx.hover(chart, [{ xval: x, yval: y }]);
    const lines = [...chart.querySelectorAll(".hovertext tspan.line, .hovertext > text:not(:has(tspan))")];
    texts.push(lines.slice(0, 2).map((line) => line.textContent.replaceAll("\\u00a0", " ")));
    if (chart.querySelector(".hoverlayer a")) throw new Error("a link in a hover text");
  }
  return texts;
}"""


def test_hover_texts_show_hostile_names_as_text(hostile_page, hostile):
    hostile_page.locator("#rank").select_option("phylum")
    table = hostile.results.tables["confusion"].query("rank == 'phylum'")
    rows = sorted(set(table["truth_node"]))
    columns = sorted({*table["truth_node"], *table["prediction_node"]})
    # Each name at least once as truth and once as prediction.
    pairs = pd.concat([table.drop_duplicates("truth_node"), table.drop_duplicates("prediction_node")]).drop_duplicates()
    cells = [
        [columns.index(prediction), rows.index(truth)]
        for prediction, truth in zip(pairs["prediction_node"], pairs["truth_node"], strict=True)
    ]
    assert hostile_page.evaluate(HOVER_TEXTS, cells) == [
        [f"truth: {decoded(truth)}", f"prediction: {decoded(prediction)}"]
        for truth, prediction in zip(pairs["truth"], pairs["prediction"], strict=True)
    ]


FIRST_NAME_PER_CLADE = """(options) => options.slice(1).map((option) => {
  const select = option.parentElement;
  select.value = option.value;
  select.dispatchEvent(new Event("change"));
  return document.querySelector("#clade-figures tbody th").textContent;
})"""

LINEAGES_PER_CLADE = """(options) => options.slice(1).map((option) => {
  const select = option.parentElement;
  select.value = option.value;
  select.dispatchEvent(new Event("change"));
  const cards = [...document.querySelectorAll("#gallery-worst .card:not([hidden])")];
  const names = (card) => [...card.querySelectorAll(".fork li:not(.answer) bdi")].map((name) => name.textContent);
  return [option.textContent, cards.map(names)];
})"""


def test_clades_with_hostile_names_can_be_opened_and_filtered(hostile_page, hostile):
    clades = hostile.results.tables["clades"]["taxon"]
    opened_clades = hostile_page.locator("#clade option").evaluate_all(FIRST_NAME_PER_CLADE)
    assert opened_clades == [visible(name) for name in clades]
    for option, lineages in hostile_page.locator("#gallery-clade option").evaluate_all(LINEAGES_PER_CLADE):
        name = option.strip("\u2007\n ")
        assert lineages, name
        assert all(name in lineage for lineage in lineages)


def test_a_kingdom_named_all_kingdoms_is_not_the_whole_tree(hostile_page, hostile):
    page = hostile_page
    page.locator("#clade").select_option("")
    support = hostile.results.tables["clades"].set_index("taxon")["support"]
    kingdoms = {row[0]: row[2] for row in clade_rows(page)}
    assert kingdoms == {name: str(support[name]) for name in ("Animalia", "__proto__", "all kingdoms")}
    bar(page, "all kingdoms").last.click()
    assert [row[0] for row in clade_rows(page)] == ["all kingdoms", "all kingdoms below"]
    expect(selected(page)).to_have_text(option_of("all kingdoms"))
    page.locator("#up").click()
    expect(page.locator("#clade")).to_have_value("")
    assert len(clade_rows(page)) == 3


def test_a_concept_named_no_data_is_sorted_by_its_name(hostile_page):
    hostile_page.locator("#concept-table thead button", has_text="concept").click()
    names = hostile_page.locator("#concept-table tbody th").all_text_contents()
    assert names.index("no data") < names.index("R (no class)") < len(names) - 1
