"""The report in Chromium, by mouse and keyboard, in wide and narrow windows, light and dark.

Loading a page takes about a second, so the tests of a world share one page; each sets the controls that it depends on.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from fathomline.report.page import write_report
from tests.browser import NARROW, WIDE, needs_chromium
from tests.report.browser import bar, choose, clade_rows, opened, option_of, selected

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def report(world, crops, raw, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("world") / "report.html"
    write_report(path, world.results, crops, raw)
    return path


@pytest.fixture(scope="module")
def page(browser, report) -> Iterator[Page]:
    with opened(browser, report, viewport=WIDE, color_scheme="light") as page:
        yield page


def test_a_click_on_a_bar_opens_its_clade_and_a_click_on_the_top_bar_goes_back_up(page, world):
    page.locator("#clade").select_option("")
    assert [row[0] for row in clade_rows(page)] == ["Animalia", "Chromista"]
    bar(page, "Chordata").click()
    expect(selected(page)).to_have_text(option_of("Chordata"))
    clade = world.results.tables["clades"].query("taxon == 'Chordata'").iloc[0]
    first, *children = clade_rows(page)
    assert first[:4] == ["Chordata", "phylum", str(clade["support"]), f"{clade['mhd']:.3f}"]
    assert [child[0] for child in children] == ["Teleostei"]
    expect(bar(page, "Porifera")).to_have_count(0)
    bar(page, "Chordata").click()
    expect(selected(page)).to_have_text(option_of("Animalia"))
    bar(page, "Animalia").click()
    expect(page.locator("#clade")).to_have_value("")
    expect(bar(page, "Porifera")).to_have_count(1)


def test_a_click_on_a_bar_of_the_path_above_an_opened_clade_opens_that_one(page):
    choose(page, "#clade", "Sebastes")
    above = page.locator("#chart-tree .pathbar").filter(has_text="Chordata")
    chart, box = page.locator("#chart-tree").bounding_box(), above.bounding_box()
    assert box["y"] >= chart["y"], "the path is not cut"
    above.click()
    expect(selected(page)).to_have_text(option_of("Chordata"))


def test_the_tree_can_be_explored_by_keyboard(page):
    page.locator("#clade").select_option("")
    page.locator("#clade").focus()
    page.keyboard.type("Ani")
    expect(selected(page)).to_have_text(option_of("Animalia"))
    page.locator("#clade-figures button", has_text="Chordata").focus()
    page.keyboard.press("Enter")
    expect(selected(page)).to_have_text(option_of("Chordata"))
    expect(page.locator("#clade-figures tbody th").first).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(selected(page)).to_have_text(option_of("Teleostei"))
    choose(page, "#clade", "Chordata")
    page.locator("#up").focus()
    page.keyboard.press("Space")
    expect(selected(page)).to_have_text(option_of("Animalia"))
    page.keyboard.press("Space")
    expect(page.locator("#up")).to_be_disabled()
    expect(page.locator("#clade")).to_be_focused()
    expect(bar(page, "Chromista")).to_have_count(1)


def test_another_rank_shows_another_confusion(page, world):
    names = page.locator("#chart-confusion .yaxislayer-above g.ytick")
    for rank in ("class", "species", "phylum"):
        page.locator("#rank").select_option(rank)
        expect(page.locator("#confusion-caption")).to_have_text(f"Truth against prediction by {rank}")
        truths = set(world.results.tables["confusion"].query("rank == @rank")["truth"])
        expect(names).to_have_count(len(truths))


def test_the_gallery_is_filtered_by_clade_and_by_distance(page):
    cards = page.locator("#gallery-worst .card:visible")
    total = page.locator("#gallery-worst .card").count()
    expect(cards).to_have_count(12)
    page.locator("#gallery-worst + button").click()
    expect(cards).to_have_count(total)
    choose(page, "#gallery-clade", "Chordata")
    lineages = cards.locator(".fork").all_text_contents()
    assert lineages
    assert all("Chordata" in text.split("answer")[0] for text in lineages)
    farthest = page.locator("#gallery-distance option").last.text_content()
    page.locator("#gallery-clade").select_option("")
    page.locator("#gallery-distance").select_option(farthest)
    distances = cards.evaluate_all("cards => cards.map((card) => card.dataset.distance)")
    assert distances
    assert set(distances) == {farthest}
    expect(page.locator("#gallery-count")).to_have_text(f"{len(distances)} of {total} match")
    page.locator("#gallery-distance").select_option(index=0)
    for clade in page.locator("#gallery-clade option").all():
        page.locator("#gallery-clade").select_option(clade.get_attribute("value"))
        assert cards.count() > 0, "the list offers only clades with a card"


def expect_arrow(heading: Locator, arrow: str) -> None:
    """The arrow is a part of the style, so that it is not read out: `aria-sort` says the same."""
    content = heading.locator("button").evaluate("button => getComputedStyle(button, '::after').content")
    assert content == f'"\u00a0{arrow}"'


def test_concepts_are_sorted_by_the_chosen_column(page, world):
    concepts = world.results.tables["concepts"]
    column = page.locator("#concept-table tbody tr td:nth-child(3)")
    heading = page.locator("#concept-table thead th", has_text="ROIs")
    for order, descending in (("ascending", False), ("descending", True)):
        heading.locator("button").click()
        expect(heading).to_have_attribute("aria-sort", order)
        assert list(map(int, column.all_text_contents())) == sorted(concepts["support"], reverse=descending)
        expect_arrow(heading, {"ascending": "↑", "descending": "↓"}[order])
        expect_arrow(page.locator("#concept-table thead th", has_text="accuracy"), "↕")
    page.locator("#concept-table thead button", has_text="MHD").click()
    assert page.locator("#concept-table tbody tr td:nth-child(5)").all_text_contents()[-1] == "no data"


def test_decoders_can_be_sorted_but_not_by_their_interval(page, world):
    headings = page.locator("#decoders thead th")
    expect(headings.filter(has_text="interval").locator("button")).to_have_count(0)
    headings.filter(has_text="MHD").locator("button").click()
    shown = page.locator("#decoders tbody tr td:nth-child(6)").all_text_contents()
    assert shown == sorted(f"{mhd:.3f}" for mhd in world.results.tables["decoders"]["mhd"])


def test_a_click_on_a_picture_shows_the_frame_with_its_box(page):
    page.locator("#gallery-clade").select_option("")
    page.locator("#gallery-distance").select_option(index=0)
    card = page.locator("#gallery-worst .card").first
    card.locator("img").click()
    dialog = page.locator("dialog")
    expect(dialog).to_be_visible()
    for part in ("h3", ".about"):
        expect(dialog.locator(part)).to_have_text(card.locator(part).text_content())
    frame, box = dialog.locator("img").bounding_box(), dialog.locator(".box").bounding_box()
    assert frame["width"] / frame["height"] == pytest.approx(80 / 60, rel=0.01)
    share = [(box[at] - frame[at]) / frame[side] for at, side in (("x", "width"), ("y", "height"))]
    share += [box[side] / frame[side] for side in ("width", "height")]
    assert share == pytest.approx([0.1, 0.25, 0.5, 0.5], abs=0.01)
    image = int(card.get_attribute("data-image"))
    expect(dialog.locator("img")).to_have_js_property("complete", True)
    assert dialog.locator("img").evaluate(GREY) == pytest.approx(10 * image, abs=4)
    page.mouse.click(5, 5)
    expect(dialog).to_be_hidden()


GREY = """(picture) => {
  const context = Object.assign(document.createElement("canvas"), { width: 4, height: 4 }).getContext("2d");
  context.drawImage(picture, 0, 0);
  return context.getImageData(0, 0, 1, 1).data[0];
}"""


def test_frames_can_be_browsed_by_keyboard_and_the_focus_returns_to_the_card(page):
    buttons, dialog = page.locator("#gallery-confident .open"), page.locator("dialog")
    abouts = page.locator("#gallery-confident .about").all_text_contents()
    buttons.first.focus()
    page.keyboard.press("Enter")
    expect(dialog.locator(".about")).to_have_text(abouts[0])
    expect(page.locator("#frame-previous")).to_be_disabled()
    page.keyboard.press("ArrowLeft")
    expect(dialog.locator(".about")).to_have_text(abouts[0])
    page.keyboard.press("ArrowRight")
    expect(dialog.locator(".about")).to_have_text(abouts[1])
    page.locator("#frame-next").press("Enter")
    expect(dialog.locator(".about")).to_have_text(abouts[2])
    assert page.evaluate("document.getElementById('frame').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(buttons.nth(2)).to_be_focused()


def test_only_the_shown_cards_are_browsed(page):
    page.locator("#gallery-distance").select_option(index=0)
    choose(page, "#gallery-clade", "Porifera")
    shown = page.locator("#gallery-worst .card:visible .open")
    shown.last.click()
    expect(page.locator("#frame-next")).to_be_disabled()
    page.locator("#frame-close").click()
    expect(shown.last).to_be_focused()
    shown.nth(-2).click()
    page.locator("#frame-next").press("Enter")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("dialog .about")).to_have_text(
        page.locator("#gallery-worst .card:visible .about").nth(-2).text_content()
    )
    page.keyboard.press("Escape")
    expect(shown.nth(-2)).to_be_focused()
    page.locator("#gallery-clade").select_option("")


def test_no_chart_has_a_button_that_uploads_its_data(page):
    buttons = page.locator(".modebar-btn").evaluate_all("all => all.map(each => each.dataset.title)")
    assert "Download plot as a PNG" in buttons
    assert [title for title in buttons if re.search("share|cloud|send|edit", title, flags=re.IGNORECASE)] == []


def assert_fits_in_light_and_dark(page: Page, width: int) -> None:
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        ink, paper = page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        lightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, paper)]
        assert (lightness[0] > lightness[1]) == (scheme == "dark")
        expect(page.locator("#chart-ranks .xtick text").first).to_have_css("fill", ink)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_page_fits_a_wide_window_in_light_and_dark(page):
    assert_fits_in_light_and_dark(page, WIDE["width"])


def test_the_page_fits_a_phone_in_light_and_dark(browser, report):
    with opened(browser, report, viewport=NARROW, color_scheme="dark", has_touch=True) as page:
        assert_fits_in_light_and_dark(page, NARROW["width"])
        assert_scales_lie_above_the_charts(page)
        assert_a_table_shows_where_it_scrolls(page)
        assert_a_finger_on_a_chart_scrolls_the_page(page)
        page.locator("#gallery-worst .open").first.tap()
        frame = page.locator("dialog").bounding_box()
        assert frame["x"] >= 0
        assert frame["x"] + frame["width"] <= NARROW["width"]


def assert_scales_lie_above_the_charts(page: Page) -> None:
    for name, labels in (("tree", r"^MHD0\.0\d+\.\d\d+\.\d$"), ("confusion", "^share0%50%100%$")):
        scale, chart = page.locator(f"#scale-{name}"), page.locator(f"#chart-{name}")
        expect(scale).to_have_text(re.compile(labels))
        above, below = scale.bounding_box(), chart.bounding_box()
        assert above["y"] + above["height"] <= below["y"]
        expect(chart.locator(".colorbar")).to_have_count(0)
    bars = page.locator("#chart-tree .slice path.surface").evaluate_all("all => all.map(bar => bar.getBBox().width)")
    assert max(bars) > NARROW["width"] / 4, "the scale takes no room from the bars"


def assert_a_table_shows_where_it_scrolls(page: Page) -> None:
    area = page.locator("#concepts .scroll")
    for place, more in ((0, "right"), (20, "left right"), (9999, "left")):
        area.evaluate("(area, place) => { area.scrollLeft = place; }", place)
        expect(area).to_have_attribute("data-more", more)
        faded = area.evaluate("area => getComputedStyle(area).maskImage") != "none"
        assert faded == ("right" in more)
    name = area.locator("tbody th").first
    assert name.bounding_box()["x"] >= area.bounding_box()["x"], "the names stay in sight"
    expect(area).to_have_attribute("tabindex", "0")


def assert_a_finger_on_a_chart_scrolls_the_page(page: Page) -> None:
    page.locator("#chart-ranks").evaluate("chart => chart.scrollIntoView({ block: 'center' })")
    before, session = page.evaluate("scrollY"), page.context.new_cdp_session(page)
    touch = "Input.dispatchTouchEvent"
    session.send(touch, {"type": "touchStart", "touchPoints": [{"x": 200, "y": 450}]})
    for y in range(440, 200, -20):
        session.send(touch, {"type": "touchMove", "touchPoints": [{"x": 200, "y": y}]})
    session.send(touch, {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function("before => scrollY > before + 100", arg=before, timeout=3000)


def test_a_table_that_fits_shows_no_hint(page):
    expect(page.locator("#decoders .scroll")).to_have_attribute("data-more", "")
    expect(page.locator("#concepts .scroll")).to_have_attribute("data-more", "")
    expect(page.locator("#concepts .scroll")).not_to_have_attribute("tabindex", "0")
    assert page.locator("#scale-tree").is_hidden()
    expect(page.locator("#chart-tree .colorbar")).to_have_count(1)
