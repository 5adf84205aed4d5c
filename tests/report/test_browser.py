"""The report as its reader uses it, in Chromium: by mouse, by keyboard, on a phone, in the dark."""

import html
import re

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from docs.pictures import CHROMIUM, NAMES
from fathomline.report.figures import plain, visible
from fathomline.report.page import write_report
from tests.report.conftest import HOSTILE_BELOW_ANIMALIA

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=f"no browser here: none of {', '.join(NAMES)} is installed")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, world, crops, tmp_path):
    """Opens the report in a window; at the end, nothing may have failed in it or been asked of a network."""
    write_report(tmp_path / "report.html", world.results, crops)
    yield from openings(browser, tmp_path)


@pytest.fixture
def opened_hostile(browser, hostile, crops, tmp_path):
    """The same for taxa with hostile names."""
    write_report(tmp_path / "report.html", hostile.results, crops)
    yield from openings(browser, tmp_path)


def openings(browser, tmp_path):
    faults, contexts = [], []

    def opened(**window) -> Page:
        contexts.append(browser.new_context(reduced_motion="reduce", **window))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: message.type in ("error", "warning") and faults.append(message.text))
        page.on("request", lambda asked: asked.url.startswith(("http", "ws")) and faults.append(asked.url))
        page.goto((tmp_path / "report.html").as_uri())
        expect(page.locator("#chart-losses .main-svg").first).to_be_attached()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def bar(page: Page, taxon: str) -> Locator:
    return page.locator("#chart-tree .slice").filter(has_text=re.compile(f"^({taxon})+$"))  # a text and its shadow


def option_of(taxon: str) -> re.Pattern:
    """An option is indented by the depth of its taxon, and may end in the number of ROIs."""
    return re.compile(rf"^\s*{re.escape(taxon)}( \(\d+\))?$")


def chosen(page: Page) -> Locator:
    return page.locator("#clade option:checked")


def choose(page: Page, selector: str, taxon: str) -> None:
    option = page.locator(f"{selector} option").filter(has_text=option_of(taxon))
    page.locator(selector).select_option(option.get_attribute("value"))


def described(page: Page) -> list[list[str]]:
    rows = page.locator("#clade-figures tbody tr").all()
    return [row.locator("th, td").all_text_contents() for row in rows]


def test_a_click_on_the_tree_descends_and_a_click_on_its_top_comes_back(opened, world):
    page = opened()
    assert [row[0] for row in described(page)] == ["Animalia", "Chromista"]
    bar(page, "Chordata").click()
    expect(chosen(page)).to_have_text(option_of("Chordata"))
    clades = world.results.tables["clades"].set_index("taxon")
    first, *children = described(page)
    assert first[:4] == [
        "Chordata",
        "phylum",
        str(clades.loc["Chordata", "support"]),
        f"{clades.loc['Chordata', 'mhd']:.3f}",
    ]
    assert [child[0] for child in children] == ["Teleostei"]
    expect(bar(page, "Porifera")).to_have_count(0)
    bar(page, "Chordata").click()
    expect(chosen(page)).to_have_text(option_of("Animalia"))
    bar(page, "Animalia").click()
    expect(page.locator("#clade")).to_have_value("")
    expect(bar(page, "Porifera")).to_have_count(1)


def test_the_tree_is_walked_by_keyboard(opened):
    page = opened()
    page.locator("#clade").focus()
    page.keyboard.type("Ani")
    expect(chosen(page)).to_have_text(option_of("Animalia"))
    page.locator("#clade-figures button", has_text="Chordata").focus()
    page.keyboard.press("Enter")
    expect(chosen(page)).to_have_text(option_of("Chordata"))
    expect(page.locator("#clade-figures tbody th").first).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(chosen(page)).to_have_text(option_of("Teleostei"))
    choose(page, "#clade", "Chordata")
    page.locator("#up").focus()
    page.keyboard.press("Space")
    expect(chosen(page)).to_have_text(option_of("Animalia"))
    page.keyboard.press("Space")
    expect(page.locator("#up")).to_be_disabled()
    expect(page.locator("#clade")).to_be_focused()
    expect(bar(page, "Chromista")).to_have_count(1)


def test_another_rank_shows_another_confusion(opened, world):
    page = opened()
    names = page.locator("#chart-confusion .yaxislayer-above g.ytick")
    for rank in ("class", "species", "phylum"):
        page.locator("#rank").select_option(rank)
        expect(page.locator("#confusion-caption")).to_have_text(f"Truth against prediction by {rank}")
        truths = set(world.results.tables["confusion"].query("rank == @rank")["truth"])
        expect(names).to_have_count(len(truths))


def test_the_gallery_is_filtered_by_clade_and_by_distance(opened):
    page = opened()
    cards = page.locator("#gallery-worst .card:visible")
    every = page.locator("#gallery-worst .card").count()
    expect(cards).to_have_count(12)
    page.locator("#gallery-worst + button").click()
    expect(cards).to_have_count(every)
    choose(page, "#gallery-clade", "Chordata")
    lineages = cards.locator(".fork").all_text_contents()
    assert lineages
    assert all("Chordata" in text.split("answer")[0] for text in lineages)
    farthest = max(int(option) for option in page.locator("#gallery-distance option").all_text_contents())
    page.locator("#gallery-clade").select_option("")
    page.locator("#gallery-distance").select_option(str(farthest))
    distances = [int(card.get_attribute("data-distance")) for card in cards.all()]
    assert distances
    assert set(distances) == {farthest}
    expect(page.locator("#gallery-count")).to_have_text(f"{len(distances)} of {every} shown")
    choose(page, "#gallery-clade", "Porifera")
    shown = cards.count()
    expect(page.locator("#gallery-count")).to_have_text(f"{shown} of {every} shown")
    page.locator("#gallery-distance").select_option(index=0)
    for clade in page.locator("#gallery-clade option").all():
        page.locator("#gallery-clade").select_option(clade.get_attribute("value"))
        assert cards.count() > 0, "no clade is offered that has no card"


def test_concepts_sort_by_the_column_that_is_pressed(opened, world):
    page = opened()
    concepts = world.results.tables["concepts"]
    column = page.locator("#concept-table tbody tr td:nth-child(3)")
    heading = page.locator("#concept-table thead th", has_text="ROIs")
    for order, descending in (("ascending", False), ("descending", True)):
        heading.locator("button").click()
        expect(heading).to_have_attribute("aria-sort", order)
        assert list(map(int, column.all_text_contents())) == sorted(concepts["support"], reverse=descending)
    page.locator("#concept-table thead button", has_text="MHD").click()
    assert page.locator("#concept-table tbody tr td:nth-child(5)").all_text_contents()[-1] == "no data"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_it_fits_a_phone_and_a_desk_by_day_and_by_night(opened, scheme, width):
    page = opened(viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ink, paper = page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    lightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, paper)]
    assert (lightness[0] > lightness[1]) == (scheme == "dark")
    written = page.locator("#chart-ranks .xtick text").first.evaluate("text => getComputedStyle(text).fill")
    assert written == ink, "charts take the ink of the page"


def test_charts_follow_when_night_falls(opened):
    page = opened(color_scheme="light")
    text = page.locator("#chart-ranks .xtick text").first
    by_day = text.evaluate("text => getComputedStyle(text).fill")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("#chart-ranks .xtick text").first).not_to_have_css("fill", by_day)


def test_no_chart_offers_to_send_its_data_away(opened):
    page = opened()
    buttons = page.locator(".modebar-btn").evaluate_all("all => all.map(each => each.dataset.title)")
    assert "Download plot as a PNG" in buttons
    assert [title for title in buttons if re.search("share|cloud|send|edit", title, flags=re.IGNORECASE)] == []


def drawn(texts: Locator) -> set[str]:
    """What is read in a chart; plotly draws spaces that do not break."""
    return {text.replace("\u00a0", " ") for text in texts.all_text_contents()}


def label(name: str) -> str:
    """How a chart writes a name, once plotly has decoded it."""
    return html.unescape(plain(name))


@pytest.mark.parametrize("rank", ["kingdom", "phylum", "class"])
def test_charts_draw_hostile_names_as_they_are_written(opened_hostile, hostile, rank):
    page = opened_hostile()
    page.locator("#rank").select_option(rank)
    table = hostile.results.tables["confusion"].query("rank == @rank")
    for column, axis in (("truth", "y"), ("prediction", "x")):
        texts = page.locator(f"#chart-confusion .{axis}tick text")
        shown = {label(name) for name in (table[column] if axis == "y" else {*table["truth"], *table["prediction"]})}
        expect(texts).to_have_count(
            table[f"{column}_node"].nunique() if axis == "y" else len({*table["truth_node"], *table["prediction_node"]})
        )
        assert drawn(texts) == shown
    slices = drawn(page.locator("#chart-tree .slice text"))
    assert {label(name) for name in HOSTILE_BELOW_ANIMALIA} & slices
    assert page.locator(".chart a[href]").count() == 0
    assert page.locator(".chart tspan[style*=bold], .chart tspan[dy='-0.6em']").count() == 0


def test_hover_texts_hold_hostile_names_as_they_are_written(opened_hostile, hostile):
    page = opened_hostile()
    table = hostile.results.tables["confusion"].query("rank == 'phylum'")
    rows = {node: place for place, node in enumerate(sorted(set(table["truth_node"])))}
    columns = {node: place for place, node in enumerate(sorted({*table["truth_node"], *table["prediction_node"]}))}
    for pair in table.itertuples():
        text = page.evaluate(
            """async ([x, y]) => {
              const chart = document.getElementById("chart-confusion");
              await new Promise((done) => setTimeout(done, 60)); // plotly passes over what comes sooner
              Plotly.Fx.hover(chart, [{ xval: x, yval: y }]);
              return [...chart.querySelectorAll(".hovertext tspan.line, .hovertext > text:not(:has(tspan))")]
                .map((line) => line.textContent.replaceAll("\u00a0", " "));
            }""",
            [columns[pair.prediction_node], rows[pair.truth_node]],
        )
        assert text[:2] == [f"truth: {label(pair.truth)}", f"prediction: {label(pair.prediction)}"]
        assert page.locator("#chart-confusion .hoverlayer a").count() == 0


def test_hostile_clades_are_walked_and_filtered(opened_hostile, hostile):
    page = opened_hostile()
    clades = hostile.results.tables["clades"]
    options = page.locator("#clade option").evaluate_all("all => all.slice(1).map((each) => each.value)")
    assert len(set(options)) == len(clades)
    for name, value in zip(clades["taxon"], options, strict=True):
        page.locator("#clade").select_option(value)
        assert described(page)[0][0] == visible(name)
    for option in page.locator("#gallery-clade option").all()[1:]:
        page.locator("#gallery-clade").select_option(option.get_attribute("value"))
        name = option.text_content().strip("\u2007\n ")
        lineages = page.locator("#gallery-worst .card:visible .fork").all()
        assert lineages, name
        for lineage in lineages:
            assert (
                name
                in lineage.locator("li").nth(0).or_(lineage.locator("li").nth(1)).locator("bdi").all_text_contents()
            )


def test_a_kingdom_named_all_kingdoms_is_not_the_whole_tree(opened_hostile, hostile):
    page = opened_hostile()
    support = hostile.results.tables["clades"].set_index("taxon")["support"]
    assert {row[0]: row[2] for row in described(page)} == {
        name: str(support[name]) for name in ("Animalia", "__proto__", "all kingdoms")
    }
    page.locator("#chart-tree .slice").filter(has_text=re.compile("^(all kingdoms)+$")).last.click()
    assert [row[0] for row in described(page)] == ["all kingdoms", "all kingdoms below"]
    expect(page.locator("#clade option:checked")).to_have_text(option_of("all kingdoms"))
    page.locator("#up").click()
    expect(page.locator("#clade")).to_have_value("")
    assert len(described(page)) == 3


def test_a_concept_named_no_data_sorts_like_any_other(opened_hostile):
    page = opened_hostile()
    page.locator("#concept-table thead button", has_text="concept").click()
    names = page.locator("#concept-table tbody th").all_text_contents()
    assert names.index("no data") < names.index("R (no class)") < len(names) - 1


@pytest.mark.parametrize("width", [390, 1400])
def test_long_names_do_not_widen_the_page(opened_hostile, width):
    page = opened_hostile(viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
