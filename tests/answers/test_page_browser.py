"""The page of answers in Chromium, opened from a file, in wide and narrow windows, light and dark."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from fathomline.report.labels import visible
from tests.answers.page_world import tables, write_page
from tests.browser import NARROW, WIDE, needs_chromium, watched
from tests.report.conftest import HOSTILE_PATHS, PATHS, taxonomy_of

pytestmark = needs_chromium

FRAMES = ["dive/one.jpg", "dive/two.jpg"]
HOSTILE_FRAMES = ['<img src=x onerror="alert(1)">.jpg', f"{'long' * 60}.jpg"]


@contextmanager
def opened(browser: Browser, folder: Path, **window: object) -> Iterator[Page]:
    """The page in a window of its own. At the end, no script may have failed and no request left the machine."""
    address = (folder / "index.html").as_uri()
    with watched(browser, address, ("file:", "data:", "blob:"), **window) as page:
        expect(page.locator(".card").first).to_be_attached()
        yield page


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Split into several files of rows."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("fathomline.answers.page.ANSWERS_PER_FILE", 40)
        patched.setattr("fathomline.answers.page.DETAILS_PER_FILE", 6)
        folder = tmp_path_factory.mktemp("ordinary") / "page"
        write_page(folder, taxonomy_of(PATHS), FRAMES)
    return folder


@pytest.fixture(scope="module")
def page(browser, folder) -> Iterator[Page]:
    with opened(browser, folder, viewport=WIDE, color_scheme="light") as page:
        yield page


@pytest.fixture(scope="module")
def hostile(browser, tmp_path_factory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("hostile") / "page"
    write_page(folder, taxonomy_of(HOSTILE_PATHS), HOSTILE_FRAMES)
    with opened(browser, folder, viewport=WIDE, color_scheme="light") as page:
        yield page


@pytest.fixture(scope="module")
def answered() -> pd.DataFrame:
    return pd.concat([table.answered for table in tables(taxonomy_of(PATHS), FRAMES)], ignore_index=True)


@pytest.fixture
def all_shown(page) -> Page:
    """The page with nothing selected."""
    page.locator("#find").fill("")
    if page.locator("#track").is_visible():
        page.locator("#track").click()
    page.locator('[data-taxon="-1"]').click()
    page.locator("#sort").select_option("low")
    expect(page.locator("#count")).to_have_text("90 of 90 answers")
    return page


def show_more(page: Page) -> None:
    """Press the button without scrolling to it, because that shows more, too."""
    page.locator("#more").evaluate("button => button.click()")


def confidences(page: Page) -> list[float]:
    texts = page.locator(".card p:has(> meter)").all_text_contents()
    return [float(re.search(r"\d\.\d+", text)[0]) for text in texts]


def test_cards_are_sorted_by_confidence(all_shown, answered):
    page = all_shown
    expect(page.locator(".card")).to_have_count(60)
    show_more(page)
    expect(page.locator(".card")).to_have_count(90)
    expect(page.locator("#more")).to_be_hidden()
    lowest_first = sorted(answered["confidence"])
    assert confidences(page) == pytest.approx(lowest_first, abs=2e-3)
    page.locator("#sort").select_option("high")
    assert confidences(page) == pytest.approx(lowest_first[:-61:-1], abs=2e-3)
    page.locator("#sort").select_option("path")
    assert page.locator(".card .where:has-text('.jpg')").first.text_content() == "dive/one.jpg"
    assert set(page.locator(".card .where:has-text('.jpg')").all_text_contents()[:40]) == {"dive/one.jpg"}


def test_a_card_shows_its_picture_or_that_there_is_none(all_shown):
    page = all_shown
    page.locator("#sort").select_option("row")
    cards = page.locator(".card")
    image = cards.first.locator("img")
    expect(image).to_have_js_property("complete", True)
    assert image.evaluate("image => image.naturalWidth") == 20
    row_7 = cards.filter(has_text="annotation 1007")
    expect(row_7.locator(".empty")).to_have_text("no picture")
    assert row_7.locator("img").count() == 0


def test_a_clade_shows_its_answers_only(all_shown, answered):
    page = all_shown
    page.locator(".taxon", has_text="Animalia").locator(".fold").click()
    chordata = page.locator(".name", has_text="Chordata")
    count = int((answered["phylum"] == "Chordata").sum())
    expect(chordata.locator(".figure").first).to_have_text(str(count))
    chordata.click()
    expect(page.locator("#clade")).to_have_text("Chordata (phylum)")
    expect(page.locator("#count")).to_have_text(f"{count} of 90 answers")
    expect(chordata).to_have_attribute("aria-current", "true")
    names = set(page.locator(".card h3").all_text_contents())
    assert names == set(answered.loc[answered["phylum"] == "Chordata", "concept_name"])


def test_names_and_paths_are_found(all_shown, answered):
    page = all_shown
    page.locator("#find").fill("DIPLOPROA")
    count = int((answered["concept_name"] == "Sebastes diploproa").sum())
    expect(page.locator("#count")).to_have_text(f"{count} of 90 answers")
    page.locator("#find").fill("two.jpg")
    count = int((answered["path"] == "dive/two.jpg").sum())
    expect(page.locator("#count")).to_have_text(f"{count} of 90 answers")
    page.locator("#find").fill("nowhere")
    expect(page.locator("#count")).to_have_text("0 of 90 answers")
    expect(page.locator(".card")).to_have_count(0)


def test_probabilities_are_shown_on_demand(all_shown, answered):
    page = all_shown
    page.locator("#sort").select_option("row")
    card = page.locator(".card").nth(50)
    card.locator("summary").click()
    expected = answered.iloc[50]
    expect(card.locator(".probable")).to_have_count(2)
    lineage = card.locator(".probable").first.locator("li").all_text_contents()
    assert lineage[0].split() == [f"{expected['kingdom_probability']:.3f}", expected["kingdom"], "kingdom"]
    probable = card.locator(".probable").last.locator("li").all_text_contents()
    assert [text.strip().split(" ", 1)[1] for text in probable] == [expected[f"concept_{n}"] for n in (1, 2, 3)]


def test_a_track_can_be_shown_alone(all_shown, answered):
    page = all_shown
    page.locator("#sort").select_option("row")
    row = answered[answered["track"] == "dive/one.jpg-4"].iloc[0]
    button = page.get_by_role("button", name="track dive/one.jpg-4 ")
    text = button.first.locator("xpath=..").text_content()
    assert text == f"track dive/one.jpg-4 (2): {row['track_concept_name']}, {row['track_rank']}, " + (
        f"{row['track_confidence']:.3f}"
    )
    button.first.click()
    expect(page.locator(".card")).to_have_count(2)
    expect(page.locator("#track")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_have_text("90 of 90 answers")


def test_skipped_rows_are_listed_with_reasons(page):
    page.locator("#skipped summary").click()
    rows = page.locator("#skipped tbody tr")
    expect(rows).to_have_count(6)
    page.locator("#more-skipped").click()
    expect(rows).to_have_count(10)
    expect(page.locator("#more-skipped")).to_be_hidden()
    cells = rows.nth(1).locator("td").all_text_contents()
    assert cells == ["dive/two.jpg", "10.2 2 30 40", "1010", "<i>bad</i> box"]
    page.locator("#skipped summary").click()


def test_hostile_names_are_shown_as_text(hostile):
    show_more(hostile)
    shown = set(hostile.locator(".card h3").all_text_contents())
    assert shown == {visible(name) for name in HOSTILE_PATHS}
    assert hostile.locator(".card b, .card a, .card img[src=x], .tree b, .tree a").count() == 0
    expect(hostile.locator("h1")).to_have_text("Answers of a <b>model</b>")
    hostile.locator(".card", has_text="<img src=x").locator("summary").first.click()
    hostile.locator("#skipped summary").click()
    expect(hostile.locator("#skipped td").first).to_contain_text("<img src=x")
    for taxon in hostile.locator(".taxon .name").all():
        taxon.click()
        expected = taxon.locator("bdi").text_content()
        assert hostile.locator("#clade").text_content().startswith(expected)
    hostile.locator('[data-taxon="-1"]').click()


@pytest.mark.parametrize("window", [WIDE, NARROW], ids=["wide", "narrow"])
def test_long_names_do_not_widen_the_page(hostile, window):
    hostile.set_viewport_size(window)
    assert hostile.evaluate("document.documentElement.scrollWidth") <= window["width"]
    hostile.set_viewport_size(WIDE)


def test_the_page_fits_a_phone_in_light_and_dark(browser, folder):
    with opened(browser, folder, viewport=NARROW, color_scheme="dark") as page:
        assert not page.locator("#tree").is_visible()
        page.locator("#clades summary").click()
        expect(page.locator("#tree")).to_be_visible()
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            colours = page.evaluate(
                "(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.body))"
            )
            ink, paper = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
            assert (ink > paper) == (scheme == "dark")
            assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_a_page_without_its_files_says_so(browser, folder, tmp_path):
    (tmp_path / "index.html").write_bytes((folder / "index.html").read_bytes())
    page = browser.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    expect(page.locator("#fault")).to_contain_text("data/answers-0.js is missing: copy the whole folder")
    page.close()
