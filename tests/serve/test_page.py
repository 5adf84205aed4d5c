"""The page in Chromium, by mouse, finger and keyboard, in wide and narrow windows, light and dark."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import NARROW, WIDE, needs_chromium
from tests.serve.browser import FILE, drag, draw, expect_answers, listed, opened, sent, touch
from tests.serve.world import BLUE, GREEN, HOSTILE, KELP, PICTURE, RED

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def shared(browser, served) -> Iterator[Page]:
    with opened(browser, served, viewport=WIDE, color_scheme="light") as page:
        yield page


@pytest.fixture
def page(shared) -> Page:
    """The page of the module with the picture anew, without boxes."""
    shared.set_input_files("#file", FILE)
    expect(shared.locator(".box")).to_have_count(0)
    return shared


def test_boxes_are_drawn_moved_and_resized_by_mouse(page):
    draw(page, RED)
    expect_answers(page, "Redfish")
    assert sent(page) == [RED]
    draw(page, BLUE)
    expect_answers(page, "Redfish", "Bluesponge")
    drag(page, (50, 9), (30, 9))
    expect_answers(page, "Redfish", "Greenfish")
    drag(page, (36, 14), (30, 12))
    assert sent(page) == [RED, [24, 4, 6, 8]]
    expect_answers(page, "Redfish", "Greenfish")
    page.locator("#remove").click()
    expect_answers(page, "Redfish")


def test_an_answer_is_shown_from_kingdom_to_species(page):
    draw(page, RED)
    expect_answers(page, "Redfish")
    expect(page.locator("#detail-title")).to_have_text("Box 1: Redfish")
    ranks = page.locator("#tree .rank").all_text_contents()
    assert ranks == ["kingdom", "phylum", "class", "order", "family", "genus", "species"]
    shares = page.locator("#tree .share").all_text_contents()
    assert all(re.fullmatch(r"(< )?\d+ %", share) for share in shares)
    expect(page.locator("#tree .answer .name")).to_contain_text("Redfish")
    assert page.locator("#top .name").all_text_contents()[0] == "Sebastes"
    assert page.locator("#top li").count() == 4
    expect(page.locator("#verdict a")).to_have_text("1")
    assert page.locator(".box").get_attribute("aria-label").startswith("Box 1: Redfish ")


def test_a_box_is_made_by_keyboard_alone(page):
    page.locator("#add").focus()
    page.keyboard.press("Enter")
    box = page.locator(".box")
    expect(box).to_be_focused()
    assert sent(page) == [[22, 14, 19, 12]]
    for key, times in (("ArrowUp", 12), ("ArrowLeft", 25), ("Shift+ArrowLeft", 7), ("Shift+ArrowUp", 3)):
        for _ in range(times):
            page.keyboard.press(key)
    assert sent(page) == [[0, 2, 12, 9]]
    expect_answers(page, "Redfish")
    page.keyboard.press("Delete")
    expect(box).to_have_count(0)
    expect(page.locator("#nothing")).to_be_visible()
    expect(page.locator("#add")).to_be_focused()
    page.keyboard.press("Enter")
    page.locator("#remove").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#add")).to_be_focused()


def test_an_answer_can_be_restricted_to_a_clade(page):
    draw(page, RED)
    draw(page, BLUE)
    expect_answers(page, "Redfish", "Bluesponge")
    options = page.locator("#clades option").evaluate_all("all => all.map((option) => option.value)")
    assert {"Animalia", "Sebastes", HOSTILE} <= set(options)
    page.locator("#within").fill("chordata")
    page.keyboard.press("Enter")
    expect(listed(page).nth(1)).to_contain_text(re.compile("Sebastes|fish"))
    expect(page.locator("#verdict")).to_contain_text("if it is in Chordata")
    expect(listed(page).nth(0)).to_contain_text("Redfish")
    page.locator("#anything").click()
    expect_answers(page, "Redfish", "Bluesponge")
    page.locator("#within").fill("Chordatta")
    page.keyboard.press("Enter")
    expect(page.locator("#fault")).to_contain_text("does not know the taxon “Chordatta”")


def test_the_answers_are_downloaded_in_each_format(page, served):
    draw(page, RED)
    draw(page, BLUE)
    expect_answers(page, "Redfish", "Bluesponge")
    buttons = page.locator("#formats button")
    formats = served.client.get("/model").json()["formats"]
    expect(buttons).to_have_text([*formats.values()])
    for name, title in formats.items():
        with page.expect_download() as download:
            buttons.get_by_text(title, exact=True).click()
        content = Path(download.value.path()).read_bytes()
        assert content == served.post(f"/answers/{name}", boxes=[RED, BLUE]).content
        if name == "csv":
            rows = csv.DictReader(io.StringIO(content.decode()))
            assert [row["concept_name"] for row in rows] == ["Redfish", "Bluesponge"]


def test_hostile_names_are_text(page):
    draw(page, KELP)
    expect_answers(page, HOSTILE)
    expect(page.locator("#detail-title")).to_have_text(f"Box 1: {HOSTILE}")
    assert page.locator("main b").count() == 0


def test_the_whole_picture_is_a_box_too(page):
    page.locator("#whole").click()
    expect(page.locator("#list .share")).to_have_text(re.compile("%"))
    assert sent(page) == [[0, 0, 64, 40]]


def test_the_label_of_a_box_at_the_top_covers_no_text(page):
    page.locator("#whole").click()
    expect(page.locator(".box .tag")).to_have_count(1)
    text, tag = page.locator("#how").bounding_box(), page.locator(".box .tag").bounding_box()
    assert tag["y"] >= text["y"] + text["height"]


def test_without_a_touch_screen_the_camera_is_no_stop_of_the_keyboard(page):
    expect(page.locator("#camera")).to_have_css("display", "none")


def test_a_file_that_is_no_picture_and_a_refusal_are_told(page):
    page.set_input_files("#file", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"x"})
    expect(page.locator("#fault")).to_contain_text("“a.txt” is not a picture")
    page.set_input_files("#file", {"name": "b.png", "mimeType": "image/png", "buffer": b"x"})
    expect(page.locator("#fault")).to_contain_text("cannot show “b.png”")
    expect(page.locator("#picture")).to_have_attribute("alt", "The picture dive 1.png")


def test_a_dropped_or_pasted_picture_replaces_the_last(page):
    for event, carrier in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        draw(page, RED)
        page.evaluate(
            """([event, carrier, bytes]) => {
                const body = new Uint8Array(bytes);
                const data = new DataTransfer();
                data.items.add(new File([body], `${event}.png`, { type: "image/png" }));
                const sent = new Event(event, { bubbles: true, cancelable: true });
                Object.defineProperty(sent, carrier, { value: data });
                document.body.dispatchEvent(sent);
            }""",
            [event, carrier, [*PICTURE]],
        )
        expect(page.locator("#picture")).to_have_attribute("alt", f"The picture {event}.png")
        expect(page.locator(".box")).to_have_count(0)


def test_on_a_phone_a_finger_draws_and_the_page_fits(browser, served):
    with opened(browser, served, viewport=NARROW, color_scheme="dark", has_touch=True, is_mobile=True) as page:
        touch(page, GREEN)
        expect_answers(page, "Greenfish")
        assert sent(page) == [GREEN]
        assert_fits_in_light_and_dark(page, NARROW["width"])


def assert_fits_in_light_and_dark(page: Page, width: int) -> None:
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        colours = page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        ink, paper = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours]
        assert (ink > paper) == (scheme == "dark")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_page_fits_a_wide_window_in_light_and_dark(page):
    draw(page, RED)
    expect_answers(page, "Redfish")
    assert_fits_in_light_and_dark(page, WIDE["width"])


def test_every_control_has_a_name_and_every_image_a_text(page):
    draw(page, RED)
    expect_answers(page, "Redfish")
    unnamed = page.evaluate(
        """[...document.querySelectorAll("button, input, [role=button]")].filter(
            (e) => !(e.textContent.trim() || e.getAttribute("aria-label") || (e.labels && e.labels.length))
        ).map((e) => e.outerHTML)"""
    )
    assert unnamed == []
    assert page.locator("img").get_attribute("alt")


def test_a_refusal_is_told_and_can_be_tried_again(browser, served):
    with opened(browser, served, "Failed to load resource", viewport=WIDE) as page:
        busy = {"status": 429, "headers": {"Retry-After": "0"}, "json": {"detail": "Too many."}}
        page.route("**/predict", lambda route: route.fulfill(**busy))
        draw(page, RED)
        expect(page.locator("#fault")).to_have_text("Too many.")
        page.unroute("**/predict")
        page.locator("#again").click()
        expect_answers(page, "Redfish")
        expect(page.locator("#fault")).to_be_empty()
