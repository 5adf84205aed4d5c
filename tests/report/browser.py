"""A browser window with the report, and the parts of the page that several tests use."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

WIDE = {"width": 1400, "height": 900}
NARROW = {"width": 390, "height": 900}


@contextmanager
def opened(browser: Browser, report: Path, **window: object) -> Iterator[Page]:
    """The report in a window of its own. At the end, no script may have failed and no request left the machine."""
    faults: list[str] = []
    context = browser.new_context(reduced_motion="reduce", **window)
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: message.type in ("error", "warning") and faults.append(message.text))
    page.on("request", lambda request: request.url.startswith(("http", "ws")) and faults.append(request.url))
    page.goto(report.as_uri())
    expect(page.locator("#chart-losses .main-svg").first).to_be_attached()
    yield page
    context.close()
    assert faults == []


def bar(page: Page, taxon: str) -> Locator:
    return page.locator("#chart-tree .slice").filter(has_text=re.compile(f"^({taxon})+$"))  # a text and its shadow


def option_of(taxon: str) -> re.Pattern[str]:
    """An option is indented by the depth of its taxon, and may end with the number of ROIs."""
    return re.compile(rf"^\s*{re.escape(taxon)}( \(\d+\))?$")


def selected(page: Page) -> Locator:
    return page.locator("#clade option:checked")


def choose(page: Page, selector: str, taxon: str) -> None:
    option = page.locator(f"{selector} option").filter(has_text=option_of(taxon))
    page.locator(selector).select_option(option.get_attribute("value"))


def clade_rows(page: Page) -> list[list[str]]:
    rows = page.locator("#clade-figures tbody tr").all()
    return [row.locator("th, td").all_text_contents() for row in rows]
